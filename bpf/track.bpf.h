/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* track - which sockets are followed, and their control records. An untracked socket costs one look-up. */
#ifndef MO_TRACK_BPF_H
#define MO_TRACK_BPF_H

#include "filter.bpf.h"
#include "ring.bpf.h"
#include "sock.bpf.h"

/* Most sockets have no storage at all: seeing that spares them the call. */
static __always_inline struct tracked *track_find(struct sock *sk)
{
#ifdef BY_ADDRESS
	__u64 address = (__u64)sk;

	return bpf_map_lookup_elem(&tracked_sockets, &address);
#else
	if (!sk->sk_bpf_storage)
		return NULL;
	return bpf_sk_storage_get(&tracked_sockets, sk, 0, 0);
#endif
}

/* What is there for the socket, or a copy of fresh; NULL when there is no room. */
static __always_inline struct tracked *track_store(struct sock *sk, struct tracked *fresh)
{
#ifdef BY_ADDRESS
	__u64 address = (__u64)sk;

	bpf_map_update_elem(&tracked_sockets, &address, fresh, BPF_NOEXIST);
	return bpf_map_lookup_elem(&tracked_sockets, &address);
#else
	return bpf_sk_storage_get(&tracked_sockets, sk, fresh, BPF_SK_STORAGE_GET_F_CREATE);
#endif
}

static __always_inline void track_forget(struct sock *sk)
{
#ifdef BY_ADDRESS
	__u64 address = (__u64)sk;

	bpf_map_delete_elem(&tracked_sockets, &address);
#else
	bpf_sk_storage_delete(&tracked_sockets, sk);
#endif
}

static __always_inline void count_lost_control(struct tracked *tracked)
{
	tracked->incomplete = 1;
	__sync_fetch_and_add(&lost_control, 1);
}

/* User space would wait for this end for ever. */
static __always_inline void list_lost_end(const struct tracked *tracked)
{
	__u64 i = __sync_fetch_and_add(&lost_ends_count, 1);

	lost_ends[i % LOST_ENDS] = tracked->sock;
}

static __always_inline void fill_head(struct event *head, const struct tracked *tracked,
				      const struct positions *positions, __u8 kind)
{
	head->sock = tracked->sock;
	head->time = bpf_ktime_get_ns();
	head->send_pos = positions->send;
	head->recv_pos = positions->recv;
	head->kind = kind;
	head->direction = 0;
	head->loss = LOSS_NONE;
	head->flags = positions->fin ? EVENT_F_FIN : 0;
	head->tgid = 0;
}

static __always_inline void fill_open(struct event_open *open, struct sock *sk, const struct tracked *tracked)
{
	if (tracked->is_unix) {
		map_ipv4((__u32 *)open->local, 0);
		map_ipv4((__u32 *)open->remote, 0);
		open->local_port = open->remote_port = 0;
	} else {
		sock_local(sk, (__u32 *)open->local);
		sock_remote(sk, (__u32 *)open->remote);
		open->local_port = FIELD(sk, __sk_common.skc_num);
		open->remote_port = sock_remote_port(sk);
	}
	open->netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
	open->target = tracked->target;
}

/*
 * EVENT_OPEN must come before any other record of its socket: reserved first, then claimed. Whoever loses the
 * race drops its own and finds the winner's already in the ring.
 */
static __noinline bool track_announce(struct sock *sk, struct tracked *tracked, __u8 state, __u8 late)
{
	struct positions positions;
	struct event_open *open;
	__u64 fill = ring_fill();

	open = bpf_ringbuf_reserve(&ring, sizeof(*open), 0);
	if (!open) {
		count_lost_control(tracked);
		return false;
	}
	if (__sync_val_compare_and_swap(&tracked->announced, 0, 1)) {
		bpf_ringbuf_discard(open, BPF_RB_NO_WAKEUP);
		return true;
	}
	sock_positions(sk, tracked, &positions);
	fill_head(&open->h, tracked, &positions, EVENT_OPEN);
	open->h.flags |= tracked->open_flags | late;
	open->h.tgid = tracked->tgid;
	fill_open(open, sk, tracked);
	open->state = state;
	bpf_ringbuf_submit(open, ring_submit_flags(fill, fill + sizeof(*open)));
	return true;
}

/* True when the socket's EVENT_OPEN is in the ring; after a first failure the stream's beginning is not
 * known. */
static __always_inline bool track_announced(struct sock *sk, struct tracked *tracked)
{
	return tracked->announced ||
	       track_announce(sk, tracked, FIELD(sk, __sk_common.skc_state), EVENT_F_BEFORE);
}

struct state_change {
	__u8 kind;
	__u8 old_state;
	__u8 new_state;
	__s32 error;
	__u32 tgid;
};

