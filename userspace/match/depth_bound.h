/* SPDX-License-Identifier: MIT */
/*
 * depth_bound - what the proxy's queue can hold at most: queue_limit requests for each client, times the
 * statements of a request; and since what is on its way changes only by what is sent and what arrives, no
 * more than there was room for before, plus what was sent, minus what arrived. So the end of an overflow is
 * followed exactly.
 *
 * A queue outlives its client, so the number of clients falls slowly here. Values only.
 */
#ifndef MO_DEPTH_BOUND_H
#define MO_DEPTH_BOUND_H

#include <stdbool.h>
#include <stdint.h>

struct depth_bound {
	uint32_t queue_limit; /* requests; 0 = not known */
	double clients;       /* 0 = not known */
	double first;         /* share of statements that begin a request */
	double room;          /* statements; below the whole capacity while a backlog drains */
	uint64_t moved;       /* when `room` was last moved, ns */
};

void depth_bound_init(struct depth_bound *bound, uint32_t queue_limit);
/* After a reload; the room is then what the new limit gives, whatever was known of the old one's. */
void depth_bound_set_queue_limit(struct depth_bound *bound, uint32_t queue_limit);
/* To be told about once a second. */
void depth_bound_set_clients(struct depth_bound *bound, uint32_t clients);
/* A statement was sent to the primary; first: of its request. */
void depth_bound_sent(struct depth_bound *bound, bool first);
void depth_bound_arrived(struct depth_bound *bound);
/* The most that can be on its way now, statements; INFINITY where not known. */
double depth_bound_now(struct depth_bound *bound, uint64_t now_ns);

#endif
