/* SPDX-License-Identifier: MIT */
#include "match/depth_bound.h"

#include <math.h>

#define CLIENTS_KEEP 0.98 /* of the number of clients a second, when it falls */
#define FIRST_WEIGHT (1.0 / 1024)
#define REOPENS_NS   600e9 /* in which the bound returns to the whole capacity: an error does not stay */

void depth_bound_init(struct depth_bound *bound, uint32_t queue_limit)
{
	*bound = (struct depth_bound){.queue_limit = queue_limit, .first = 1, .room = INFINITY};
}

void depth_bound_set_queue_limit(struct depth_bound *bound, uint32_t queue_limit)
{
	if (bound->queue_limit == queue_limit)
		return;
	bound->queue_limit = queue_limit;
	bound->room = INFINITY;
}

void depth_bound_set_clients(struct depth_bound *bound, uint32_t clients)
{
	bound->clients = fmax(clients, floor(bound->clients * CLIENTS_KEEP));
}

void depth_bound_sent(struct depth_bound *bound, bool first)
{
	bound->first += ((first ? 1 : 0) - bound->first) * FIRST_WEIGHT;
	bound->room += 1;
}

void depth_bound_arrived(struct depth_bound *bound)
{
	bound->room = fmax(bound->room - 1, 0);
}

static double whole(const struct depth_bound *bound)
{
	double requests = (double)bound->queue_limit * bound->clients;

	return requests > 0 ? requests / fmax(bound->first, 0.01) : INFINITY;
}

double depth_bound_now(struct depth_bound *bound, uint64_t now)
{
	double most = whole(bound);
	double elapsed = bound->moved && now > bound->moved ? (double)(now - bound->moved) : 0;

	bound->moved = now;
	if (isinf(most))
		bound->room = most;
	else
		bound->room = fmin(bound->room + most * elapsed / REOPENS_NS, most);
	return bound->room;
}
