/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * unix - connects to a Unix-domain socket that fail: no socket is left to follow, so the records of one are
 * made up. Runs at the end of every system call of the machine, and is attached only when such an address is
 * configured.
 */
#ifndef MO_UNIX_BPF_H
#define MO_UNIX_BPF_H

#include "transfer.bpf.h"

#define NR_CONNECT  42 /* <asm/unistd_64.h> */
#define EINPROGRESS 115

struct failed_connect {
	__u64 sock;
	__u64 time;
	__u32 target;
	__s32 error;
};

static __always_inline void head_of_failure(struct event *head, const struct failed_connect *failed,
					    __u8 kind)
{
	__builtin_memset(head, 0, sizeof(*head));
	head->sock = failed->sock;
	head->time = failed->time;
	head->kind = kind;
	head->flags = EVENT_F_UNIX;
	head->tgid = bpf_get_current_pid_tgid() >> 32;
}

static __always_inline void report_failure(const struct failed_connect *failed, __u8 kind)
{
	struct event_state *state = bpf_ringbuf_reserve(&ring, sizeof(*state), 0);

	if (!state) {
		__sync_fetch_and_add(&lost_control, 1);
		return;
	}
	__builtin_memset(state, 0, sizeof(*state));
	head_of_failure(&state->h, failed, kind);
	state->error = failed->error;
	state->old_state = TCP_SYN_SENT;
	state->new_state = TCP_CLOSE;
	bpf_ringbuf_submit(state, 0);
}

static __always_inline void announce_failure(const struct failed_connect *failed)
{
	struct event_open *open = bpf_ringbuf_reserve(&ring, sizeof(*open), 0);

	if (!open) {
		__sync_fetch_and_add(&lost_control, 1);
		return;
	}
	__builtin_memset(open, 0, sizeof(*open));
	head_of_failure(&open->h, failed, EVENT_OPEN);
	open->state = TCP_SYN_SENT;
	open->target = failed->target;
	bpf_ringbuf_submit(open, BPF_RB_NO_WAKEUP);
}

static __noinline __s32 target_of_connect(struct pt_regs *regs)
{
	struct unix_search search = {};
	__u64 address = regs->si;
	__u16 family = 0;

	bpf_probe_read_user(&family, sizeof(family), (const void *)address);
	if (family != AF_UNIX)
		return -1;
	bpf_probe_read_user_str(search.path, sizeof(((struct filter_target *)0)->path),
				(const void *)(address + 2));
	return search.path[0] ? filter_find_path(&search) : -1;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(on_failed_connect, struct pt_regs *regs, long ret)
{
	struct failed_connect failed = {.error = -ret};
	struct task_struct *task;
	__s32 target;

	if (regs->orig_ax != NR_CONNECT || ret >= 0 || is_passing_error(failed.error) ||
	    failed.error == EINPROGRESS)
		return 0;
	task = bpf_get_current_task_btf();
	if (!filter_has_unix(filter_current()) || !filter_process(filter_current(), task))
		return 0;
	target = target_of_connect(regs);
	if (target < 0)
		return 0;
	failed.target = target;
	failed.time = bpf_ktime_get_ns();
	failed.sock = __sync_fetch_and_add(&last_sock, 1) + 1;
	announce_failure(&failed);
	report_failure(&failed, EVENT_STATE);
	report_failure(&failed, EVENT_END);
	return 0;
}

#endif
