/* SPDX-License-Identifier: MIT */
/*
 * capacity - what the proxy's queue can hold at most: queue_limit requests for each client, times the
 * statements of a request; and since what is on its way changes only by what is sent and what arrives, no
 * more than there was room for before, plus what was sent, minus what arrived. So the end of an overflow is
 * followed exactly.
 *
 * A queue outlives its client, so the number of clients falls slowly here. Values only.
 */
#ifndef MO_CAPACITY_H
#define MO_CAPACITY_H

#include <stdbool.h>
#include <stdint.h>

struct capacity {
	uint32_t queue_limit; /* requests; 0 = not known */
	double clients;       /* 0 = not known */
	double first;         /* share of statements that begin a request */
	double bound;         /* statements; below the whole capacity while a backlog drains */
	uint64_t moved;       /* when the bound was last moved, ns */
};

void capacity_init(struct capacity *capacity, uint32_t queue_limit);
/* To be told about once a second. */
void capacity_set_clients(struct capacity *capacity, uint32_t clients);
/* A statement was sent to the primary; first: of its request. */
void capacity_sent(struct capacity *capacity, bool first);
void capacity_arrived(struct capacity *capacity);
/* The most that can be on its way now, statements; INFINITY where not known. */
double capacity_bound(struct capacity *capacity, uint64_t now_ns);

#endif
