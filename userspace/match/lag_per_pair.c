/* SPDX-License-Identifier: MIT */
#include "match/lag_per_pair.h"

#define NEAR_NS 1000000000ull

#define SPREAD 3.0 /* certain pairs over which one that is not is spread, roughly */

static void emit(const struct lag_per_pair *pair, uint64_t lag)
{
	if (pair->emit)
		pair->emit(pair->ctx, lag);
}

/* Counts those that are due. */
static void settle(struct lag_per_pair *pair, uint64_t lag)
{
	for (; pair->due >= 1; pair->due--)
		emit(pair, lag);
}

bool lag_per_pair_near(const struct lag_per_pair *pair, uint64_t now)
{
	return pair->at && now < pair->at + NEAR_NS;
}

void lag_per_pair_certain(struct lag_per_pair *pair, uint64_t now, uint64_t lag)
{
	double part = pair->waiting / SPREAD;

	emit(pair, lag);
	pair->waiting -= part;
	pair->due += part;
	settle(pair, lag);
	pair->lag = lag;
	pair->at = now;
}

void lag_per_pair_guessed(struct lag_per_pair *pair, uint64_t now, uint64_t lag, bool better)
{
	if (!better && lag_per_pair_near(pair, now))
		pair->waiting++;
	else
		emit(pair, lag);
}

void lag_per_pair_tick(struct lag_per_pair *pair, uint64_t now)
{
	if (lag_per_pair_near(pair, now))
		return;
	pair->due += pair->waiting + 1e-6; /* the parts of a whole may come to a little less */
	pair->waiting = 0;
	settle(pair, pair->lag);
}
