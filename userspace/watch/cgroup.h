/* SPDX-License-Identifier: MIT */
/*
 * cgroup - control groups of version 2, by path and by the id that BPF programs see. The file system need not
 * be at /sys/fs/cgroup: on hybrid hosts it is at /sys/fs/cgroup/unified.
 */
#ifndef MO_CGROUP_H
#define MO_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * path: below the mount ("system.slice/pgdog.service", as /proc/PID/cgroup shows it, with or without a
 * leading slash) or whole ("/sys/fs/cgroup/system.slice/..."). Fills the path below the mount, with a leading
 * slash, and the id. -ENODEV: no cgroup2 is mounted; -ENOENT and the like: no such group; -ENAMETOOLONG. On
 * an error name is "" and *id 0.
 */
int cgroup_look_up(const char *path, char *name, size_t size, uint64_t *id);

/* True when the process is in the group or below it. */
bool cgroup_has_process(const char *name, pid_t pid);

#endif
