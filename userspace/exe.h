/* SPDX-License-Identifier: MIT */
/*
 * exe - the identity of an executable file as the kernel's inode has it.
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
};

/* 0, -ENOENT and the like, or -EISDIR and -EACCES for what is no executable file. */
int exe_look_up(const char *path, struct exe *out);
bool exe_equal(const struct exe *a, const struct exe *b);

#endif