static __noinline int track_report(struct sock *sk, struct tracked *tracked,
				   const struct state_change *change)
{
	struct positions positions;
	struct event_state *state;
	__u64 fill = ring_fill();

	if (!track_announced(sk, tracked))
		return 0;
	state = bpf_ringbuf_reserve(&ring, sizeof(*state), 0);
	if (!state) {
		count_lost_control(tracked);
		if (change->kind == EVENT_END)
			list_lost_end(tracked);
		return 0;
	}
	sock_positions(sk, tracked, &positions);
	fill_head(&state->h, tracked, &positions, change->kind);
	state->h.tgid = change->tgid;
	if (!tracked->counted && sock_is_redirected(sk))
		state->h.flags |= sees_sockets ? EVENT_F_REDIRECTED : EVENT_F_UNSEEN;
	state->h.direction = change->kind == EVENT_EOF ? DIRECTION_RECV : 0;
	state->error = change->error;
	state->old_state = change->old_state;
	state->new_state = change->new_state;
	state->shut = tracked->is_unix ? 0 : FIELD(sk, sk_shutdown);
	state->pad = 0;
	state->bytes_acked = sock_bytes_acked(sk, tracked);
	state->missed[DIRECTION_SEND] = tracked->missed[DIRECTION_SEND];
	state->missed[DIRECTION_RECV] = tracked->missed[DIRECTION_RECV];
	bpf_ringbuf_submit(state, ring_submit_flags(fill, fill + sizeof(*state)));
	return 0;
}

static __always_inline int track_end(struct sock *sk, struct tracked *tracked)
{
	struct state_change change = {.kind = EVENT_END, .error = FIELD(sk, sk_err)};

	change.old_state = change.new_state = FIELD(sk, __sk_common.skc_state);
	return track_report(sk, tracked, &change);
}

/* After a loss: how the socket stands now, since nothing else may come of it for long. */
static __always_inline int track_tell(struct sock *sk, struct tracked *tracked)
{
	struct state_change change = {.kind = EVENT_STATE};

	if (!tracked->incomplete)
		return 0;
	tracked->incomplete = 0; /* set again if this finds no room either */
	change.error = sk->sk_err;
	change.old_state = change.new_state = sk->__sk_common.skc_state;
	return track_report(sk, tracked, &change);
}

/* Once, in a mode that sees nothing of it. */
static __always_inline int track_unseen(struct sock *sk, struct tracked *tracked)
{
	struct state_change change = {.kind = EVENT_STATE};

	if (sees_sockets || tracked->counted || tracked->unseen_told || !sock_is_redirected(sk))
		return 0;
	tracked->unseen_told = 1;
	change.old_state = change.new_state = sk->__sk_common.skc_state;
	return track_report(sk, tracked, &change);
}

/* Does the filter want this socket of this process? Returns the target's index or -1. */
static __always_inline __s32 track_wanted(struct sock *sk, struct task_struct *task)
{
	const struct filter *filter = filter_current();
	struct target_search search = {.set = filter != &filters[0]};

	if (FIELD(sk, __sk_common.skc_family) == AF_UNIX)
		return filter_has_unix(filter) && filter_process(filter, task) ? filter_unix_target_of(sk)
									       : -1;
	if (!(sock_is_tcp(sk) || sock_is_mptcp(sk)) || !filter_process(filter, task))
		return -1;
	sock_remote(sk, search.addr);
	search.port = sock_remote_port(sk);
	return filter_target_of(&search);
}

static __always_inline void track_name(struct tracked *fresh)
{
	fresh->sock = __sync_fetch_and_add(&last_sock, 1) + 1;
	fresh->eof_reported = NO_EOF;
}

/* Starts to follow a socket and announces it. Another program may have done so already: then nothing happens.
 */
static __always_inline int track_start(struct sock *sk, struct tracked *fresh, __u8 state)
{
	struct tracked *tracked;

	track_name(fresh);
	fresh->is_unix = FIELD(sk, __sk_common.skc_family) == AF_UNIX;
	fresh->is_mptcp = !fresh->is_unix && sock_is_mptcp(sk);
	fresh->counted = fresh->is_unix || fresh->is_mptcp;
	if (fresh->is_unix)
		fresh->open_flags |= EVENT_F_UNIX;
	if (!fresh->counted && sock_is_path(sk))
		fresh->open_flags |= EVENT_F_UNSEEN;
	fresh->fin_sent = !fresh->counted && (state == TCP_FIN_WAIT1 || state == TCP_FIN_WAIT2 ||
					      state == TCP_CLOSING || state == TCP_LAST_ACK);
	tracked = track_store(sk, fresh);
	if (!tracked)
		__sync_fetch_and_add(&lost_control, 1);
	else if (!tracked->announced)
		track_announce(sk, tracked, state, 0);
	return 0;
}

/*
 * The connect of a Multipath TCP connection is that of its first path, which alone has the addresses: known
 * by the socket above until that one tells of itself.
 */
