// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* The attach points of the modes `tracepoint` and `fexit`: programs.c chooses. Everything else is in the
 * parts included. */
#include "connection.bpf.h"
#include "unix.bpf.h"

SEC("tp_btf/sock_send_length")
int BPF_PROG(on_send, struct sock *sk, int ret, int flags)
{
	return handle_transfer(sk, ret, DIRECTION_SEND, 0, NULL);
}

SEC("tp_btf/sock_recv_length")
int BPF_PROG(on_receive, struct sock *sk, int ret, int flags)
{
	return handle_transfer(sk, ret, DIRECTION_RECV, flags, NULL);
}

SEC("fexit/tcp_sendmsg")
int BPF_PROG(after_send, struct sock *sk, struct msghdr *message, size_t size, int ret)
{
	return handle_transfer(sk, ret, DIRECTION_SEND, 0, message);
}

/*
 * The returned value comes after the arguments, of which kernels have different numbers. Which it is, the
 * verifier knows when it loads the program: it does not look at the rest.
 */
SEC("fexit/tcp_recvmsg")
int after_receive(__u64 *args)
{
	struct sock *sk = (struct sock *)args[0];
	struct msghdr *message = (struct msghdr *)args[1];

	if (receive_arguments == RECEIVE_ARGUMENTS_NONBLOCK)
		return handle_transfer(sk, args[6], DIRECTION_RECV, args[4], message);
	if (receive_arguments == RECEIVE_ARGUMENTS)
		return handle_transfer(sk, args[5], DIRECTION_RECV, args[3], message);
	return handle_transfer(sk, args[4], DIRECTION_RECV, args[3], message);
}

/* Of Unix-domain sockets. */
SEC("fexit/unix_stream_sendmsg")
int BPF_PROG(after_unix_send, struct socket *socket, struct msghdr *message, size_t size, int ret)
{
	struct sock *sk = socket->sk;

	return sk ? handle_transfer(sk, ret, DIRECTION_SEND, 0, message) : 0;
}

SEC("fexit/unix_stream_recvmsg")
int BPF_PROG(after_unix_receive, struct socket *socket, struct msghdr *message, size_t size, int flags,
	     int ret)
{
	struct sock *sk = socket->sk;

	return sk ? handle_transfer(sk, ret, DIRECTION_RECV, flags, message) : 0;
}

SEC("fentry/unix_release")
int BPF_PROG(before_unix_release, struct socket *socket)
{
	struct sock *sk = socket->sk;
	struct tracked *tracked = sk ? track_find(sk) : NULL;

	return tracked ? track_end(sk, tracked) : 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
