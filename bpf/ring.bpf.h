/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * ring - room in the ring buffer, and when to wake user space: a wake-up per record would cost more than the
 * record, so it is asked for when the fill rises past a multiple of ring_wake_step. User space drains by
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

/* Of a record that takes the ring from one fill to another. */
static __always_inline __u64 ring_submit_flags(__u64 before, __u64 after)
{
	return after / ring_wake_step > before / ring_wake_step ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP;
}

/* What the last look at the ring saw, of whichever processor. */
__u64 looked_at;
__u64 looked_fill;

/*
 * For small records, to whose cost the look would add a tenth: as the ring was at most ring_look_ns ago, too
 * short a time to fill the reserve. flags: those of the submission.
 */
static __always_inline __u64 ring_fill_lately(__u64 now, __u64 *flags)
{
	__u64 before = looked_fill;

	*flags = BPF_RB_NO_WAKEUP;
	if (now - looked_at < ring_look_ns) /* a clock behind that of another processor counts as long ago */
		return before;
	looked_at = now;
	looked_fill = ring_fill();
	*flags = ring_submit_flags(before, looked_fill);
	return looked_fill;
}

#endif
