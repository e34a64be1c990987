/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "match/depth_survival.h"

#define SLICES      DEPTH_SURVIVAL_SLICES
#define MEMORY      2000.0 /* arrivals that r remembers: it is as sure of a small share as of a large one */
#define SHARE_MIN   0.02
#define ENOUGH      200 /* statements before r is believed */
#define ONE_BY_ONE  4096
#define PATIENCE_NS 1000000000ull /* ... or a part of the mirror stand still, where nothing is dropped */
#define TAIL        10            /* how much likelier than lost a late one is then */
#define MARGIN_NS   100000000ull  /* by which a lag may grow at once */

int depth_survival_new(struct depth_survival **out, uint64_t span)
{
	*out = calloc(1, sizeof(**out));
	if (!*out)
		return -ENOMEM;
	(*out)->width = span / SLICES + 1;
	return 0;
}

void depth_survival_free(struct depth_survival **survival)
{
	free(*survival);
	*survival = NULL;
}

size_t depth_survival_bytes(void)
{
	return sizeof(struct depth_survival);
}

static uint64_t slice_of(const struct depth_survival *survival, uint64_t time)
{
	return time / survival->width + 1;
}

/* NULL if the slice is too old to be remembered; a new one is made room for. */
static struct depth_survival_slice *slice_at(struct depth_survival *survival, uint64_t time)
{
	uint64_t number = slice_of(survival, time);

	if (!survival->newest)
		survival->newest = survival->decided = number;
	if (number + SLICES <= survival->newest)
		return NULL;
	if (number > survival->newest + SLICES)
		survival->newest = number - SLICES;
	while (survival->newest < number)
		survival->slice[++survival->newest % SLICES] = (struct depth_survival_slice){0};
	return &survival->slice[number % SLICES];
}

void depth_survival_sent(struct depth_survival *survival, uint64_t time)
{
	struct depth_survival_slice *slice = slice_at(survival, time);

	if (!slice)
		return;
	slice->sent++;
	slice->waiting++;
}

void depth_survival_left(struct depth_survival *survival, uint64_t time, bool arrived)
{
	struct depth_survival_slice *slice = slice_at(survival, time);

	if (!slice)
		return;
	if (slice->waiting)
		slice->waiting--;
	if (arrived && slice_of(survival, time) < survival->decided && survival->arrived < survival->sent)
		survival->arrived++; /* later than was thought possible: the verdict was wrong */
	if (!arrived && slice->sent)
		slice->sent--; /* without a verdict: r must not see it */
}

double depth_survival_waiting(const struct depth_survival *survival, uint64_t since)
{
	uint64_t first = slice_of(survival, since), number = survival->newest;
	double sum = 0;

	for (unsigned n = 0; n < DEPTH_SURVIVAL_SLICES && number >= first && number; n++)
		sum += survival->slice[number-- % DEPTH_SURVIVAL_SLICES].waiting;
	return sum;
}

void depth_survival_reset(struct depth_survival *survival)
{
	survival->decided = survival->newest + (survival->newest > 0);
	survival->sent = survival->arrived = survival->total = 0;
}

static void learn_slice(struct depth_survival *survival, const struct depth_survival_slice *slice)
{
	double expected, keep;

	if (!slice->sent)
		return;
	expected = slice->sent * fmax(depth_survival_share(survival), SHARE_MIN);
	keep = expected < MEMORY ? 1 - expected / MEMORY : 0;
	survival->sent = survival->sent * keep + slice->sent;
	survival->arrived = survival->arrived * keep + (slice->sent - slice->waiting);
	survival->total += slice->sent;
}

/* Nearly everything arrives, as far as is known. */
static bool whole(const struct depth_survival *survival)
{
	return survival->total > ENOUGH && depth_survival_share(survival) > DEPTH_SURVIVAL_ALL;
}

