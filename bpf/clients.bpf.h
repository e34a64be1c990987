/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * clients - the connections that the proxy has accepted, counted by a walk over open files: those to a port
 * that it listens on, and those of a Unix-domain socket with PostgreSQL's name.
 *
 * A listening socket may be met after its connections, so the ports of the walk before count as well.
 */
#ifndef MO_CLIENTS_BPF_H
#define MO_CLIENTS_BPF_H

#include "filter.bpf.h"
#include "sock.bpf.h"

#define PORT_DIGITS 5
#define PORT_WORDS  (65536 / 64)

__u64 listening_ports[2][PORT_WORDS]; /* one bit each; by client_walk, which probe.c changes and clears */
__u32 client_walk;
__u32 clients_found;

static __always_inline void clients_listener(__u16 port)
{
	__u64 *ports = listening_ports[client_walk & 1];

	ports[port / 64 & (PORT_WORDS - 1)] |= 1ull << (port % 64);
}

static __always_inline bool clients_listens(__u16 port)
{
	__u32 word = port / 64 & (PORT_WORDS - 1);

	return (listening_ports[0][word] | listening_ports[1][word]) >> (port % 64) & 1;
}

/* The listener's name is that of its connections too; the connecting ends have none. libpq's is
 * .s.PGSQL.PORT. */
static __noinline bool clients_unix(struct sock *sk)
{
	static const union {
		char text[8];
		__u64 word;
	} wanted = {".s.PGSQL"};
	struct unix_address *address = BPF_CORE_READ((struct unix_sock *)sk, addr);
	int end = BPF_CORE_READ(address, len) - 1; /* before the NUL */

	for (int digits = 1; address && digits <= PORT_DIGITS; digits++) {
		int at = end - digits - (int)sizeof(".s.PGSQL");
		__u64 word = 0;

		bpf_probe_read_kernel(&word, sizeof(word), (char *)&address->name[0] + at);
		if (at > 0 && word == wanted.word)
			return true;
	}
	return false;
}

/* True for what the proxy has opened itself. */
static __always_inline bool clients_visit(struct sock *sk, struct task_struct *task)
{
	__u8 state = sk->__sk_common.skc_state;
	__u16 port = sk->__sk_common.skc_num;
	bool named = sk->__sk_common.skc_family == AF_UNIX;

	if (state != TCP_ESTABLISHED && (named || state != TCP_LISTEN))
		return false;
	if (!filter_process(filter_current(), task))
		return false;
	if (state == TCP_LISTEN) {
		clients_listener(port);
		return false;
	}
	if (!(named ? clients_unix(sk) : clients_listens(port)))
		return true;
	clients_found++;
	return false;
}

#endif
