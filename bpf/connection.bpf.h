/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* connection - the programs of every attach mode: connections begin, change and end; those that existed
 * before. */
#ifndef MO_CONNECTION_BPF_H
#define MO_CONNECTION_BPF_H

#include "clients.bpf.h"
#include "survey.bpf.h"
#include "transfer.bpf.h"

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(on_state, struct sock *sk, int old_state, int new_state)
{
	if (new_state == TCP_SYN_SENT)
		return track_connect(sk);
	return track_state(sk, old_state, new_state);
}

SEC("tp_btf/tcp_destroy_sock")
int BPF_PROG(on_destroy, struct sock *sk)
{
	struct tracked *tracked = track_find(sk);

	if (!tracked)
		return 0;
	track_end(sk, tracked);
#ifdef BY_ADDRESS
	track_forget(sk);
#endif
	return 0;
}

/* A socket that one of the open files is, if it is of a kind that can be followed. */
static __always_inline struct sock *stream_of(struct file *file)
{
	struct socket *socket = bpf_sock_from_file(file);
	struct sock *sk = socket ? socket->sk : NULL;

	return sk && (sock_is_tcp(sk) || sk->__sk_common.skc_family == AF_UNIX || sock_is_mptcp(sk)) ? sk
												     : NULL;
}

/* Follows it from now on, if it is wanted. */
static __always_inline int follow_late(struct sock *sk, struct task_struct *task)
{
	struct tracked fresh = {.tgid = task->tgid, .open_flags = EVENT_F_BEFORE};
	__u8 state = sk->__sk_common.skc_state;

	if (state == TCP_CLOSE || state == TCP_LISTEN)
		return 0;
	fresh.target = track_wanted(sk, task);
	if ((__s32)fresh.target < 0)
		return 0;
	return track_start(sk, &fresh, state);
}

/*
 * Connections that existed before: the files of a process tell whose they are. Attach first, then scan. And
 * after records were lost: those of known sockets are told how they stand.
 */
SEC("iter/task_file")
int scan_files(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct tracked *tracked;
	struct sock *sk;

	if (!task || !file)
		return 0;
	sk = stream_of(file);
	if (!sk)
		return 0;
	tracked = track_find(sk);
	return tracked ? track_tell(sk, tracked) : follow_late(sk, task);
}

/*
 * On demand only, about once a second. What it meets of the proxy's that is not followed yet is from then on:
 * a process may have connected before it had the name or the cgroup by which it is known.
 */
SEC("iter/task_file")
int count_clients(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct tracked *tracked;
	struct sock *sk;

	if (!task || !file)
		return 0;
	sk = stream_of(file);
	if (!sk || !clients_visit(sk, task))
		return 0;
	tracked = track_find(sk);
	if (tracked)
		return track_unseen(sk, tracked);
	if (sk->__sk_common.skc_family == AF_UNIX) /* its first send tells, and that it is the first */
		return 0;
	return follow_late(sk, task);
}

/* On demand only. */
SEC("iter/task_file")
int survey_files(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct socket *socket;

	if (!task || !file)
		return 0;
	socket = bpf_sock_from_file(file);
	if (socket && socket->sk)
		survey_visit(ctx->meta->seq, socket->sk, task);
	return 0;
}

#endif
