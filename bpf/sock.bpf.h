/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* sock - what we read of a struct sock: addresses, stream positions, whether the peer has finished. */
#ifndef MO_SOCK_BPF_H
#define MO_SOCK_BPF_H

#include "maps.bpf.h"

#define SOCK_DONE    1 /* bit of sk_flags, <net/sock.h>: set by tcp_fin() only */
#define RCV_SHUTDOWN 1
/* Bit of sk_user_data, <net/sock.h> since Linux 6.0: a sockmap has it, and may move its bytes past TCP. */
#define SK_USER_DATA_PSOCK 4ul

struct positions {
	__u32 send;
	__u32 recv;
	bool fin;     /* the peer's FIN has arrived */
	bool drained; /* nothing is left to read */
};

#ifndef BY_ADDRESS
/* Since Linux 6.2: no call at all, the verifier takes our word. */
extern void *bpf_rdonly_cast(const void *object, __u32 type) __ksym __weak;
#endif

/* Of a socket that is known to be TCP, by tracked.counted. */
static __always_inline struct tcp_sock *sock_tcp(struct sock *sk)
{
#ifdef BY_ADDRESS
	return (struct tcp_sock *)sk;
#else
	if (bpf_rdonly_cast)
		return bpf_rdonly_cast(sk, bpf_core_type_id_kernel(struct tcp_sock));
	return bpf_skc_to_tcp_sock(sk);
#endif
}

/*
 * Positions count bytes only. The kernel counts a FIN as one more: our own in write_seq (tracked.fin_sent),
 * the peer's in copied_seq as soon as a receive meets it, even one that also returns data. rcv_nxt always
 * counts it and no byte follows it, so copied_seq has counted it exactly when both are equal.
 */
static __always_inline void sock_positions(struct sock *sk, const struct tracked *tracked,
					   struct positions *out)
{
	struct tcp_sock *tcp;

	__builtin_memset(out, 0, sizeof(*out));
	if (tracked->counted) {
		out->send = tracked->moved[DIRECTION_SEND];
		out->recv = tracked->moved[DIRECTION_RECV];
		out->fin = FIELD(sk, sk_shutdown) & RCV_SHUTDOWN;
		out->drained = true;
		return;
	}
	tcp = sock_tcp(sk);
	if (!tcp)
		return;
	out->fin = FIELD(sk, __sk_common.skc_flags) & (1ul << SOCK_DONE);
	out->recv = FIELD(tcp, copied_seq);
	out->drained = out->recv == FIELD(tcp, rcv_nxt);
	if (out->fin && out->drained)
		out->recv--;
	out->send = FIELD(tcp, write_seq) - (tracked->fin_sent ? 1 : 0);
}

static __always_inline __u64 sock_bytes_acked(struct sock *sk, const struct tracked *tracked)
{
	struct tcp_sock *tcp = tracked->counted ? NULL : sock_tcp(sk);

	return tcp ? FIELD(tcp, bytes_acked) : 0;
}

static __always_inline bool sock_is_tcp(struct sock *sk)
{
	__u16 family = FIELD(sk, __sk_common.skc_family);

	return FIELD(sk, sk_protocol) == IPPROTO_TCP && (family == AF_INET || family == AF_INET6);
}

/* Of any but a Unix-domain socket. */
static __always_inline __attribute__((unused)) bool sock_is_redirected(struct sock *sk)
{
	/* Nearly never; and the verifier lets nobody look at the bits of a pointer that it has read itself.
	 */
	return FIELD(sk, sk_user_data) &&
	       ((unsigned long)BPF_CORE_READ(sk, sk_user_data) & SK_USER_DATA_PSOCK);
}

/*
 * Multipath TCP: the program holds one socket (sk_protocol says which), below it are the paths, TCP sockets
 * that the program never sees. Where the mode shows what the program's socket moves, that one is followed;
 * else its paths are, of which only the positions tell.
 */
static __always_inline bool sock_is_mptcp(struct sock *sk)
{
	return follows_mptcp && FIELD(sk, sk_protocol) == IPPROTO_MPTCP;
}

static __always_inline bool sock_is_path(struct sock *sk)
{
	struct tcp_sock *tcp = sock_tcp(sk);

	return tcp && bpf_core_field_exists(struct tcp_sock, is_mptcp) && FIELD(tcp, is_mptcp);
}

/* The program's socket above a path: an address only, since the verifier does not know what it is. */
static __always_inline struct sock *sock_above(struct sock *sk)
{
	struct mptcp_subflow_context *context =
	    BPF_CORE_READ((struct inet_connection_sock *)sk, icsk_ulp_data);

	return context ? BPF_CORE_READ(context, conn) : NULL;
}

static __always_inline void map_ipv4(__u32 *to, __u32 addr)
{
	to[0] = 0;
	to[1] = 0;
	to[2] = addr ? bpf_htonl(0xffff) : 0;
	to[3] = addr;
}

/* Network byte order, IPv4 mapped. An AF_INET6 socket that speaks IPv4 holds mapped addresses already. */
static __always_inline void sock_remote(struct sock *sk, __u32 to[4])
{
	if (FIELD(sk, __sk_common.skc_family) == AF_INET)
		map_ipv4(to, FIELD(sk, __sk_common.skc_daddr));
	else
		bpf_probe_read_kernel(to, 16, &sk->__sk_common.skc_v6_daddr);
}

static __always_inline void sock_local(struct sock *sk, __u32 to[4])
{
	if (FIELD(sk, __sk_common.skc_family) == AF_INET)
		map_ipv4(to, FIELD(sk, __sk_common.skc_rcv_saddr));
	else
		bpf_probe_read_kernel(to, 16, &sk->__sk_common.skc_v6_rcv_saddr);
}

static __always_inline __u16 sock_remote_port(struct sock *sk)
{
	return bpf_ntohs(FIELD(sk, __sk_common.skc_dport));
}

#endif