static __noinline int track_path(struct sock *sk, struct task_struct *task)
{
	struct tracked fresh = {.tgid = task->tgid, .is_mptcp = 1, .counted = 1}, *tracked;
	struct sock *above = sock_above(sk);
	__u64 address = (__u64)above;

	if (!above || BPF_CORE_READ(above, __sk_common.skc_state) != TCP_SYN_SENT)
		return 0; /* one path more of a connection that is known */
	fresh.target = track_wanted(sk, task);
	if ((__s32)fresh.target < 0)
		return 0;
	track_name(&fresh);
	bpf_map_update_elem(&connecting_paths, &address, &fresh, BPF_NOEXIST);
	tracked = bpf_map_lookup_elem(&connecting_paths, &address);
	if (!tracked)
		__sync_fetch_and_add(&lost_control, 1);
	else if (!tracked->announced)
		track_announce(sk, tracked, TCP_SYN_SENT, 0);
	return 0;
}

/* The socket above tells of itself. */
static __always_inline struct tracked *track_adopt(struct sock *sk)
{
	__u64 address = (__u64)sk;
	struct tracked *connecting, *tracked = NULL;

	if (!sock_is_mptcp(sk))
		return NULL;
	connecting = bpf_map_lookup_elem(&connecting_paths, &address);
	if (connecting)
		tracked = track_store(sk, connecting);
	if (connecting && !tracked)
		count_lost_control(connecting);
	bpf_map_delete_elem(&connecting_paths, &address);
	return tracked;
}

/* A path that fails while its connection is being made: the socket above learns of it later, and not why. */
static __always_inline int track_path_failed(struct sock *sk)
{
	struct state_change change = {.kind = EVENT_STATE,
				      .old_state = TCP_SYN_SENT,
				      .new_state = TCP_CLOSE,
				      .error = FIELD(sk, sk_err)};
	__u64 address = (__u64)sock_above(sk);
	struct tracked *tracked = bpf_map_lookup_elem(&connecting_paths, &address);

	return tracked ? track_report(sk, tracked, &change) : 0;
}

/* A connect, in the connecting task. A socket may be connected again after a failure: that is a new one to
 * us. */
static __always_inline int track_connect(struct sock *sk)
{
	struct tracked fresh = {.tgid = bpf_get_current_pid_tgid() >> 32};
	struct task_struct *task = bpf_get_current_task_btf();
	struct tracked *before = track_find(sk);

	if (before) {
		track_end(sk, before);
		track_forget(sk);
	}
	if (follows_mptcp && sock_is_path(sk))
		return track_path(sk, task);
	fresh.target = track_wanted(sk, task);
	if ((__s32)fresh.target < 0)
		return 0;
	return track_start(sk, &fresh, TCP_SYN_SENT);
}

/*
 * A Unix-domain socket is seen for the first time when the proxy sends: nothing tells of its connect. Before
 * the scan is through it may have been there before.
 */
static __noinline struct tracked *track_unix(struct sock *sk)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct tracked fresh = {.target = track_wanted(sk, task),
				.tgid = bpf_get_current_pid_tgid() >> 32,
				.open_flags = scanned ? 0 : EVENT_F_BEFORE};

	if ((__s32)fresh.target < 0)
		return NULL;
	track_start(sk, &fresh, TCP_ESTABLISHED);
	return track_find(sk);
}

/* May run in softirq context, where current is a bystander: tgid stays 0. */
static __always_inline int track_state(struct sock *sk, int old_state, int new_state)
{
	struct state_change change = {.kind = EVENT_STATE, .old_state = old_state, .new_state = new_state};
	struct tracked *tracked = track_find(sk) ?: track_adopt(sk);

	if (!tracked && follows_mptcp && old_state == TCP_SYN_SENT && new_state == TCP_CLOSE &&
	    sock_is_path(sk))
		return track_path_failed(sk);
	if (!tracked)
		return 0;
	change.error = FIELD(sk, sk_err);
	track_report(sk, tracked, &change);
	if (tracked->is_mptcp && new_state == TCP_CLOSE) { /* nothing tells of its destruction */
		track_end(sk, tracked);
		track_forget(sk);
		return 0;
	}
	/* After this event the kernel queues our FIN and counts it. */
	if (new_state == TCP_FIN_WAIT1 || new_state == TCP_LAST_ACK)
		tracked->fin_sent = 1;
	return 0;
}

/* A receive that returned no data: the end of the stream or a hard error, told once each. */
static __always_inline int track_no_data(struct sock *sk, struct tracked *tracked, int ret)
{
	struct state_change change = {.kind = EVENT_EOF, .error = -ret};
	struct positions positions;

	if (tracked->eof_reported == change.error)
		return 0;
	if (!ret) {
		/* A receive of no bytes returns 0 too. */
		sock_positions(sk, tracked, &positions);
		if (!positions.drained || !(positions.fin || (FIELD(sk, sk_shutdown) & RCV_SHUTDOWN)))
			return 0;
	}
	tracked->eof_reported = change.error;
	change.old_state = change.new_state = FIELD(sk, __sk_common.skc_state);
	change.tgid = bpf_get_current_pid_tgid() >> 32;
	return track_report(sk, tracked, &change);
}

#endif
