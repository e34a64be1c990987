/* SPDX-License-Identifier: MIT */
/* attach - the ways to see a send or receive: `attach` in the configuration, `mode` in what the observer
 * tells. */
#ifndef MO_ATTACH_H
#define MO_ATTACH_H

enum attach_mode {
	ATTACH_AUTO,       /* the first of the following that works */
	ATTACH_TRACEPOINT, /* sock_send_length and sock_recv_length: Linux 6.3 and later */
	ATTACH_FEXIT,      /* the returns of tcp_sendmsg and tcp_recvmsg, by a trampoline */
	ATTACH_KPROBE,     /* the same by kprobes: dearer, and for kernels that refuse the others */
	ATTACH_MODES,
};

/* "auto", "tracepoint", "fexit" or "kprobe". */
const char *attach_name(enum attach_mode mode);
/* The mode of that name, or -EINVAL. */
int attach_parse(const char *name);

#endif
