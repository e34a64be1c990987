/* SPDX-License-Identifier: MIT */
#include "exe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "mounts.h"

static uint64_t kernel_dev(unsigned major_, unsigned minor_)
{
	return (uint64_t)major_ << 20 | minor_;
}

struct search {
	uint64_t mount_id, s_dev;
};

static bool found_mount(void *ctx, const struct mount *mount)
{
	struct search *search = ctx;

	if (mount->id != search->mount_id)
		return false;
	search->s_dev = kernel_dev(mount->major, mount->minor);
	return true;
}

/*
 * stat's device is the file system's own idea: btrfs gives each subvolume one, overlayfs sometimes each
 * layer. The mount's, in mountinfo, is s_dev itself.
 */
int exe_look_up(const char *path, struct exe *out)
{
	struct search search = {0};
	struct statx stx;

	if (statx(AT_FDCWD, path, 0, STATX_BASIC_STATS | STATX_MNT_ID, &stx))
		return -errno;
	if (S_ISDIR(stx.stx_mode))
		return -EISDIR;
	if (!S_ISREG(stx.stx_mode) || !(stx.stx_mode & 0111))
		return -EACCES;
	*out = (struct exe){.s_dev = kernel_dev(stx.stx_dev_major, stx.stx_dev_minor),
			    .ino = stx.stx_ino,
			    .st_dev = makedev(stx.stx_dev_major, stx.stx_dev_minor)};
	search.mount_id = stx.stx_mnt_id;
	if ((stx.stx_mask & STATX_MNT_ID) && mounts_walk(found_mount, &search) == 1)
		out->s_dev = search.s_dev;
	return 0;
}

bool exe_equal(const struct exe *a, const struct exe *b)
{
	return a->ino == b->ino && a->st_dev == b->st_dev && a->s_dev == b->s_dev;
}
