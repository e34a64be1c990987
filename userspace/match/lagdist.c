/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "match/lagdist.h"
#include "match/lagsearch.h"

#define BINS        LAGDIST_BINS
#define FIRST_SHIFT 16 /* bin 0 ends at 2^16 ns */
#define CERTAIN     300
#define NEWEST_MIN  2
#define NEWEST      20
#define CHANCE      1e-3 /* that the newest few are quicker than the others without a reason */
#define RANKS       50.0 /* in which the weight of certain observations falls by e */
#define AMBIGUOUS   384
#define WINDOW_NS   10000000000ull /* older observations say nothing of now */
#define PERIOD_NS   100000000ull   /* between two estimations from ambiguous observations */
#define BATCH       16             /* certain observations between two from those alone ... */
#define BATCH_NS    5000000ull     /* ... or fewer after that time */
#define ENOUGH      100            /* certain observations that make ambiguous ones superfluous */
#define FRESH_NS    1000000000ull  /* ... if they are as new as this */
#define ROUNDS      3              /* of expectation maximisation; more of them fit the noise */
#define DOUBT       0.02f          /* part of the search's result that is given up for "anything" */
#define INFORMATION 0.2            /* of an ambiguous observation against a certain one */
#define FORGET      3              /* how many times faster than time a reach that is not used is given up */
#define REACH_NS    200000000ull
#define TAU_OF_LAG  0.75
#define TAU_MIN     2e8 /* ns in which observations fade, at least and at most */
#define TAU_MAX     2e9

struct certain {
	uint64_t time;
	uint64_t lag;
};

struct lagdist {
	struct certain certain[CERTAIN];
	float ambiguous[AMBIGUOUS][BINS];
	uint64_t ambiguous_time[AMBIGUOUS];
	uint64_t certain_count, ambiguous_count; /* ever */
	uint64_t updated;                        /* when ambiguous ones were last used */
	uint64_t certain_used, certain_at;       /* certain ones that the estimate knows, and since when */
	struct lagsearch search;
	uint64_t searched;     /* ambiguous observations that went into the search */
	float edges[BINS + 1]; /* seconds */
	float share[BINS];     /* the estimate; sums to 1 */
	float below[BINS + 1];
	uint64_t median, longest;
	uint64_t reach; /* the lag that is possible by now */
	bool guesses;
	double weight;
};

int lagdist_new(struct lagdist **out)
{
	*out = calloc(1, sizeof(**out));
	for (unsigned b = 0; *out && b <= BINS; b++)
		(*out)->edges[b] = (float)lagdist_edge(b) * 1e-9f;
	return *out ? 0 : -ENOMEM;
}

void lagdist_free(struct lagdist **dist)
{
	free(*dist);
	*dist = NULL;
}

size_t lagdist_bytes(void)
{
	return sizeof(struct lagdist);
}

unsigned lagdist_bin(uint64_t lag)
{
	unsigned octave, bin;

	if (lag < 1ull << FIRST_SHIFT)
		return 0;
	octave = 63 - (unsigned)__builtin_clzll(lag);
	bin = 1 + (octave - FIRST_SHIFT) * 8 + (unsigned)((lag >> (octave - 3)) & 7);
	return bin < BINS ? bin : BINS - 1;
}

uint64_t lagdist_edge(unsigned bin)
{
	unsigned octave;

	if (bin == 0)
		return 0;
	octave = FIRST_SHIFT + (bin - 1) / 8;
	return (8ull + (bin - 1) % 8) << (octave - 3);
}

void lagdist_certain(struct lagdist *dist, uint64_t now, uint64_t lag)
{
	dist->certain[dist->certain_count++ % CERTAIN] = (struct certain){now, lag};
}

bool lagdist_wants_ambiguous(struct lagdist *dist, uint64_t now)
{
	if (dist->certain_count < ENOUGH)
		return true;
	return now - dist->certain[(dist->certain_count - ENOUGH) % CERTAIN].time > FRESH_NS;
}

float *lagdist_ambiguous(struct lagdist *dist, uint64_t now)
{
	uint64_t place = dist->ambiguous_count++ % AMBIGUOUS;

	dist->ambiguous_time[place] = now;
	return dist->ambiguous[place];
}

/*
 * The time constant with which observations fade once the search has spoken: in proportion to the lag, since
 * a long lag changes slowly and takes more observations.
 */
static double fading(const struct lagdist *dist)
{
	float below = 0;
	unsigned b = 0;
	double tau;

	while (b + 1 < BINS && (below += dist->share[b]) < 0.5f)
		b++;
	tau = TAU_OF_LAG * (double)lagdist_edge(b);
	return tau > TAU_MAX ? TAU_MAX : tau < TAU_MIN ? TAU_MIN : tau;
}

static double weigh(uint64_t now, uint64_t time, double tau)
{
	double age = now > time ? (double)(now - time) : 0;

	if (age > (double)WINDOW_NS)
		return 0;
	return tau > 0 ? exp(-age / tau) : 1;
}

