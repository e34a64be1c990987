/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * copy - from user memory straight into the ring buffer, once.
 *
 * A reservation has a constant size, so there are classes of doubling sizes: at most half of one is wasted.
 * What cannot be copied is told by a record without data; what finds no room is counted in struct tracked and
 * in lost_ring_full.
 */
#ifndef MO_COPY_BPF_H
#define MO_COPY_BPF_H

#include "ring.bpf.h"
#include "syscall.bpf.h"

/* One call under way. Scalars only: so the verifier can look at the functions below by themselves, once. */
struct transfer {
	struct user_memory memory;
	__u32 budget;             /* bytes that may still be copied */
	struct event_data record; /* the header of its next record, which so far takes all that is left */
};

/*
 * Reserves a record of that class and reads the bytes into it. The compiler must not drop the bound that the
 * verifier needs, nor make one call with a variable size of several: hence the different constant in each.
 */
#define COPY_CLASS(size)                                                                                   \
	if (bytes <= (size)) {                                                                             \
		if (!ring_has_room(fill, sizeof(*data) + (size)))                                          \
			return NULL;                                                                       \
		data = bpf_ringbuf_reserve(&ring, sizeof(*data) + (size), 0);                              \
		if (!data)                                                                                 \
			return NULL;                                                                       \
		barrier_var(bytes);                                                                        \
		data->captured =                                                                           \
		    bytes <= (size) && !bpf_probe_read_user(data->data, bytes, (const void *)from) ? bytes \
												   : 0;    \
		asm volatile("" ::"i"(size));                                                              \
		return data;                                                                               \
	}

/* The record with its data, and no header but `captured`: 0 when the memory was not readable. */
static __always_inline struct event_data *copy_small(__u64 fill, __u64 from, __u32 bytes)
{
	struct event_data *data;

	COPY_CLASS(32)
	COPY_CLASS(128)
	COPY_CLASS(256)
	COPY_CLASS(512)
	return NULL;
}

static __always_inline struct event_data *copy_large(__u64 fill, __u64 from, __u32 bytes)
{
	struct event_data *data;

	COPY_CLASS(1024)
	COPY_CLASS(2048)
	COPY_CLASS(4096)
	COPY_CLASS(8192)
	COPY_CLASS(16384)
	COPY_CLASS(32768)
	return NULL;
}

#define SMALL_BYTES 512

/* Fills in the header around `captured` and hands the record over. */
static __always_inline void submit_data(struct event_data *data, const struct event_data *record, __u32 bytes,
					__u64 flags)
{
	data->h = record->h;
	if (bytes == record->len)
		data->h.flags |= EVENT_F_LAST;
	if (!data->captured)
		data->h.loss = LOSS_UNREADABLE;
	data->pos = record->pos;
	data->len = bytes;
	data->missed = record->missed;
	data->missed_other = record->missed_other;
	data->pad = 0;
	bpf_ringbuf_submit(data, flags);
}

/* False when there is no room. */
static __always_inline bool copy_bytes(const struct transfer *transfer, __u32 bytes)
{
	__u64 from = transfer->memory.base, fill = ring_fill();
	struct event_data *data =
	    bytes <= SMALL_BYTES ? copy_small(fill, from, bytes) : copy_large(fill, from, bytes);

	/* A class is below twice its bytes; to be woken once too often does no harm. */
	if (data)
		submit_data(data, &transfer->record, bytes,
			    ring_submit_flags(fill, fill + sizeof(*data) + 2 * bytes));
	return data;
}

static __always_inline void transfer_advance(struct transfer *transfer, __u32 bytes, bool written)
{
	if (!written)
		transfer->record.missed += bytes;
	transfer->record.pos += bytes;
	transfer->record.len -= bytes;
}

/* A record that only tells how many bytes are left and why they were not captured. */
static __always_inline void copy_nothing(struct transfer *transfer, __u8 loss)
{
	__u64 fill = ring_fill();
	struct event_data *data = NULL;

	if (ring_has_room(fill, sizeof(*data)))
		data = bpf_ringbuf_reserve(&ring, sizeof(*data), 0);
	if (data) {
		*data = transfer->record;
		data->h.flags |= EVENT_F_LAST;
		data->h.loss = loss;
		bpf_ringbuf_submit(data, ring_submit_flags(fill, fill + sizeof(*data)));
	}
	transfer_advance(transfer, transfer->record.len, data != NULL);
}

static __always_inline bool read_vector(const struct user_memory *memory, struct user_iovec *buffer)
{
	const void *at = (const void *)memory->vector;

	return memory->vector_in_kernel ? !bpf_probe_read_kernel(buffer, sizeof(*buffer), at)
					: !bpf_probe_read_user(buffer, sizeof(*buffer), at);
}

static __always_inline bool next_buffer(struct transfer *transfer)
{
	struct user_iovec buffer;

	if (!transfer->memory.vector_left || !read_vector(&transfer->memory, &buffer))
		return false;
	transfer->memory.vector += sizeof(buffer);
	transfer->memory.vector_left--;
	transfer->memory.base = buffer.base;
	transfer->memory.room = buffer.len;
	return true;
}

/* Writes the next record of the call; 0 while there is more to do. */
__noinline int copy_step(struct transfer *transfer)
{
	__u64 bytes;

	if (!transfer || !transfer->budget)
		return 1;
	if (!transfer->memory.room && !next_buffer(transfer)) {
		copy_nothing(transfer, LOSS_UNREADABLE);
		return 1;
	}
	bytes = transfer->budget;
	if (bytes > transfer->memory.room)
		bytes = transfer->memory.room;
	if (bytes > max_piece_bytes)
		bytes = max_piece_bytes;
	if (!bytes)
		return 0;
	transfer_advance(transfer, bytes, copy_bytes(transfer, bytes));
	transfer->memory.base += bytes;
	transfer->memory.room -= bytes;
	transfer->budget -= bytes;
	return 0;
}

static long copy_next(__u32 i, struct transfer *transfer)
{
	int done = copy_step(transfer);

	barrier_var(
	    done); /* the verifier wants to see a 0 or 1, which newer compilers know without looking */
	return done ? 1 : 0;
}

/* Copies what the call moved, within the bounds of event.h. */
static __always_inline void copy_all(struct transfer *transfer)
{
	transfer->budget =
	    transfer->record.len < EVENT_MAX_CALL_BYTES ? transfer->record.len : EVENT_MAX_CALL_BYTES;
	copy_step(transfer);
	if (transfer->budget)
		bpf_loop(EVENT_MAX_PIECES, copy_next, transfer, 0);
	if (transfer->record.len)
		copy_nothing(transfer, LOSS_TOO_LONG);
}

#endif
