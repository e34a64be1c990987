/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* transfer - what every attach mode calls when a send or receive has returned. */
#ifndef MO_TRANSFER_BPF_H
#define MO_TRANSFER_BPF_H

#include "copy.bpf.h"
#include "iterator.bpf.h"
#include "track.bpf.h"

/* <linux/socket.h> */
#define MSG_OOB      0x1
#define MSG_PEEK     0x2
#define MSG_TRUNC    0x20
#define MSG_ERRQUEUE 0x2000

#define EAGAIN 11
#define EINTR  4
#define EFAULT 14
#define EINVAL 22
#define ERESTART_FIRST \
	512 /* ERESTARTSYS ... ERESTART_RESTARTBLOCK, <linux/errno.h>: never reach the program */
#define ERESTART_LAST 516

static __always_inline __u32 *missed_of(struct tracked *tracked, int direction)
{
	return direction == DIRECTION_SEND ? &tracked->missed[DIRECTION_SEND]
					   : &tracked->missed[DIRECTION_RECV];
}

static __always_inline void count_ring_full(struct tracked *tracked, __u32 *missed, __u32 bytes)
{
	tracked->incomplete = 1;
	__sync_fetch_and_add(missed, bytes);
	__sync_fetch_and_add(&lost_ring_full, bytes);
}

/* Whatever takes more than one record, or none. */
static __noinline int transfer_pieces(struct tracked *tracked, const struct event_data *record,
				      const struct user_memory *memory, enum event_loss loss,
				      struct msghdr *message)
{
	struct transfer transfer = {.record = *record, .memory = *memory};

	if (message && (loss == LOSS_FOREIGN_SYSCALL || loss == LOSS_MULTI_MESSAGE))
		loss = iterator_memory(&transfer.memory, message, record->len, loss);
	if (loss == LOSS_NONE)
		copy_all(&transfer);
	else
		copy_nothing(&transfer, loss);
	if (transfer.record.missed != record->missed)
		count_ring_full(tracked, missed_of(tracked, record->h.direction),
				transfer.record.missed - record->missed);
	return 0;
}

/* The header of a record for all that the call moved. */
static __always_inline void describe(struct event_data *record, struct sock *sk, struct tracked *tracked,
				     __u32 bytes, int direction)
{
	struct positions positions;

	if (tracked->counted)
		__sync_fetch_and_add(direction == DIRECTION_SEND ? &tracked->moved[DIRECTION_SEND]
								 : &tracked->moved[DIRECTION_RECV],
				     bytes);
	sock_positions(sk, tracked, &positions);
	fill_head(&record->h, tracked, &positions, EVENT_DATA);
	record->h.direction = direction;
	record->pos = (direction == DIRECTION_SEND ? positions.send : positions.recv) - bytes;
	record->len = bytes;
	record->captured = 0;
	record->missed = *missed_of(tracked, direction);
	record->missed_other = *missed_of(tracked, !direction);
	record->pad = 0;
	if (!tracked->counted && sock_is_redirected(sk))
		record->h.flags |= EVENT_F_REDIRECTED;
}

/*
 * One small buffer, as nearly every call of a proxy has it, goes into its record without a detour: on
 * processors that make each return of a function costly, a sixth less.
 */
static __always_inline int transfer_bytes(struct sock *sk, struct tracked *tracked, __u32 bytes,
					  int direction, int flags, struct msghdr *message)
{
	struct task_struct *task = bpf_get_current_task_btf();
	enum event_loss loss = LOSS_TRUNCATED;
	struct user_memory memory = {};
	struct event_data record, *data;
	__u64 fill, flags_of_submit;

	describe(&record, sk, tracked, bytes, direction);
	record.h.tgid = task->tgid;
	if (!(flags & MSG_TRUNC))
		loss = syscall_memory(&memory, task, direction, bytes);
	if (loss == LOSS_NONE && memory.room && bytes <= SMALL_BYTES && bytes <= max_piece_bytes) {
		fill = ring_fill_lately(record.h.time, &flags_of_submit);
		data = copy_small(fill, memory.base, bytes);
		if (data)
			submit_data(data, &record, bytes, flags_of_submit);
		else
			count_ring_full(tracked, missed_of(tracked, direction), bytes);
		return 0;
	}
	return transfer_pieces(tracked, &record, &memory, loss, message);
}

static __always_inline bool is_passing_error(int error)
{
	return error == EAGAIN || error == EINTR || error == EFAULT || error == EINVAL ||
	       (error >= ERESTART_FIRST && error <= ERESTART_LAST);
}

/* Nothing to tell: nothing was sent, or a receive would have had to wait. */
static __always_inline bool moved_nothing(int ret, int direction)
{
	return ret <= 0 && (direction == DIRECTION_SEND || is_passing_error(-ret));
}

/*
 * ret and flags of the call; message is its msghdr, or NULL where the attach mode does not show it. Peeks,
 * the error queue and urgent data do not move the stream.
 */
static __always_inline int handle_transfer(struct sock *sk, int ret, int direction, int flags,
					   struct msghdr *message)
{
	struct tracked *tracked;

	if (moved_nothing(ret, direction) || (flags & (MSG_ERRQUEUE | MSG_OOB)))
		return 0;
	tracked = track_find(sk);
	if (!tracked && direction == DIRECTION_SEND && filter_has_unix(filter_current()) &&
	    FIELD(sk, __sk_common.skc_family) == AF_UNIX)
		tracked = track_unix(sk);
	if (!tracked)
		return 0;
	if (ret <= 0)
		return track_no_data(sk, tracked, ret);
	if (flags & MSG_PEEK)
		return 0;
	if (!track_announced(sk, tracked)) {
		/* Nothing may come before EVENT_OPEN: without room for that, the bytes are lost too. */
		count_ring_full(tracked, missed_of(tracked, direction), ret);
		return 0;
	}
	return transfer_bytes(sk, tracked, ret, direction, flags, message);
}

#endif
