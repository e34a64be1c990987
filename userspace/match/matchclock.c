/* SPDX-License-Identifier: MIT */
#include "match/matchclock.h"

#define OUT_OF_PROPORTION 25 /* times the mean gap */
#define ORDINARY          5  /* one gap of 150 is longer than that many mean ones, if chance has it */
#define SETTLING          64 /* matches */
#define YOUNGER           2  /* certain ones of statements sent since: what was held up has arrived */
#define GAP_WEIGHT        (1.0 / 64)

static void settle(struct matchclock *clock, double gap, uint64_t now, uint64_t sent)
{
	if (!clock->last)
		return;
	if (clock->unsettled) {
		clock->younger += sent > clock->resumed;
		clock->unsettled = clock->younger < YOUNGER ? clock->unsettled - 1 : 0;
	} else if (clock->gap > 0 && gap > OUT_OF_PROPORTION * clock->gap) {
		clock->unsettled = SETTLING;
		clock->resumed = now;
		clock->younger = 0;
	}
	clock->gap += (gap - clock->gap) * (clock->gap > 0 ? GAP_WEIGHT : 1);
}

void matchclock_match(struct matchclock *clock, uint64_t now, uint64_t sent)
{
	uint64_t gap = now - clock->last;
	unsigned place;

	if (now <= clock->last)
		return;
	if (clock->last && gap > MATCHCLOCK_STALL_NS) {
		place = clock->stalls++ % MATCHCLOCK_STALLS;
		clock->stall[place].end = now;
		clock->stall[place].skipped = gap - MATCHCLOCK_STALL_NS;
	}
	settle(clock, (double)gap, now, sent);
	clock->last = now;
	if (!clock->unsettled)
		clock->steady = now;
}

uint64_t matchclock_steady(const struct matchclock *clock, uint64_t now)
{
	uint64_t until = clock->steady + (uint64_t)(ORDINARY * clock->gap);

	if (clock->unsettled || now < clock->steady)
		return clock->steady;
	return now < until ? now : until;
}

uint64_t matchclock_age(const struct matchclock *clock, uint64_t t)
{
	uint64_t age = clock->last > t ? clock->last - t : 0, skipped = 0;

	for (unsigned i = 0; i < MATCHCLOCK_STALLS; i++) {
		uint64_t end = clock->stall[i].end, part = clock->stall[i].skipped;

		if (end > t)
			skipped += end - t < part ? end - t : part;
	}
	return age > skipped ? age - skipped : 0;
}
