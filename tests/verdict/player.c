/* SPDX-License-Identifier: MIT */
#include "player.h"

#include <math.h>
#include <stdlib.h>

#define EPOCH_S 1000.0

uint64_t player_ns(double s)
{
	return (uint64_t)((EPOCH_S + s) * 1e9);
}

double player_uniform(struct player *p)
{
	return world_uniform(&p->random);
}

double player_exponential(struct player *p, double mean)
{
	return -mean * log(1 - player_uniform(p));
}

static bool before(const struct step *a, const struct step *b)
{
	return a->time < b->time || (a->time == b->time && a->order < b->order);
}

void player_push(struct player *p, struct step event)
{
	size_t at = p->count++;

	if (p->count > p->room) {
		p->room = p->room ? 2 * p->room : 1024;
		p->heap = realloc(p->heap, p->room * sizeof(*p->heap));
		if (!p->heap)
			abort();
	}
	event.order = ++p->order;
	for (; at && before(&event, &p->heap[(at - 1) / 2]); at = (at - 1) / 2)
		p->heap[at] = p->heap[(at - 1) / 2];
	p->heap[at] = event;
}

struct step player_pop(struct player *p)
{
	struct step top = p->heap[0], last = p->heap[--p->count];
	size_t at = 0, child;

	while ((child = 2 * at + 1) < p->count) {
		child += child + 1 < p->count && before(&p->heap[child + 1], &p->heap[child]);
		if (before(&last, &p->heap[child]))
			break;
		p->heap[at] = p->heap[child];
		at = child;
	}
	p->heap[at] = last;
	return top;
}