void depth_survival_learn(struct depth_survival *survival, const struct lag_distribution *dist,
			  uint64_t last_match)
{
	uint64_t spare = whole(survival) ? PATIENCE_NS : MARGIN_NS;
	uint64_t margin = 2 * lag_distribution_longest(dist) + spare, until;

	if (!survival->newest || last_match < margin)
		return;
	until = (last_match - margin) / survival->width;
	if (survival->decided + SLICES <= survival->newest)
		survival->decided = survival->newest - SLICES + 1;
	for (; survival->decided < until && survival->decided < survival->newest; survival->decided++)
		learn_slice(survival, &survival->slice[survival->decided % SLICES]);
}

double depth_survival_share(const struct depth_survival *survival)
{
	return survival->total > ENOUGH ? (survival->arrived + 1) / (survival->sent + 1) : 1.0;
}

struct survival {
	const struct lag_distribution *dist;
	double share, ceiling;
	uint64_t last_match, give_up;
};

static double survives(const struct survival *s, uint64_t time)
{
	uint64_t age = s->last_match > time ? s->last_match - time : 0;
	double f, left;

	if (age > s->give_up)
		return 0;
	f = lag_distribution_cdf(s->dist, age);
	f = f < s->ceiling ? f : s->ceiling;
	left = 1 - s->share * f;
	return s->share * (1 - f) / (left > 1e-9 ? left : 1e-9);
}

static struct survival survival_of(const struct depth_survival *survival, const struct lag_distribution *dist,
				   uint64_t last_match)
{
	struct survival s = {dist, depth_survival_share(survival), 1, last_match,
			     lag_distribution_longest(dist) * 3 / 2};

	if (whole(survival)) { /* nothing is dropped: the tail of F is only not seen yet */
		s.ceiling = 1 - fmax(0.5 / (lag_distribution_weight(dist) + 1), TAIL * (1 - s.share));
		if (s.give_up < PATIENCE_NS)
			s.give_up = PATIENCE_NS;
	}
	return s;
}

/* Those of the slices before `number`. */
static double sum_slices(const struct depth_survival *survival, const struct survival *s, uint64_t number)
{
	uint64_t oldest = survival->newest > SLICES ? survival->newest - SLICES + 1 : 1;
	double sum = 0;

	while (--number >= oldest) {
		uint32_t waiting = survival->slice[number % SLICES].waiting;

		if (waiting)
			sum += waiting * survives(s, (number - 1) * survival->width + survival->width / 2);
	}
	return sum;
}

double depth_survival_estimate(const struct depth_survival *survival, const struct lag_distribution *dist,
			       const struct pending *pending, const struct age_list *list,
			       uint64_t last_match)
{
	struct survival s = survival_of(survival, dist, last_match);
	uint64_t number = 0;
	double sum = 0;

	for (uint32_t n = 0, index = list->youngest; index; n++) {
		const struct entry *entry = pending_at(pending, index);

		if (n >= ONE_BY_ONE && slice_of(survival, entry->time) != number)
			return sum + sum_slices(survival, &s, number);
		number = slice_of(survival, entry->time);
		sum += survives(&s, entry->time);
		index = entry->age_prev;
	}
	return sum;
}

uint64_t depth_survival_oldest(const struct depth_survival *survival, const struct lag_distribution *dist,
			       const struct pending *pending, const struct age_list *list,
			       uint64_t last_match)
{
	struct survival s = survival_of(survival, dist, last_match);
	uint64_t first = survival->newest > SLICES ? survival->newest - SLICES + 1 : 1;
	uint64_t longest = s.give_up < last_match ? last_match - s.give_up : 0;

	if (!list->oldest)
		return 0;
	if (pending_at(pending, list->oldest)->time > longest)
		longest = pending_at(pending, list->oldest)->time;
	if (slice_of(survival, longest) > first)
		first = slice_of(survival, longest);
	for (; first <= survival->newest; first++) {
		uint64_t middle = (first - 1) * survival->width + survival->width / 2;

		if (survival->slice[first % SLICES].waiting && survives(&s, middle) >= 0.5 * s.share)
			return middle;
	}
	return 0;
}
