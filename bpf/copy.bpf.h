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
	struct event head; /* of its records */
	struct user_memory memory;
	__u32 pos;    /* of the next byte */
	__u32 left;   /* bytes of the call that no record stands for yet */
	__u32 budget; /* bytes that may still be copied */
	__u32 missed; /* event_data.missed: what found no room before */
	__u32 missed_other;
};

static __always_inline void fill_data(struct event_data *data, const struct transfer *transfer, __u32 bytes)
{
	data->h = transfer->head;
	if (bytes == transfer->left)
		data->h.flags |= EVENT_F_LAST;
	data->pos = transfer->pos;
	data->len = bytes;
	data->missed = transfer->missed;
	data->missed_other = transfer->missed_other;
	data->pad = 0;
}

/* One class: false when there is no room. The compiler must not drop the bound that the verifier needs. */
#define DEFINE_COPY_CLASS(size)                                                                     \
	static __always_inline bool copy_class_##size(const struct transfer *transfer, __u32 bytes, \
						      __u64 fill)                                   \
	{                                                                                           \
		struct event_data *data;                                                            \
		if (!ring_has_room(fill, sizeof(*data) + size))                                     \
			return false;                                                               \
		data = bpf_ringbuf_reserve(&ring, sizeof(*data) + size, 0);                         \
		if (!data)                                                                          \
			return false;                                                               \
		fill_data(data, transfer, bytes);                                                   \
		data->captured = bytes;                                                             \
		barrier_var(bytes);                                                                 \
		if (bytes > size ||                                                                 \
		    bpf_probe_read_user(data->data, bytes, (const void *)transfer->memory.base)) {  \
			data->h.loss = LOSS_UNREADABLE;                                             \
			data->captured = 0;                                                         \
		}                                                                                   \
		bpf_ringbuf_submit(data, ring_submit_flags(fill, sizeof(*data) + size));            \
		return true;                                                                        \
	}

DEFINE_COPY_CLASS(32)
DEFINE_COPY_CLASS(128)
DEFINE_COPY_CLASS(256)
DEFINE_COPY_CLASS(512)
DEFINE_COPY_CLASS(1024)
DEFINE_COPY_CLASS(2048)
DEFINE_COPY_CLASS(4096)
DEFINE_COPY_CLASS(8192)
DEFINE_COPY_CLASS(16384)
DEFINE_COPY_CLASS(32768)

static __always_inline bool copy_bytes(const struct transfer *transfer, __u32 bytes)
{
	__u64 fill = ring_fill();

	if (bytes <= 32)
		return copy_class_32(transfer, bytes, fill);
	if (bytes <= 128)
		return copy_class_128(transfer, bytes, fill);
	if (bytes <= 256)
		return copy_class_256(transfer, bytes, fill);
	if (bytes <= 512)
		return copy_class_512(transfer, bytes, fill);
	if (bytes <= 1024)
		return copy_class_1024(transfer, bytes, fill);
	if (bytes <= 2048)
		return copy_class_2048(transfer, bytes, fill);
	if (bytes <= 4096)
		return copy_class_4096(transfer, bytes, fill);
	if (bytes <= 8192)
		return copy_class_8192(transfer, bytes, fill);
	if (bytes <= 16384)
		return copy_class_16384(transfer, bytes, fill);
	return copy_class_32768(transfer, bytes, fill);
}

static __always_inline void transfer_advance(struct transfer *transfer, __u32 bytes, bool written)
{
	if (!written)
		transfer->missed += bytes;
	transfer->pos += bytes;
	transfer->left -= bytes;
}

/* A record that only tells how many bytes are left and why they were not captured. */
static __always_inline void copy_nothing(struct transfer *transfer, __u8 loss)
{
	__u64 fill = ring_fill();
	struct event_data *data = NULL;

	if (ring_has_room(fill, sizeof(*data)))
		data = bpf_ringbuf_reserve(&ring, sizeof(*data), 0);
	if (data) {
		fill_data(data, transfer, transfer->left);
		data->h.loss = loss;
		data->captured = 0;
		bpf_ringbuf_submit(data, ring_submit_flags(fill, sizeof(*data)));
	}
	transfer_advance(transfer, transfer->left, data != NULL);
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
	transfer->budget = transfer->left < EVENT_MAX_CALL_BYTES ? transfer->left : EVENT_MAX_CALL_BYTES;
	copy_step(transfer);
	if (transfer->budget)
		bpf_loop(EVENT_MAX_PIECES, copy_next, transfer, 0);
	if (transfer->left)
		copy_nothing(transfer, LOSS_TOO_LONG);
}

#endif
