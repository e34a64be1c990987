// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * The attach points of the mode `kprobe`. At its return a function's arguments are gone: they are noted at
 * its entry, for tracked sockets only.
 */
#define BY_ADDRESS
#include "connection.bpf.h"
#include "unix.bpf.h"

#define MAX_CALLS 16384 /* threads within a call on a tracked socket at the same time */

struct call {
	struct sock *sk;
	struct msghdr *message;
	__u64 flags;
};

/* By thread. The kernel may miss a return (too many at once): what such a call leaves is the first to make
 * room. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, MAX_CALLS);
	__type(key, __u64);
	__type(value, struct call);
} calls SEC(".maps");

static __always_inline int call_enter(struct sock *sk, struct msghdr *message, int flags)
{
	struct call call = {.sk = sk, .message = message, .flags = flags};
	__u64 thread = bpf_get_current_pid_tgid();

	if (track_find(sk))
		bpf_map_update_elem(&calls, &thread, &call, BPF_ANY);
	return 0;
}

static __always_inline int call_exit(int direction, int ret)
{
	__u64 thread = bpf_get_current_pid_tgid();
	struct call *found = bpf_map_lookup_elem(&calls, &thread);
	struct call call;

	if (!found)
		return 0;
	call = *found;
	bpf_map_delete_elem(&calls, &thread);
	return handle_transfer(call.sk, ret, direction, call.flags, call.message);
}

SEC("kprobe/tcp_sendmsg")
int BPF_KPROBE(enter_send, struct sock *sk, struct msghdr *message)
{
	return call_enter(sk, message, 0);
}

SEC("kretprobe/tcp_sendmsg")
int BPF_KRETPROBE(exit_send, int ret)
{
	return call_exit(DIRECTION_SEND, ret);
}

SEC("kprobe/tcp_recvmsg")
int BPF_KPROBE(enter_receive, struct sock *sk, struct msghdr *message, size_t size, int fourth, int fifth)
{
	int flags = receive_arguments == RECEIVE_ARGUMENTS_NONBLOCK ? fifth : fourth;

	return call_enter(sk, message, flags);
}

SEC("kretprobe/tcp_recvmsg")
int BPF_KRETPROBE(exit_receive, int ret)
{
	return call_exit(DIRECTION_RECV, ret);
}

/* Of Unix-domain sockets. */
SEC("kprobe/unix_stream_sendmsg")
int BPF_KPROBE(enter_unix_send, struct socket *socket, struct msghdr *message)
{
	struct sock *sk = BPF_CORE_READ(socket, sk);

	if (!track_find(sk))
		track_unix(sk);
	return call_enter(sk, message, 0);
}

SEC("kretprobe/unix_stream_sendmsg")
int BPF_KRETPROBE(exit_unix_send, int ret)
{
	return call_exit(DIRECTION_SEND, ret);
}

SEC("kprobe/unix_stream_recvmsg")
int BPF_KPROBE(enter_unix_receive, struct socket *socket, struct msghdr *message, size_t size, int flags)
{
	return call_enter(BPF_CORE_READ(socket, sk), message, flags);
}

SEC("kretprobe/unix_stream_recvmsg")
int BPF_KRETPROBE(exit_unix_receive, int ret)
{
	return call_exit(DIRECTION_RECV, ret);
}

SEC("kprobe/unix_release")
int BPF_KPROBE(enter_unix_release, struct socket *socket)
{
	struct sock *sk = BPF_CORE_READ(socket, sk);
	struct tracked *tracked = track_find(sk);

	if (!tracked)
		return 0;
	track_end(sk, tracked);
	track_forget(sk);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
