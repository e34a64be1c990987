/* SPDX-License-Identifier: MIT */
#include "match/lagsample.h"

#define NEAR_NS 1000000000ull

#define SPREAD 3.0 /* certain pairs over which one that is not is spread, roughly */

static void emit(const struct lagsample *sample, uint64_t lag)
{
	if (sample->emit)
		sample->emit(sample->ctx, lag);
}

/* Counts those that are due. */
static void settle(struct lagsample *sample, uint64_t lag)
{
	for (; sample->due >= 1; sample->due--)
		emit(sample, lag);
}

bool lagsample_near(const struct lagsample *sample, uint64_t now)
{
	return sample->at && now < sample->at + NEAR_NS;
}

void lagsample_certain(struct lagsample *sample, uint64_t now, uint64_t lag)
{
	double part = sample->waiting / SPREAD;

	emit(sample, lag);
	sample->waiting -= part;
	sample->due += part;
	settle(sample, lag);
	sample->lag = lag;
	sample->at = now;
}

void lagsample_guessed(struct lagsample *sample, uint64_t now, uint64_t lag, bool better)
{
	if (!better && lagsample_near(sample, now))
		sample->waiting++;
	else
		emit(sample, lag);
}

void lagsample_tick(struct lagsample *sample, uint64_t now)
{
	if (lagsample_near(sample, now))
		return;
	sample->due += sample->waiting + 1e-6; /* the parts of a whole may come to a little less */
	sample->waiting = 0;
	settle(sample, sample->lag);
}
