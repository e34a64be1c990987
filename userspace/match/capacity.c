/* SPDX-License-Identifier: MIT */
#include "match/capacity.h"

#include <math.h>

#define CLIENTS_KEEP 0.98 /* of the number of clients a second, when it falls */
#define FIRST_WEIGHT (1.0 / 1024)
#define REOPENS_NS   600e9 /* in which the bound returns to the whole capacity: an error does not stay */

void capacity_init(struct capacity *capacity, uint32_t queue_limit)
{
	*capacity = (struct capacity){.queue_limit = queue_limit, .first = 1, .bound = INFINITY};
}

void capacity_set_clients(struct capacity *capacity, uint32_t clients)
{
	capacity->clients = fmax(clients, floor(capacity->clients * CLIENTS_KEEP));
}

void capacity_sent(struct capacity *capacity, bool first)
{
	capacity->first += ((first ? 1 : 0) - capacity->first) * FIRST_WEIGHT;
	capacity->bound += 1;
}

void capacity_arrived(struct capacity *capacity)
{
	capacity->bound = fmax(capacity->bound - 1, 0);
}

static double whole(const struct capacity *capacity)
{
	double requests = (double)capacity->queue_limit * capacity->clients;

	return requests > 0 ? requests / fmax(capacity->first, 0.01) : INFINITY;
}

double capacity_bound(struct capacity *capacity, uint64_t now)
{
	double most = whole(capacity);
	double elapsed = capacity->moved && now > capacity->moved ? (double)(now - capacity->moved) : 0;

	capacity->moved = now;
	if (isinf(most))
		capacity->bound = most;
	else
		capacity->bound = fmin(capacity->bound + most * elapsed / REOPENS_NS, most);
	return capacity->bound;
}
