/* SPDX-License-Identifier: MIT */
/*
 * arrivals - what became of the primary's statements, by the time at which they were sent: so many arrived,
 * so many are known not to have, the others are undecided. For the verdict over a window, and since a reset:
 * what was sent before that counts in no way, whenever it arrives.
 *
 * Plain values (they may be written down and continued); exact to a 60th of the window at its far end.
 */
#ifndef MO_ARRIVALS_H
#define MO_ARRIVALS_H

#include <stdint.h>

#define ARRIVALS_SLOTS 64

struct arrivals_sums {
	uint64_t sent, arrived;
	uint64_t lost;    /* others of their age arrived long ago */
	uint64_t evicted; /* had to make room: their fate is not known */
};

struct arrivals {
	uint64_t width_ns; /* of a slot */
	uint64_t newest;   /* number of the newest slot; 0 before the first */
	uint64_t since_ns; /* what was sent before that does not count */
	struct arrivals_sums slot[ARRIVALS_SLOTS];
};

enum arrivals_fate { ARRIVALS_ARRIVED, ARRIVALS_LOST, ARRIVALS_EVICTED };

void arrivals_init(struct arrivals *arrivals, uint64_t window_ns, uint64_t since_ns);
void arrivals_sent(struct arrivals *arrivals, uint64_t sent_ns);
void arrivals_decided(struct arrivals *arrivals, uint64_t sent_ns, enum arrivals_fate fate);
/* Of what was sent within the window. */
struct arrivals_sums arrivals_within(const struct arrivals *arrivals, uint64_t now_ns);

#endif
