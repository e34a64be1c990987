/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * ring - room in the ring buffer, and when to wake user space: a wake-up per record would cost more than the
 * record, so it is asked for when the fill passes a step at or above ring_wake_bytes. User space drains by
 * timer below that.
 */
#ifndef MO_RING_BPF_H
#define MO_RING_BPF_H

#include "maps.bpf.h"

static __always_inline __u64 ring_fill(void)
{
	return bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA);
}

/* Data leaves a reserve free, so that control records are nearly never lost. */
static __always_inline bool ring_has_room(__u64 fill, __u32 bytes)
{
	return fill + bytes <= ring_data_bytes;
}

static __always_inline __u64 ring_submit_flags(__u64 fill, __u32 bytes)
{
	__u64 after = fill + bytes;

	if (after < ring_wake_bytes || fill / ring_wake_step == after / ring_wake_step)
		return BPF_RB_NO_WAKEUP;
	return BPF_RB_FORCE_WAKEUP;
}

#endif
