/* SPDX-License-Identifier: MIT */
#include "match/arrivals.h"

#include <stddef.h>

#define WINDOW_SLOTS 60

void arrivals_init(struct arrivals *arrivals, uint64_t window_ns, uint64_t since_ns)
{
	*arrivals = (struct arrivals){.width_ns = window_ns / WINDOW_SLOTS + 1, .since_ns = since_ns};
}

static uint64_t number_of(const struct arrivals *arrivals, uint64_t time_ns)
{
	return time_ns / arrivals->width_ns + 1;
}

static struct arrivals_sums *slot_of(struct arrivals *arrivals, uint64_t sent_ns)
{
	uint64_t number = number_of(arrivals, sent_ns);

	if (sent_ns < arrivals->since_ns || number + ARRIVALS_SLOTS <= arrivals->newest)
		return NULL;
	if (number > arrivals->newest + ARRIVALS_SLOTS)
		arrivals->newest = number - ARRIVALS_SLOTS;
	while (arrivals->newest < number)
		arrivals->slot[++arrivals->newest % ARRIVALS_SLOTS] = (struct arrivals_sums){0};
	return &arrivals->slot[number % ARRIVALS_SLOTS];
}

void arrivals_sent(struct arrivals *arrivals, uint64_t sent_ns)
{
	struct arrivals_sums *slot = slot_of(arrivals, sent_ns);

	if (slot)
		slot->sent++;
}

void arrivals_decided(struct arrivals *arrivals, uint64_t sent_ns, enum arrivals_fate fate)
{
	struct arrivals_sums *slot = slot_of(arrivals, sent_ns);

	if (!slot)
		return;
	slot->arrived += fate == ARRIVALS_ARRIVED;
	slot->lost += fate == ARRIVALS_LOST;
	slot->evicted += fate == ARRIVALS_EVICTED;
}

struct arrivals_sums arrivals_within(const struct arrivals *arrivals, uint64_t now_ns)
{
	struct arrivals_sums sums = {0};
	uint64_t now = number_of(arrivals, now_ns);

	for (unsigned i = 0; i < ARRIVALS_SLOTS && i < arrivals->newest; i++) {
		uint64_t number = arrivals->newest - i;
		const struct arrivals_sums *slot = &arrivals->slot[number % ARRIVALS_SLOTS];

		if (number + WINDOW_SLOTS < now)
			break;
		sums.sent += slot->sent;
		sums.arrived += slot->arrived;
		sums.lost += slot->lost;
		sums.evicted += slot->evicted;
	}
	return sums;
}
