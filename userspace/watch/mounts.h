/* SPDX-License-Identifier: MIT */
/*
 * mounts - /proc/self/mountinfo (proc(5)): what is mounted where in our mount namespace.
 */
#ifndef MO_MOUNTS_H
#define MO_MOUNTS_H

#include <stdbool.h>
#include <stdint.h>

/* Strings are valid during the call, octal escapes undone. */
struct mount {
	uint64_t id;
	unsigned major, minor; /* of the superblock */
	const char *root;      /* what of the file system is mounted */
	const char *path;      /* where */
	const char *type;      /* "cgroup2", "bpf" ... */
};

/* Returns true to end the walk. */
typedef bool mounts_visitor(void *ctx, const struct mount *mount);

/* 1 when a visitor ended the walk, 0 when all were seen, -errno. */
int mounts_walk(mounts_visitor *visitor, void *ctx);

#endif