static const struct certain *newest_certain(const struct lagdist *dist, uint64_t rank)
{
	return &dist->certain[(dist->certain_count - 1 - rank) % CERTAIN];
}

/* Observations among the newest `count`, but for the newest few, that took more than `limit`. */
static uint64_t slower_than(const struct lagdist *dist, uint64_t limit, uint64_t few, uint64_t count)
{
	uint64_t slower = 0;

	for (uint64_t rank = few; rank < count; rank++)
		slower += newest_certain(dist, rank)->lag > limit;
	return slower;
}

/*
 * How many of the certain observations still tell something. A backlog can be gone at once: when the newest
 * few all took less than half of what a good part of the others took, those belong to the past. The greater
 * that part, the fewer are needed to tell that it is no chance: after a stall two, while 20 of them may
 * take a quarter of a second in which all that was sent during the stall still seems to be on its way.
 */
static uint64_t relevant(const struct lagdist *dist)
{
	uint64_t count = dist->certain_count < CERTAIN ? dist->certain_count : CERTAIN, longest = 0;
	double quicker;

	for (uint64_t few = 1; few <= NEWEST && few < count; few++) {
		if (newest_certain(dist, few - 1)->lag > longest)
			longest = newest_certain(dist, few - 1)->lag;
		if (few < NEWEST_MIN)
			continue;
		quicker = 1 - (double)slower_than(dist, 2 * longest, few, count) / (double)(count - few);
		if (pow(quicker, (double)few) < CHANCE)
			return few;
	}
	return count;
}

static double certain_shares(const struct lagdist *dist, uint64_t now, double tau, float *out)
{
	uint64_t count = relevant(dist);
	double sum = 0;

	memset(out, 0, BINS * sizeof(*out));
	for (uint64_t rank = 0; rank < count; rank++) {
		const struct certain *one = newest_certain(dist, rank);
		double weight = weigh(now, one->time, tau) * exp(-(double)rank / RANKS);

		out[lagdist_bin(one->lag)] += (float)weight;
		sum += weight;
	}
	return sum;
}

/* The expectation step for one observation: what each bin explains of it is added to `next`. */
static void explain(const float *observation, const float *share, float weight, float *next, unsigned bins)
{
	float sum[8] = {0}, all = 0;

	for (unsigned b = 0; b < bins; b += 8) /* bins is a multiple: the compiler can use vectors */
		for (unsigned i = 0; i < 8; i++)
			sum[i] += observation[b + i] * share[b + i];
	for (unsigned i = 0; i < 8; i++)
		all += sum[i];
	if (all <= 0)
		return;
	weight /= all;
	for (unsigned b = 0; b < bins; b++)
		next[b] += weight * observation[b];
}

static void normalise(float *share)
{
	float sum = 0;

	for (unsigned b = 0; b < BINS; b++)
		sum += share[b];
	for (unsigned b = 0; b < BINS && sum > 0; b++)
		share[b] /= sum;
}

/* Neighbouring bins share what chance has put into one of them. */
static void smooth(float *share)
{
	float before = share[0];

	for (unsigned b = 1; b + 1 < BINS; b++) {
		float own = share[b];

		share[b] = 0.25f * before + 0.5f * own + 0.25f * share[b + 1];
		before = own;
	}
}

/*
 * Where expectation maximisation begins: what the search holds for likely, within what is possible: a queue's
 * lag falls at once but grows no faster than time passes. Returns the number of bins that are possible.
 */
static unsigned expect(struct lagdist *dist, uint64_t elapsed, const float *certain)
{
	uint64_t reach = dist->longest + dist->longest / 2 + REACH_NS;
	unsigned bins;

	dist->reach += elapsed;
	if (dist->reach > reach + FORGET * elapsed) /* not at once: the last estimate may be wrong */
		dist->reach -= FORGET * elapsed;
	else if (dist->reach > reach)
		dist->reach = reach;
	bins = lagdist_bin(dist->reach) + 1;

	for (unsigned b = bins; b < BINS; b++)
		if (certain[b] > 0)
			bins = b + 1;
	bins = (bins + 7) / 8 * 8;
	lagsearch_fade(&dist->search, (double)elapsed * 1e-9, dist->edges);
	if (dist->searched + AMBIGUOUS < dist->ambiguous_count)
		dist->searched = dist->ambiguous_count - AMBIGUOUS;
	for (; dist->searched < dist->ambiguous_count; dist->searched++)
		lagsearch_observe(&dist->search, dist->ambiguous[dist->searched % AMBIGUOUS], dist->edges);
	lagsearch_shares(&dist->search, bins, lagdist_bin(dist->median), dist->edges, dist->share);
	for (unsigned b = 0; b < bins; b++)
		dist->share[b] = (1 - DOUBT) * dist->share[b] + DOUBT / (float)bins;
	return bins;
}

/* No ambiguous observation is new enough to count: the certain ones decide, or else what was held for likely
 * stays. */
static double certain_only(struct lagdist *dist, const float *certain)
{
	float all = 0;

	for (unsigned b = 0; b < BINS; b++)
		all += certain[b];
	if (all > 0)
		memcpy(dist->share, certain, sizeof(dist->share));
	normalise(dist->share);
	return 0;
}

