/* SPDX-License-Identifier: MIT */
/*
 * proxy - which processes are the proxy: the configuration's selectors, looked up on this host.
 *
 * An executable or a cgroup may appear, go and be replaced while we run (a package upgrade, a restarted
 * service), so proxy_refresh is called again and again: it reads /proc/self/mountinfo and little else. What
 * is missing is logged once, and matches nothing until it is there.
 *
 * All is as seen from the observer: paths in its mount namespace, pids in its pid namespace.
 */
#ifndef MO_PROXY_H
#define MO_PROXY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "config/config.h"

#define PROXY_NO_PID     UINT32_MAX        /* proxy_identity.pid: no process */
#define PROXY_REFRESH_US UINT64_C(1000000) /* a good period for proxy_refresh */

/* What the kernel compares. Selectors that are not given are 0 or "". */
struct proxy_identity {
	bool by_comm, by_exe, by_pid, by_cgroup;
	char comm[16];
	/* The kernel's s_dev, that is major << 20 | minor of the file system as /proc/self/mountinfo shows it
	 * (stat's st_dev is another one on btrfs and some overlays); 0 while the file is missing. */
	uint64_t exe_dev, exe_ino;
	uint64_t exe_before_dev, exe_before_ino; /* of the file that this one has replaced */
	uint32_t pid, pidns;                     /* pidns: inode number of the observer's pid namespace */
	uint64_t cgroup_id;                      /* 0 while the cgroup is missing */
};

struct proxy;

/* The configuration must outlive it. Looks up once; what is missing is no error. 0 or -ENOMEM. */
int proxy_new(struct proxy **out, const struct config_proxy *config);
void proxy_free(struct proxy **proxy);

/*
 * Looks up again; true when the identity changed, and the filter must be made anew and open connections be
 * scanned. Of an executable that is replaced the file before counts as well, since processes may go on
 * running it; the one before that does not any more. A process that has ended never comes back: whatever gets
 * its number is another one.
 */
bool proxy_refresh(struct proxy *proxy);
/* After a reload: takes what old has learnt of the same executable and the same pid. Old is then good for
 * proxy_free only. */
void proxy_inherit(struct proxy *proxy, struct proxy *old);
const struct proxy_identity *proxy_identity(const struct proxy *proxy);

/* Processes that match now, by a walk of /proc; the first max of them into pids (may be NULL). Without the
 * privilege to read another user's /proc/PID/exe those processes count as no match for `exe`. */
size_t proxy_find(const struct proxy *proxy, pid_t *pids, size_t max);

/* "comm pgdog and cgroup system.slice/pgdog.service", for messages; returns text. */
const char *proxy_describe(const struct proxy *proxy, char *text, size_t size);

#endif
