/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * event.h - the only ABI between the BPF programs and user space.
 *
 * Kernel to user: records in one ring buffer, each beginning with struct event. Records of one socket are
 * reserved in the order in which their programs ran, which is nearly, not always, the order of the bytes: a
 * multi-threaded proxy can be pre-empted between the end of a system call and our program. User space orders
 * by stream position, never by record order alone.
 *
 * User to kernel: struct filter, a double-buffered, memory-mapped global: written without any bpf() call, so
 * that it can be changed after privileges are dropped.
 */
#ifndef MO_EVENT_H
#define MO_EVENT_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

enum event_kind {
	EVENT_OPEN = 1, /* struct event_open: a tracked socket, announced once, before anything else of it */
	EVENT_STATE,    /* struct event_state: a TCP state change; that to SYN_SENT is the EVENT_OPEN */
	EVENT_DATA,     /* struct event_data: bytes moved by one call, or a part of them */
	EVENT_EOF,      /* struct event_state: a receive returned 0 or a hard error to the proxy */
	EVENT_END,      /* struct event_state: the kernel destroys the socket; the last record of it */
};

enum event_direction {
	DIRECTION_SEND, /* proxy -> server */
	DIRECTION_RECV, /* server -> proxy */
};

/* Why bytes of a tracked socket were not captured; names are label values of
 * mirror_observer_lost_bytes_total. */
enum event_loss {
	LOSS_NONE,
	LOSS_RING_FULL,  /* no room in the ring buffer: counted in the kernel, shows as a gap in user space */
	LOSS_UNREADABLE, /* user memory was not resident or not mapped */
	LOSS_FOREIGN_SYSCALL, /* splice, sendfile, io_uring: the registers do not show the buffer */
	LOSS_MULTI_MESSAGE,   /* sendmmsg/recvmmsg with more than one message */
	LOSS_TRUNCATED,       /* MSG_TRUNC: the position moved, the buffer was not written */
	LOSS_TOO_LONG,        /* past EVENT_MAX_CALL_BYTES or EVENT_MAX_PIECES of one call */
	LOSS_MPTCP, /* a path of a Multipath TCP connection, where the mode does not follow that: user space
		       tells it */
	LOSS_REASONS,
};

#define EVENT_MAX_CALL_BYTES (4u << 20) /* captured of one call at most; the rest is LOSS_TOO_LONG */
#define EVENT_MAX_PIECES     1024u      /* iovecs (the kernel's own UIO_MAXIOV) and fragments of one call */
#define EVENT_MAX_PIECE      32768u     /* data bytes of one record at most */

/*
 * Positions count bytes of data only, never a SYN or FIN. In an EVENT_OPEN of state SYN_SENT they are not set
 * yet: the first byte's are those of the EVENT_STATE to ESTABLISHED.
 */
struct event {
	__u64 sock;     /* identity of the socket: unique for the life of the loaded programs, never reused */
	__u64 time;     /* CLOCK_MONOTONIC, ns, taken when the call returned */
	__u32 send_pos; /* position after the last byte handed to the kernel (tcp_sock.write_seq) */
	__u32 recv_pos; /* position after the last byte read by the proxy (tcp_sock.copied_seq) */
	__u8 kind;      /* enum event_kind */
	__u8 direction; /* enum event_direction, EVENT_DATA and EVENT_EOF */
	__u8 loss;      /* enum event_loss: why data[] is shorter than len (EVENT_DATA) */
	__u8 flags;     /* EVENT_F_* */
	__u32 tgid;     /* process, in the initial pid namespace; 0 in EVENT_STATE and EVENT_END */
};

#define EVENT_F_LAST 0x01u /* EVENT_DATA: the last record of its call */
#define EVENT_F_FIN  0x02u /* the peer's FIN has arrived */
#define EVENT_F_BEFORE                                                                                    \
	0x04u              /* EVENT_OPEN: bytes may have moved before (found by the scan; announced late) \
			    */
#define EVENT_F_UNIX 0x08u /* a Unix-domain socket: positions are our own count */
#define EVENT_F_REDIRECTED                                                                        \
	0x10u /* a sockmap may redirect what is sent and received: TCP's positions need not move. \
	       */
#define EVENT_F_UNSEEN                                                                                      \
	0x20u /* what the connection carries this attach mode does not see. EVENT_OPEN: a path of Multipath \
		 TCP; EVENT_STATE: a sockmap redirects it */

struct event_open {
	struct event h;
	__u8 local[16]; /* IPv6, or IPv4 mapped to ::ffff:0:0/96; zeros where not known yet */
	__u8 remote[16];
	__u16 local_port; /* host byte order */
	__u16 remote_port;
	__u32 netns;  /* inode number of the network namespace */
	__u32 state;  /* TCP_* when announced */
	__u32 target; /* index in struct filter.targets that let it in, for Unix sockets */
};