static double maximise(struct lagdist *dist, uint64_t now, double tau, const float *certain, unsigned bins)
{
	uint64_t count = dist->ambiguous_count < AMBIGUOUS ? dist->ambiguous_count : AMBIGUOUS;
	float weight[AMBIGUOUS], next[BINS];
	double sum = 0;

	for (uint64_t i = 0; i < count; i++)
		sum += weight[i] = (float)weigh(now, dist->ambiguous_time[i], tau);
	if (sum <= 0)
		return certain_only(dist, certain);
	for (unsigned round = 0; round < ROUNDS; round++) {
		memset(next, 0, sizeof(next));
		for (uint64_t i = 0; i < count; i++)
			if (weight[i] > 0.01f)
				explain(dist->ambiguous[i], dist->share, weight[i], next, bins);
		for (unsigned b = 0; b < bins; b++)
			next[b] = dist->share[b] * next[b] / (float)sum;
		smooth(next);
		normalise(next);
		for (unsigned b = 0; b < BINS; b++)
			dist->share[b] = (float)(INFORMATION * sum) * next[b] + certain[b];
		normalise(dist->share);
	}
	return sum;
}

uint64_t lagdist_quantile(const struct lagdist *dist, double wanted)
{
	unsigned b = 0;
	double inside;

	while (b + 1 < BINS && dist->below[b + 1] < wanted)
		b++;
	if (dist->share[b] <= 0)
		return lagdist_edge(b);
	inside = (wanted - dist->below[b]) / dist->share[b];
	return lagdist_edge(b) + (uint64_t)(inside * (double)(lagdist_edge(b + 1) - lagdist_edge(b)));
}

static uint64_t longest_certain(const struct lagdist *dist, uint64_t now)
{
	uint64_t count = dist->certain_count < CERTAIN ? dist->certain_count : CERTAIN, longest = 0;

	for (uint64_t i = 0; i < count; i++)
		if (now - dist->certain[i].time <= WINDOW_NS && dist->certain[i].lag > longest)
			longest = dist->certain[i].lag;
	return longest;
}

static void summarise(struct lagdist *dist, uint64_t now, bool with_ambiguous)
{
	dist->below[0] = 0;
	for (unsigned b = 0; b < BINS; b++)
		dist->below[b + 1] = dist->below[b] + dist->share[b];
	dist->median = lagdist_quantile(dist, 0.5);
	dist->guesses = with_ambiguous;
	dist->longest = with_ambiguous ? lagdist_quantile(dist, 0.97) : longest_certain(dist, now);
}

static void estimate_certain(struct lagdist *dist, uint64_t now)
{
	float certain[BINS];
	double weight = certain_shares(dist, now, 0, certain);

	if (weight > 0) {
		dist->weight = weight;
		memcpy(dist->share, certain, sizeof(certain));
		normalise(dist->share);
	}
	dist->certain_used = dist->certain_count;
	dist->certain_at = now;
	summarise(dist, now, false);
	dist->reach = dist->longest + REACH_NS;
}

static void estimate_both(struct lagdist *dist, uint64_t now)
{
	uint64_t elapsed = dist->updated ? now - dist->updated : WINDOW_NS;
	float certain[BINS];
	unsigned bins;
	double tau;

	dist->updated = now;
	dist->certain_used = dist->certain_count;
	certain_shares(dist, now, 0, certain);
	bins = expect(dist, elapsed, certain);
	tau = fading(dist);
	dist->weight = certain_shares(dist, now, tau, certain);
	dist->weight += INFORMATION * maximise(dist, now, tau, certain, bins);
	summarise(dist, now, true);
}

void lagdist_update(struct lagdist *dist, uint64_t now)
{
	uint64_t fresh = dist->certain_count - dist->certain_used;
	bool due = fresh >= BATCH || now > dist->certain_at + BATCH_NS || dist->certain_count < CERTAIN;

	if (dist->ambiguous_count != dist->searched && lagdist_wants_ambiguous(dist, now)) {
		if (now - dist->updated >= PERIOD_NS || dist->certain_count + dist->ambiguous_count < 20)
			estimate_both(dist, now);
	} else if (fresh && due) {
		estimate_certain(dist, now);
	}
}

double lagdist_cdf(const struct lagdist *dist, uint64_t lag)
{
	unsigned b = lagdist_bin(lag);
	double width = (double)(lagdist_edge(b + 1) - lagdist_edge(b));
	double inside = (double)(lag - lagdist_edge(b)) / width;

	return dist->below[b] + dist->share[b] * (inside < 1 ? inside : 1);
}

uint64_t lagdist_median(const struct lagdist *dist)
{
	return dist->median;
}

uint64_t lagdist_longest(const struct lagdist *dist)
{
	return dist->longest;
}

bool lagdist_guesses(const struct lagdist *dist)
{
	return dist->guesses;
}

double lagdist_weight(const struct lagdist *dist)
{
	return dist->weight;
}
