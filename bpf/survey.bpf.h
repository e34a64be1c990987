/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * survey - every connection of the chosen processes, wherever it goes, and those of other processes to the
 * addresses of the configuration: what a configuration that fits nothing is told by. Written into the
 * iterator's file; on demand only.
 */
#ifndef MO_SURVEY_BPF_H
#define MO_SURVEY_BPF_H

#include "track.bpf.h"

__u32 survey_all; /* also what is of no interest to the configuration: `discover` */

static __always_inline void survey_path(struct sock *sk, struct survey *record)
{
	struct unix_address *address;

	if (record->state != TCP_LISTEN)
		sk = BPF_CORE_READ((struct unix_sock *)sk, peer);
	address = sk ? BPF_CORE_READ((struct unix_sock *)sk, addr) : NULL;
	if (address)
		bpf_probe_read_kernel_str(record->path, sizeof(record->path), address->name[0].sun_path);
}

static __always_inline void survey_process(struct task_struct *task, struct survey *record)
{
	struct task_struct *leader = BPF_CORE_READ(task, group_leader);
	struct pid *pid = BPF_CORE_READ(leader, thread_pid);
	int level = pidns_level(task, filter_current()->pidns);
	struct upid *number;

	if (pid && level >= 0) {
		number = pid_at(pid, level);
		record->pid = BPF_CORE_READ(number, nr);
	}
	bpf_probe_read_kernel_str(record->comm, sizeof(record->comm), &leader->comm);
	record->of_proxy = filter_process(filter_current(), task);
}

/* Either end: the server's tells the database of a connection. */
static __always_inline bool survey_is_target(struct sock *sk)
{
	const struct filter *filter = filter_current();
	struct target_search search = {.set = filter != &filters[0]};

	if (sk->__sk_common.skc_family == AF_UNIX)
		return filter_has_unix(filter) && filter_unix_target_of(sk) >= 0;
	sock_remote(sk, search.addr);
	search.port = sock_remote_port(sk);
	if (filter_target_of(&search) >= 0)
		return true;
	sock_local(sk, search.addr);
	search.port = sk->__sk_common.skc_num;
	return filter_target_of(&search) >= 0;
}

static __always_inline bool survey_is_stream(struct sock *sk)
{
	__u16 family = sk->__sk_common.skc_family;

	if (family == AF_UNIX)
		return true;
	return (family == AF_INET || family == AF_INET6) &&
	       (sk->sk_protocol == IPPROTO_TCP || sk->sk_protocol == IPPROTO_MPTCP);
}

static __always_inline void survey_visit(struct seq_file *seq, struct sock *sk, struct task_struct *task)
{
	struct survey record = {.sock = (__u64)sk, .state = sk->__sk_common.skc_state};

	if (!survey_is_stream(sk) || record.state == TCP_CLOSE)
		return;
	survey_process(task, &record);
	if (!record.of_proxy && !survey_all && !survey_is_target(sk))
		return;
	record.is_unix = sk->__sk_common.skc_family == AF_UNIX;
	record.is_mptcp = !record.is_unix && sk->sk_protocol == IPPROTO_MPTCP;
	record.is_redirected = !record.is_unix && sock_is_redirected(sk);
	record.unseen = (record.is_mptcp && !follows_mptcp) || (record.is_redirected && !sees_sockets);
	if (record.is_unix) {
		survey_path(sk, &record);
		if (!record.path[0])
			return;
	} else {
		sock_local(sk, (__u32 *)record.local);
		sock_remote(sk, (__u32 *)record.remote);
		record.local_port = sk->__sk_common.skc_num;
		record.remote_port = sock_remote_port(sk);
	}
	record.netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
	bpf_seq_write(seq, &record, sizeof(record));
}

#endif
