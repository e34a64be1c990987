/* SPDX-License-Identifier: MIT */
/* mapped - the files whose code a process has mapped: its program and its libraries. */
#ifndef MO_MAPPED_H
#define MO_MAPPED_H

#include <limits.h>
#include <stdint.h>
#include <sys/types.h>

struct mapped_file {
	uint64_t device, inode; /* as /proc/PID/maps shows them */
	char path[PATH_MAX];    /* by which it can be opened from here, also out of a container */
	char name[PATH_MAX];    /* as the process knows it, for messages */
};

/* Calls found for each file, several times when it has several mappings. 0, or -errno: without CAP_SYS_PTRACE
 * another account's processes are closed to us. */
int mapped_files(pid_t pid, void (*found)(void *ctx, const struct mapped_file *file), void *ctx);

#endif
