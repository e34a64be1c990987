/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* filter - is this process the proxy, is this address a target? Runs at connects and in the scan only. */
#ifndef MO_FILTER_BPF_H
#define MO_FILTER_BPF_H

#include "maps.bpf.h"

#define MAX_PID_NS_LEVEL 32 /* <linux/pid_namespace.h> */
#define MAX_ANCESTORS    64
#define MAX_CGROUP_DEPTH 64

struct ancestor_search {
	struct task_struct *task;
	__u32 level; /* of the observer's pid namespace: it is the same for every process in it */
	__u32 pid;
	bool found;
};

struct cgroup_search {
	struct cgroup_subsys_state *css;
	__u64 id;
	bool found;
};

struct target_search {
	__u32 addr[4]; /* network byte order */
	__u32 port;
	__u32 set;   /* which of the two filters */
	__s32 found; /* index or -1 */
};

struct unix_search {
	__u64 path[14]; /* sun_path and the NUL bytes after it */
	__u32 set;
	__s32 found;
};

static __always_inline const struct filter *filter_current(void)
{
	return &filters[*(volatile __u32 *)&active_filter & 1];
}

static __always_inline bool comm_matches(struct task_struct *leader, const struct filter *filter)
{
	__u64 comm[FILTER_COMM_LEN / 8] = {};
	const __u64 *wanted = (const __u64 *)filter->comm;

	bpf_probe_read_kernel_str(comm, sizeof(comm), &leader->comm);
	return comm[0] == wanted[0] && comm[1] == wanted[1];
}

static __always_inline bool exe_matches(struct task_struct *task, const struct filter *filter)
{
	struct inode *inode = BPF_CORE_READ(task, mm, exe_file, f_inode);
	__u64 ino, dev;

	if (!inode)
		return false;
	ino = BPF_CORE_READ(inode, i_ino);
	dev = BPF_CORE_READ(inode, i_sb, s_dev);
	return (ino == filter->exe_ino && dev == filter->exe_dev) ||
	       (ino == filter->exe_before_ino && dev == filter->exe_before_dev);
}

/* The number of a process in one namespace of its own and its ancestors'. */
static __always_inline struct upid *pid_at(struct pid *pid, __u32 level)
{
	return (struct upid *)((char *)pid + bpf_core_field_offset(struct pid, numbers) +
			       level * bpf_core_type_size(struct upid));
}

static long ancestor_matches(__u32 i, struct ancestor_search *search)
{
	struct task_struct *task = search->task; /* our own structs must not come into BPF_CORE_READ */
	struct task_struct *leader = BPF_CORE_READ(task, group_leader);
	struct pid *pid = BPF_CORE_READ(leader, thread_pid);
	struct task_struct *parent;
	struct upid *number;

	if (!pid || BPF_CORE_READ(pid, level) < search->level)
		return 1;
	number = pid_at(pid, search->level);
	if (BPF_CORE_READ(number, nr) == (int)search->pid) {
		search->found = true;
		return 1;
	}
	parent = BPF_CORE_READ(leader, real_parent);
	if (!parent || parent == leader)
		return 1;
	search->task = parent;
	return 0;
}

/* Where in its numbers the process has the one of the observer's pid namespace; -1 when it has none there. */
static __noinline int pidns_level(struct task_struct *task, __u32 pidns)
{
	struct pid *pid = BPF_CORE_READ(task, group_leader, thread_pid);
	__u32 level;

	if (!pid)
		return -1;
	for (level = 0; level < MAX_PID_NS_LEVEL; level++) {
		struct upid *number = pid_at(pid, level);

		if (level > BPF_CORE_READ(pid, level))
			return -1;
		if (BPF_CORE_READ(number, ns, ns.inum) == pidns)
			return level;
	}
	return -1;
}

static __noinline bool pid_matches(struct task_struct *task, const struct filter *filter)
{
	struct ancestor_search search = {.task = task, .pid = filter->pid};
	int level = pidns_level(task, filter->pidns);

	if (level < 0)
		return false;
	search.level = level;
	bpf_loop(MAX_ANCESTORS, ancestor_matches, &search, 0);
	return search.found;
}

static long cgroup_contains(__u32 i, struct cgroup_search *search)
{
	struct cgroup_subsys_state *css = search->css;
	struct cgroup *cgroup;

	if (!css)
		return 1;
	cgroup = (struct cgroup *)((char *)css - bpf_core_field_offset(struct cgroup, self));
	if (BPF_CORE_READ(cgroup, kn, id) == search->id) {
		search->found = true;
		return 1;
	}
	search->css = BPF_CORE_READ(css, parent);
	return 0;
}

