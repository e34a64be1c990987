/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * iterator - where in user memory the bytes of a call are, from its msghdr's iov_iter: for callers whose
 * registers do not tell, io_uring above all. The kernel has moved the iterator past the bytes already.
 */
#ifndef MO_ITERATOR_BPF_H
#define MO_ITERATOR_BPF_H

#include "syscall.bpf.h"

/* <linux/uio.h>. The numbers differ between kernels, and ITER_UBUF exists since 6.0. */
enum iter_type { ITER_IOVEC = 0, ITER_UBUF = 6 };

/* The member's name until Linux 6.3, and since. */
struct iov_iter___old {
	void *iov;
} __attribute__((preserve_access_index));

struct iov_iter___new {
	void *__iov;
} __attribute__((preserve_access_index));

/* The search for the first byte, backwards through the vector. */
struct iterator_search {
	__u64 vector; /* entry under consideration, in kernel memory */
	__u64 bytes;  /* that lie before its end */
	__u32 steps;
	bool found;
	struct user_iovec buffer; /* the part of the entry from the first byte on */
};

static long iterator_step_back(__u32 i, struct iterator_search *search)
{
	struct user_iovec *buffer = &search->buffer;

	search->vector -= sizeof(*buffer);
	search->steps++;
	if (bpf_probe_read_kernel(buffer, sizeof(*buffer), (const void *)search->vector))
		return 1;
	if (buffer->len < search->bytes) {
		search->bytes -= buffer->len;
		return 0;
	}
	buffer->base += buffer->len - search->bytes;
	buffer->len = search->bytes;
	search->found = true;
	return 1;
}

static __always_inline __u64 iterator_vector(struct iov_iter *iter)
{
	if (bpf_core_field_exists(struct iov_iter___new, __iov))
		return (__u64)BPF_CORE_READ((struct iov_iter___new *)iter, __iov);
	return (__u64)BPF_CORE_READ((struct iov_iter___old *)iter, iov);
}

static __always_inline enum event_loss iterator_of_vector(struct user_memory *out, struct iov_iter *iter,
							  __u64 offset, __u32 bytes)
{
	struct iterator_search search = {.vector = iterator_vector(iter)};
	struct user_iovec current;

	if (offset >= bytes) {
		if (bpf_probe_read_kernel(&current, sizeof(current), (const void *)search.vector))
			return LOSS_UNREADABLE;
		out->base = current.base + offset - bytes;
		out->room = bytes;
		return LOSS_NONE;
	}
	search.bytes = bytes - offset;
	bpf_loop(EVENT_MAX_PIECES, iterator_step_back, &search, 0);
	if (!search.found)
		return LOSS_UNREADABLE;
	out->base = search.buffer.base;
	out->room = search.buffer.len;
	out->vector = search.vector + sizeof(search.buffer);
	out->vector_left = search.steps;
	out->vector_in_kernel = true;
	return LOSS_NONE;
}

/* otherwise: the loss when the iterator does not stand for user memory. */
static __noinline enum event_loss iterator_memory(struct user_memory *out, struct msghdr *message,
						  __u32 bytes, enum event_loss otherwise)
{
	struct iov_iter *iter;
	__u64 offset;
	__u8 type;

	if (!bpf_core_field_exists(struct iov_iter, iter_type))
		return otherwise;
	iter = (struct iov_iter *)((char *)message + bpf_core_field_offset(struct msghdr, msg_iter));
	type = BPF_CORE_READ(iter, iter_type);
	offset = BPF_CORE_READ(iter, iov_offset);
	if (bpf_core_enum_value_exists(enum iter_type, ITER_UBUF) &&
	    type == bpf_core_enum_value(enum iter_type, ITER_UBUF)) {
		out->base = (__u64)BPF_CORE_READ(iter, ubuf) + offset - bytes;
		out->room = bytes;
		return LOSS_NONE;
	}
	if (type == bpf_core_enum_value(enum iter_type, ITER_IOVEC))
		return iterator_of_vector(out, iter, offset, bytes);
	return otherwise;
}

#endif
