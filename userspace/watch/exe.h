/* SPDX-License-Identifier: MIT */
/*
 * exe - the identity of an executable file as the kernel's inode has it.
 *
 * The file is held open, without access to what is in it: until exe_close no other file gets its inode, even
 * if it is deleted.
 */
#ifndef MO_EXE_H
#define MO_EXE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct exe {
	uint64_t s_dev; /* of the inode's file system: major << 20 | minor (MKDEV of <linux/kdev_t.h>) */
	uint64_t ino;   /* 0 = not known */
	dev_t st_dev;   /* as stat(2) shows it */
	int fd;
};

/* 0, -ENOENT and the like, or -EISDIR and -EACCES for what is no executable file; then *out is all zeros. */
int exe_open(const char *path, struct exe *out);
/* All zeros is fine too. */
void exe_close(struct exe *exe);
bool exe_equal(const struct exe *a, const struct exe *b);

#endif
