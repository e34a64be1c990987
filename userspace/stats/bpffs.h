/* SPDX-License-Identifier: MIT */
/*
 * bpffs - the directory of the pins: mounts a bpffs where none is, makes the directory, locks it.
 *
 * A bpffs holds no ordinary files, so the lock is flock(2) on the pin directory itself: every process that
 * sees this bpffs sees it, whatever its /run or its container, and the kernel drops it when its holder dies.
 */
#ifndef MO_BPFFS_H
#define MO_BPFFS_H

/*
 * Opens and locks the directory `pin` for one writer, made (and a bpffs mounted on /sys/fs/bpf, which is
 * logged) when missing. Returns a file descriptor that holds the lock until it is closed, -EBUSY when another
 * process holds it, -EINVAL when pin is not on a bpffs, or another -errno.
 */
int bpffs_lock(const char *pin);

/* Process that holds the lock on `pin`, in our pid namespace; 0 when none or not visible from here. */
int bpffs_holder(const char *pin);

#endif
