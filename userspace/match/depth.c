/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "match/depth.h"

#define MEMORY      2000.0 /* arrivals that r remembers: it is as sure of a small share as of a large one */
#define SHARE_MIN   0.02
#define ENOUGH      200 /* statements before r is believed */
#define ONE_BY_ONE  4096
#define PATIENCE_NS 1000000000ull /* ... or a part of the mirror stand still, where nothing is dropped */
#define TAIL        10            /* how much likelier than lost a late one is then */
#define MARGIN_NS   100000000ull  /* by which a lag may grow at once */

int depth_new(struct depth **out, uint64_t span)
{
	*out = calloc(1, sizeof(**out));
	if (!*out)
		return -ENOMEM;
	(*out)->width = span / DEPTH_SLICES + 1;
	return 0;
}

void depth_free(struct depth **depth)
{
	free(*depth);
	*depth = NULL;
}

size_t depth_bytes(void)
{
	return sizeof(struct depth);
}

static uint64_t slice_of(const struct depth *depth, uint64_t time)
{
	return time / depth->width + 1;
}

/* NULL if the slice is too old to be remembered; a new one is made room for. */
static struct depth_slice *slice_at(struct depth *depth, uint64_t time)
{
	uint64_t number = slice_of(depth, time);

	if (!depth->newest)
		depth->newest = depth->decided = number;
	if (number + DEPTH_SLICES <= depth->newest)
		return NULL;
	if (number > depth->newest + DEPTH_SLICES)
		depth->newest = number - DEPTH_SLICES;
	while (depth->newest < number)
		depth->slice[++depth->newest % DEPTH_SLICES] = (struct depth_slice){0};
	return &depth->slice[number % DEPTH_SLICES];
}

void depth_sent(struct depth *depth, uint64_t time)
{
	struct depth_slice *slice = slice_at(depth, time);

	if (!slice)
		return;
	slice->sent++;
	slice->waiting++;
}

void depth_left(struct depth *depth, uint64_t time, bool arrived)
{
	struct depth_slice *slice = slice_at(depth, time);

	if (!slice)
		return;
	if (slice->waiting)
		slice->waiting--;
	if (arrived && slice_of(depth, time) < depth->decided && depth->arrived < depth->sent)
		depth->arrived++; /* later than was thought possible: the verdict was wrong */
	if (!arrived && slice->sent)
		slice->sent--; /* without a verdict: r must not see it */
}

static void learn_slice(struct depth *depth, const struct depth_slice *slice)
{
	double expected, keep;

	if (!slice->sent)
		return;
	expected = slice->sent * fmax(depth_share(depth), SHARE_MIN);
	keep = expected < MEMORY ? 1 - expected / MEMORY : 0;
	depth->sent = depth->sent * keep + slice->sent;
	depth->arrived = depth->arrived * keep + (slice->sent - slice->waiting);
	depth->total += slice->sent;
}

/* Nearly everything arrives, as far as is known. */
static bool whole(const struct depth *depth)
{
	return depth->total > ENOUGH && depth_share(depth) > DEPTH_ALL;
}

void depth_learn(struct depth *depth, const struct lagdist *dist, uint64_t last_match)
{
	uint64_t spare = whole(depth) ? PATIENCE_NS : MARGIN_NS;
	uint64_t margin = 2 * lagdist_longest(dist) + spare, until;

	if (!depth->newest || last_match < margin)
		return;
	until = (last_match - margin) / depth->width;
	if (depth->decided + DEPTH_SLICES <= depth->newest)
		depth->decided = depth->newest - DEPTH_SLICES + 1;
	for (; depth->decided < until && depth->decided < depth->newest; depth->decided++)
		learn_slice(depth, &depth->slice[depth->decided % DEPTH_SLICES]);
}

double depth_share(const struct depth *depth)
{
	return depth->total > ENOUGH ? (depth->arrived + 1) / (depth->sent + 1) : 1.0;
}

struct survival {
	const struct lagdist *dist;
	double share, ceiling;
	uint64_t last_match, give_up;
};

static double survives(const struct survival *s, uint64_t time)
{
	uint64_t age = s->last_match > time ? s->last_match - time : 0;
	double f, left;

	if (age > s->give_up)
		return 0;
	f = lagdist_cdf(s->dist, age);
	f = f < s->ceiling ? f : s->ceiling;
	left = 1 - s->share * f;
	return s->share * (1 - f) / (left > 1e-9 ? left : 1e-9);
}

static struct survival survival_of(const struct depth *depth, const struct lagdist *dist, uint64_t last_match)
{
	struct survival s = {dist, depth_share(depth), 1, last_match, lagdist_longest(dist) * 3 / 2};

	if (whole(depth)) { /* nothing is dropped: the tail of F is only not seen yet */
		s.ceiling = 1 - fmax(0.5 / (lagdist_weight(dist) + 1), TAIL * (1 - s.share));
		if (s.give_up < PATIENCE_NS)
			s.give_up = PATIENCE_NS;
	}
	return s;
}

/* Those of the slices before `number`. */
static double sum_slices(const struct depth *depth, const struct survival *s, uint64_t number)
{
	uint64_t oldest = depth->newest > DEPTH_SLICES ? depth->newest - DEPTH_SLICES + 1 : 1;
	double sum = 0;

	while (--number >= oldest) {
		uint32_t waiting = depth->slice[number % DEPTH_SLICES].waiting;

		if (waiting)
			sum += waiting * survives(s, (number - 1) * depth->width + depth->width / 2);
	}
	return sum;
}

double depth_estimate(const struct depth *depth, const struct lagdist *dist, const struct pending *pending,
		      const struct age_list *list, uint64_t last_match)
{
	struct survival s = survival_of(depth, dist, last_match);
	uint64_t number = 0;
	double sum = 0;

	for (uint32_t n = 0, index = list->youngest; index; n++) {
		const struct entry *entry = pending_at(pending, index);

		if (n >= ONE_BY_ONE && slice_of(depth, entry->time) != number)
			return sum + sum_slices(depth, &s, number);
		number = slice_of(depth, entry->time);
		sum += survives(&s, entry->time);
		index = entry->age_prev;
	}
	return sum;
}

uint64_t depth_oldest(const struct depth *depth, const struct lagdist *dist, const struct pending *pending,
		      const struct age_list *list, uint64_t last_match)
{
	struct survival s = survival_of(depth, dist, last_match);
	uint64_t first = depth->newest > DEPTH_SLICES ? depth->newest - DEPTH_SLICES + 1 : 1;
	uint64_t longest = s.give_up < last_match ? last_match - s.give_up : 0;

	if (!list->oldest)
		return 0;
	if (pending_at(pending, list->oldest)->time > longest)
		longest = pending_at(pending, list->oldest)->time;
	if (slice_of(depth, longest) > first)
		first = slice_of(depth, longest);
	for (; first <= depth->newest; first++) {
		uint64_t middle = (first - 1) * depth->width + depth->width / 2;

		if (depth->slice[first % DEPTH_SLICES].waiting && survives(&s, middle) >= 0.5 * s.share)
			return middle;
	}
	return 0;
}
