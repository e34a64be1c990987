/* SPDX-License-Identifier: MIT */
#include "watch/exe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "watch/mounts.h"

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

static int check_file(const struct statx *stx)
{
	if (S_ISDIR(stx->stx_mode))
		return -EISDIR;
	return S_ISREG(stx->stx_mode) && (stx->stx_mode & 0111) ? 0 : -EACCES;
}

/*
 * stat's device is the file system's own idea: btrfs gives each subvolume one, overlayfs sometimes each
 * layer. The mount's, in mountinfo, is s_dev itself.
 */
static int look_up(int fd, struct exe *out)
{
	struct search search = {0};
	struct statx stx;
	int err =
	    statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_MNT_ID, &stx) ? -errno : check_file(&stx);

	if (err)
		return err;
	*out = (struct exe){.s_dev = kernel_dev(stx.stx_dev_major, stx.stx_dev_minor),
			    .ino = stx.stx_ino,
			    .st_dev = makedev(stx.stx_dev_major, stx.stx_dev_minor),
			    .fd = fd};
	search.mount_id = stx.stx_mnt_id;
	if ((stx.stx_mask & STATX_MNT_ID) && mounts_walk(found_mount, &search) == 1)
		out->s_dev = search.s_dev;
	return 0;
}

int exe_open(const char *path, struct exe *out)
{
	int fd = open(path, O_PATH | O_CLOEXEC), err;

	memset(out, 0, sizeof(*out));
	if (fd < 0)
		return -errno;
	err = look_up(fd, out);
	if (err)
		close(fd);
	return err;
}

void exe_close(struct exe *exe)
{
	if (exe->ino)
		close(exe->fd);
	memset(exe, 0, sizeof(*exe));
}

bool exe_equal(const struct exe *a, const struct exe *b)
{
	return a->ino == b->ino && a->st_dev == b->st_dev && a->s_dev == b->s_dev;
}