struct event_state {
	struct event h;
	__s32 error;    /* sk_err (positive errno) at that moment, or the call's for EVENT_EOF; 0 = none */
	__u8 old_state; /* TCP_ESTABLISHED ... of <net/tcp_states.h> */
	__u8 new_state; /* the same as old_state: nothing changed, records of this socket were lost (see scan)
			 */
	__u8 shut;      /* sk_shutdown: bit 0 nothing is received any more, bit 1 nothing is sent; 0 for a
			   Unix-domain socket */
	__u8 pad;
	__u64 bytes_acked; /* tcp_sock.bytes_acked: 0 on a connection that was never established */
	__u32 missed[2];   /* as in struct event_data, by enum event_direction */
};

struct event_data {
	struct event h;
	__u32 pos;      /* position of the first of the len bytes */
	__u32 len;      /* bytes of the stream this record stands for */
	__u32 captured; /* bytes in data[]: len, or 0 when loss is not LOSS_NONE */
	__u32 missed;   /* LOSS_RING_FULL bytes of this socket and direction so far (modulo 2^32), before this
			   record */
	__u32 missed_other; /* the same of the other direction */
	__u32 pad;
	__u8 data[];
};

/* One connection or listening socket as the survey finds it (survey.bpf.h); no record of the ring. Several
 * processes may hold the same: then it is told several times. */
struct survey {
	__u64 sock;
	__u8 local[16]; /* as in struct event_open */
	__u8 remote[16];
	__u16 local_port;
	__u16 remote_port;
	__u32 netns;
	__u32 pid;     /* in the observer's pid namespace */
	__u8 state;    /* TCP_* */
	__u8 of_proxy; /* the process is one that the filter chooses */
	__u8 is_unix;
	__u8 is_mptcp;
	__u8 is_redirected; /* by a sockmap */
	__u8 unseen;        /* the attach mode does not see what it moves, for one of these two reasons */
	__u8 pad[6];
	char comm[16];  /* of the thread group leader */
	char path[112]; /* of a Unix-domain socket: what the server has bound, NUL-terminated */
};

/* ------------------------------------------------------------------------------------------------- user ->
 * kernel */

#define LOST_ENDS \
	1024 /* sockets whose EVENT_END found no room are listed by their identity, the last so many */

#define FILTER_MAX_TARGETS 256
#define FILTER_COMM_LEN    16

struct filter_target {
	__u8 addr[16];   /* network byte order, IPv4 mapped */
	__u16 port;      /* host byte order */
	__u8 prefix_len; /* leading bits of addr that must agree, 0..128 */
	__u8 family;     /* 0 = unused entry, 1 = IP (v4 and v6), 2 = Unix path */
	__u32 pad;
	char path[108]; /* sun_path of a Unix-domain target */
	__u32 pad2;
};

#define FILTER_BY_COMM   0x1u
#define FILTER_BY_EXE    0x2u
#define FILTER_BY_PID    0x4u
#define FILTER_BY_CGROUP 0x8u

/*
 * The kernel's own encoding of a device (super_block.s_dev). /proc/self/mountinfo shows that device; stat's
 * st_dev is encoded otherwise and on btrfs and overlayfs may be another one.
 */
#define FILTER_DEV(major, minor) ((__u64)(major) << 20 | (minor))

/* All selectors that are set must hold for the process that owns or connects the socket. */
struct filter {
	__u32 select; /* FILTER_BY_* */
	__u32 targets_used;
	char comm[FILTER_COMM_LEN]; /* the thread group leader's, NUL-padded, at most 15 bytes */
	__u64 exe_dev;              /* FILTER_DEV() of the device, and inode of the executable */
	__u64 exe_ino;
	__u64 exe_before_dev; /* the same of the file that it has replaced, which may still run; 0 = none */
	__u64 exe_before_ino;
	__u32 pid;   /* the process or an ancestor of it, as seen in the observer's pid namespace */
	__u32 pidns; /* inode number of that namespace; processes outside of it never match; 0 = unknown */
	__u64 cgroup_id; /* cgroup v2 id; the process is in it or below it */
	struct filter_target targets[FILTER_MAX_TARGETS];
};

_Static_assert(sizeof(struct event) == 32, "ABI");
_Static_assert(sizeof(struct event_open) == 32 + 48, "ABI");
_Static_assert(sizeof(struct event_state) == 32 + 24, "ABI");
_Static_assert(sizeof(struct event_data) == 32 + 24, "ABI");
_Static_assert(sizeof(struct survey) == 192, "ABI");
_Static_assert(sizeof(struct filter_target) == 136, "ABI");

#endif