static __noinline bool cgroup_matches(struct task_struct *task, const struct filter *filter)
{
	struct cgroup *cgroup = BPF_CORE_READ(task, cgroups, dfl_cgrp);
	struct cgroup_search search = {.id = filter->cgroup_id};

	if (!cgroup)
		return false;
	search.css = (void *)((char *)cgroup + bpf_core_field_offset(struct cgroup, self));
	bpf_loop(MAX_CGROUP_DEPTH, cgroup_contains, &search, 0);
	return search.found;
}

/*
 * A filter that selects nothing matches no process: never all of them. An observer in a container sees the
 * processes of its own pid namespace and those below, as it does in /proc, though another container may run
 * the same proxy on the same addresses.
 */
static __always_inline bool filter_process(const struct filter *filter, struct task_struct *task)
{
	__u32 select = filter->select;

	if (!select)
		return false;
	if ((select & FILTER_BY_COMM) && !comm_matches(BPF_CORE_READ(task, group_leader), filter))
		return false;
	if ((select & FILTER_BY_EXE) && !exe_matches(task, filter))
		return false;
	if ((select & FILTER_BY_PID) ? !pid_matches(task, filter)
				     : filter->pidns && pidns_level(task, filter->pidns) < 0)
		return false;
	return !(select & FILTER_BY_CGROUP) || cgroup_matches(task, filter);
}

static __always_inline bool word_agrees(__u32 a, __u32 b, int bits)
{
	if (bits <= 0)
		return true;
	return bits >= 32 ? a == b : !(bpf_ntohl(a ^ b) >> (32 - bits));
}

static long target_matches(__u32 i, struct target_search *search)
{
	const struct filter_target *target = &filters[search->set & 1].targets[i & (FILTER_MAX_TARGETS - 1)];
	const __u32 *addr = (const __u32 *)target->addr;
	int bits = target->prefix_len;

	if (target->family != 1 || target->port != search->port)
		return 0;
	if (!word_agrees(addr[0], search->addr[0], bits) ||
	    !word_agrees(addr[1], search->addr[1], bits - 32) ||
	    !word_agrees(addr[2], search->addr[2], bits - 64) ||
	    !word_agrees(addr[3], search->addr[3], bits - 96))
		return 0;
	search->found = i;
	return 1;
}

/* Unix-domain targets come first (filter.h). */
static __always_inline bool filter_has_unix(const struct filter *filter)
{
	return filter->targets[0].family == 2;
}

static long path_matches(__u32 i, struct unix_search *search)
{
	const struct filter_target *target = &filters[search->set & 1].targets[i & (FILTER_MAX_TARGETS - 1)];
	const __u64 *path = (const __u64 *)target->path;

	if (target->family != 2)
		return 1;
	for (int word = 0; word < 13; word++)
		if (path[word] != search->path[word])
			return 0;
	if (*(const __u32 *)&path[13] != (__u32)search->path[13])
		return 0;
	search->found = i;
	return 1;
}

static __always_inline __s32 filter_find_path(struct unix_search *search)
{
	search->set = filter_current() != &filters[0];
	search->found = -1;
	bpf_loop(FILTER_MAX_TARGETS, path_matches, search, 0);
	return search->found;
}

/* By the path to which the server has bound its socket. */
static __noinline __attribute__((unused)) __s32 filter_unix_target_of(struct sock *sk)
{
	struct unix_search search = {};
	struct sock *peer = BPF_CORE_READ((struct unix_sock *)sk, peer);
	struct unix_address *address;

	if (!peer)
		return -1;
	address = BPF_CORE_READ((struct unix_sock *)peer, addr);
	if (!address)
		return -1;
	bpf_probe_read_kernel_str(search.path, sizeof(((struct filter_target *)0)->path),
				  address->name[0].sun_path);
	return search.path[0] ? filter_find_path(&search) : -1;
}

/* Index of the first target that covers the address in search, or -1. */
static __always_inline __s32 filter_target_of(struct target_search *search)
{
	__u32 used = filters[search->set & 1].targets_used;

	search->found = -1;
	bpf_loop(used < FILTER_MAX_TARGETS ? used : FILTER_MAX_TARGETS, target_matches, search, 0);
	return search->found;
}

#endif
