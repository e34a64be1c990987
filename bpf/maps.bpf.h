/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* maps - everything that the programs share with user space, and what they keep per socket. */
#ifndef MO_MAPS_BPF_H
#define MO_MAPS_BPF_H

#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>

#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "event.h"

/* What we keep of a tracked socket, in its own storage: gone when the kernel frees the socket. */
struct tracked {
	__u64 sock;         /* event.sock */
	__u32 announced;    /* EVENT_OPEN is in the ring */
	__u32 missed[2];    /* LOSS_RING_FULL bytes by enum event_direction */
	__u32 tgid;         /* the process that connected it, or in which the scan found it */
	__u32 target;       /* index of the filter target that let it in */
	__s32 eof_reported; /* last event_state.error of an EVENT_EOF, NO_EOF before the first */
	__u8 open_flags;    /* EVENT_F_* of its EVENT_OPEN */
	__u8 fin_sent;      /* write_seq counts our own FIN */
	__u8 incomplete;    /* records of it found no room since it was last told how it stands */
	__u8 is_unix;
	__u8 is_mptcp; /* a Multipath TCP connection, not one of its paths */
	__u8 counted;  /* its positions are our own count: TCP has none for it */
	__u8 unseen_told;
	__u8 pad;
	__u32 moved[2]; /* bytes by enum event_direction, where counted */
};

#define NO_EOF (-1)

/*
 * In kprobes (BY_ADDRESS) the verifier knows a sock as a number only: no storage of its own and no plain
 * loads. There the sockets are in a bounded hash by address, from which tcp_destroy_sock takes them.
 */
#ifdef BY_ADDRESS
#define MAX_TRACKED 16384

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_TRACKED);
	__type(key, __u64);
	__type(value, struct tracked);
} tracked_sockets SEC(".maps");

#define FIELD(object, field) BPF_CORE_READ(object, field)
#else
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct tracked);
} tracked_sockets SEC(".maps");

#define FIELD(object, field) ((object)->field)
#endif

/* Multipath TCP connections that are being made, by the address of their socket. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, struct tracked);
} connecting_paths SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20); /* probe.c sets the size */
} ring SEC(".maps");

/* Set by probe.c before loading. */
const volatile __u32 max_piece_bytes = EVENT_MAX_PIECE;
const volatile __u32 ring_data_bytes = (1 << 20) - (1 << 17); /* the rest is kept for control records */
const volatile __u32 ring_wake_step = 1 << 16;                /* wake user space with each step of the fill */
const volatile __u32 ring_look_ns = 0;                        /* so old may be what is known of its fill */

/* Of tcp_recvmsg: it lost `nonblock` in Linux 5.19 and `addr_len` by 6.18. */
#define RECEIVE_ARGUMENTS_FEWEST   4
#define RECEIVE_ARGUMENTS          5
#define RECEIVE_ARGUMENTS_NONBLOCK 6
const volatile __u32 receive_arguments = RECEIVE_ARGUMENTS;

/* The mode shows what a program hands to its socket, not what TCP makes of it; and the kernel's types have
 * Multipath TCP. */
const volatile __u8 sees_sockets = 0;
const volatile __u8 follows_mptcp = 0;

/* Memory-mapped: probe.c writes the filter that is not active, then switches. */
struct filter filters[2];
__u32 active_filter;
__u32 scanned; /* the scan has found what was there: an unknown Unix-domain socket is a new one */

__u64 last_sock;
__u64 lost_ring_full; /* bytes */
__u64 lost_control;   /* records */
__u64 lost_ends[LOST_ENDS];
__u64 lost_ends_count; /* ever; the last is lost_ends[(lost_ends_count - 1) % LOST_ENDS] */

#define TCP_ESTABLISHED 1
#define TCP_SYN_SENT    2
#define TCP_FIN_WAIT1   4
#define TCP_FIN_WAIT2   5
#define TCP_CLOSE       7
#define TCP_LAST_ACK    9
#define TCP_LISTEN      10
#define TCP_CLOSING     11

#define IPPROTO_TCP   6
#define IPPROTO_MPTCP 262
#define AF_UNIX       1
#define AF_INET       2
#define AF_INET6      10

#endif
