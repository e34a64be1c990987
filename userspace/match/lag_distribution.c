/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "match/lag_distribution.h"
#include "match/lag_search.h"

#define BINS        LAG_BINS
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

struct lag_distribution {
	struct certain certain[CERTAIN];
	float ambiguous[AMBIGUOUS][BINS];
	uint64_t ambiguous_time[AMBIGUOUS];
	uint64_t certain_count, ambiguous_count; /* ever */
	uint64_t updated;                        /* when ambiguous ones were last used */
	uint64_t certain_used, certain_at;       /* certain ones that the estimate knows, and since when */
	struct lag_search search;
	uint64_t searched;     /* ambiguous observations that went into the search */
	float edges[BINS + 1]; /* seconds */
	float share[BINS];     /* the estimate; sums to 1 */
	float below[BINS + 1];
	uint64_t median, longest;
	uint64_t reach; /* the lag that is possible by now */
	bool guesses;
	double weight;
};

int lag_distribution_new(struct lag_distribution **out)
{
	*out = calloc(1, sizeof(**out));
	for (unsigned b = 0; *out && b <= BINS; b++)
		(*out)->edges[b] = (float)lag_distribution_edge(b) * 1e-9f;
	return *out ? 0 : -ENOMEM;
}

void lag_distribution_free(struct lag_distribution **lags)
{
	free(*lags);
	*lags = NULL;
}

size_t lag_distribution_bytes(void)
{
	return sizeof(struct lag_distribution);
}

unsigned lag_distribution_bin(uint64_t lag)
{
	unsigned octave, bin;

	if (lag < 1ull << FIRST_SHIFT)
		return 0;
	octave = 63 - (unsigned)__builtin_clzll(lag);
	bin = 1 + (octave - FIRST_SHIFT) * 8 + (unsigned)((lag >> (octave - 3)) & 7);
	return bin < BINS ? bin : BINS - 1;
}

uint64_t lag_distribution_edge(unsigned bin)
{
	unsigned octave;

	if (bin == 0)
		return 0;
	octave = FIRST_SHIFT + (bin - 1) / 8;
	return (8ull + (bin - 1) % 8) << (octave - 3);
}

void lag_distribution_certain(struct lag_distribution *lags, uint64_t now, uint64_t lag)
{
	lags->certain[lags->certain_count++ % CERTAIN] = (struct certain){now, lag};
}

bool lag_distribution_wants_ambiguous(struct lag_distribution *lags, uint64_t now)
{
	if (lags->certain_count < ENOUGH)
		return true;
	return now - lags->certain[(lags->certain_count - ENOUGH) % CERTAIN].time > FRESH_NS;
}

float *lag_distribution_ambiguous(struct lag_distribution *lags, uint64_t now)
{
	uint64_t place = lags->ambiguous_count++ % AMBIGUOUS;

	lags->ambiguous_time[place] = now;
	return lags->ambiguous[place];
}

/*
 * The time constant with which observations fade once the search has spoken: in proportion to the lag, since
 * a long lag changes slowly and takes more observations.
 */
static double fading(const struct lag_distribution *lags)
{
	float below = 0;
	unsigned b = 0;
	double tau;

	while (b + 1 < BINS && (below += lags->share[b]) < 0.5f)
		b++;
	tau = TAU_OF_LAG * (double)lag_distribution_edge(b);
	return tau > TAU_MAX ? TAU_MAX : tau < TAU_MIN ? TAU_MIN : tau;
}

static double weigh(uint64_t now, uint64_t time, double tau)
{
	double age = now > time ? (double)(now - time) : 0;

	if (age > (double)WINDOW_NS)
		return 0;
	return tau > 0 ? exp(-age / tau) : 1;
}

static const struct certain *newest_certain(const struct lag_distribution *lags, uint64_t rank)
{
	return &lags->certain[(lags->certain_count - 1 - rank) % CERTAIN];
}

/* Observations among the newest `count`, but for the newest few, that took more than `limit`. */
static uint64_t slower_than(const struct lag_distribution *lags, uint64_t limit, uint64_t few, uint64_t count)
{
	uint64_t slower = 0;

	for (uint64_t rank = few; rank < count; rank++)
		slower += newest_certain(lags, rank)->lag > limit;
	return slower;
}

/*
 * How many of the certain observations still tell something. A backlog can be gone at once: when the newest
 * few all took less than half of what a good part of the others took, those belong to the past. The greater
 * that part, the fewer are needed to tell that it is no chance: after a stall two, while 20 of them may
 * take a quarter of a second in which all that was sent during the stall still seems to be on its way.
 */
static uint64_t relevant(const struct lag_distribution *lags)
{
	uint64_t count = lags->certain_count < CERTAIN ? lags->certain_count : CERTAIN, longest = 0;
	double quicker;

	for (uint64_t few = 1; few <= NEWEST && few < count; few++) {
		if (newest_certain(lags, few - 1)->lag > longest)
			longest = newest_certain(lags, few - 1)->lag;
		if (few < NEWEST_MIN)
			continue;
		quicker = 1 - (double)slower_than(lags, 2 * longest, few, count) / (double)(count - few);
		if (pow(quicker, (double)few) < CHANCE)
			return few;
	}
	return count;
}

static double certain_shares(const struct lag_distribution *lags, uint64_t now, double tau, float *out)
{
	uint64_t count = relevant(lags);
	double sum = 0;

	memset(out, 0, BINS * sizeof(*out));
	for (uint64_t rank = 0; rank < count; rank++) {
		const struct certain *one = newest_certain(lags, rank);
		double weight = weigh(now, one->time, tau) * exp(-(double)rank / RANKS);

		out[lag_distribution_bin(one->lag)] += (float)weight;
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
static unsigned expect(struct lag_distribution *lags, uint64_t elapsed, const float *certain)
{
	uint64_t reach = lags->longest + lags->longest / 2 + REACH_NS;
	unsigned bins;

	lags->reach += elapsed;
	if (lags->reach > reach + FORGET * elapsed) /* not at once: the last estimate may be wrong */
		lags->reach -= FORGET * elapsed;
	else if (lags->reach > reach)
		lags->reach = reach;
	bins = lag_distribution_bin(lags->reach) + 1;

	for (unsigned b = bins; b < BINS; b++)
		if (certain[b] > 0)
			bins = b + 1;
	bins = (bins + 7) / 8 * 8;
	lag_search_fade(&lags->search, (double)elapsed * 1e-9, lags->edges);
	if (lags->searched + AMBIGUOUS < lags->ambiguous_count)
		lags->searched = lags->ambiguous_count - AMBIGUOUS;
	for (; lags->searched < lags->ambiguous_count; lags->searched++)
		lag_search_observe(&lags->search, lags->ambiguous[lags->searched % AMBIGUOUS], lags->edges);
	lag_search_shares(&lags->search, bins, lag_distribution_bin(lags->median), lags->edges, lags->share);
	for (unsigned b = 0; b < bins; b++)
		lags->share[b] = (1 - DOUBT) * lags->share[b] + DOUBT / (float)bins;
	return bins;
}

/* No ambiguous observation is new enough to count: the certain ones decide, or else what was held for likely
 * stays. */
static double certain_only(struct lag_distribution *lags, const float *certain)
{
	float all = 0;

	for (unsigned b = 0; b < BINS; b++)
		all += certain[b];
	if (all > 0)
		memcpy(lags->share, certain, sizeof(lags->share));
	normalise(lags->share);
	return 0;
}

static double maximise(struct lag_distribution *lags, uint64_t now, double tau, const float *certain,
		       unsigned bins)
{
	uint64_t count = lags->ambiguous_count < AMBIGUOUS ? lags->ambiguous_count : AMBIGUOUS;
	float weight[AMBIGUOUS], next[BINS];
	double sum = 0;

	for (uint64_t i = 0; i < count; i++)
		sum += weight[i] = (float)weigh(now, lags->ambiguous_time[i], tau);
	if (sum <= 0)
		return certain_only(lags, certain);
	for (unsigned round = 0; round < ROUNDS; round++) {
		memset(next, 0, sizeof(next));
		for (uint64_t i = 0; i < count; i++)
			if (weight[i] > 0.01f)
				explain(lags->ambiguous[i], lags->share, weight[i], next, bins);
		for (unsigned b = 0; b < bins; b++)
			next[b] = lags->share[b] * next[b] / (float)sum;
		smooth(next);
		normalise(next);
		for (unsigned b = 0; b < BINS; b++)
			lags->share[b] = (float)(INFORMATION * sum) * next[b] + certain[b];
		normalise(lags->share);
	}
	return sum;
}

uint64_t lag_distribution_quantile(const struct lag_distribution *lags, double wanted)
{
	unsigned b = 0;
	double inside;

	while (b + 1 < BINS && lags->below[b + 1] < wanted)
		b++;
	if (lags->share[b] <= 0)
		return lag_distribution_edge(b);
	inside = (wanted - lags->below[b]) / lags->share[b];
	return lag_distribution_edge(b) +
	       (uint64_t)(inside * (double)(lag_distribution_edge(b + 1) - lag_distribution_edge(b)));
}

static uint64_t longest_certain(const struct lag_distribution *lags, uint64_t now)
{
	uint64_t count = lags->certain_count < CERTAIN ? lags->certain_count : CERTAIN, longest = 0;

	for (uint64_t i = 0; i < count; i++)
		if (now - lags->certain[i].time <= WINDOW_NS && lags->certain[i].lag > longest)
			longest = lags->certain[i].lag;
	return longest;
}

static void summarise(struct lag_distribution *lags, uint64_t now, bool with_ambiguous)
{
	lags->below[0] = 0;
	for (unsigned b = 0; b < BINS; b++)
		lags->below[b + 1] = lags->below[b] + lags->share[b];
	lags->median = lag_distribution_quantile(lags, 0.5);
	lags->guesses = with_ambiguous;
	lags->longest = with_ambiguous ? lag_distribution_quantile(lags, 0.97) : longest_certain(lags, now);
}

static void estimate_certain(struct lag_distribution *lags, uint64_t now)
{
	float certain[BINS];
	double weight = certain_shares(lags, now, 0, certain);

	if (weight > 0) {
		lags->weight = weight;
		memcpy(lags->share, certain, sizeof(certain));
		normalise(lags->share);
	}
	lags->certain_used = lags->certain_count;
	lags->certain_at = now;
	summarise(lags, now, false);
	lags->reach = lags->longest + REACH_NS;
}

static void estimate_both(struct lag_distribution *lags, uint64_t now)
{
	uint64_t elapsed = lags->updated ? now - lags->updated : WINDOW_NS;
	float certain[BINS];
	unsigned bins;
	double tau;

	lags->updated = now;
	lags->certain_used = lags->certain_count;
	certain_shares(lags, now, 0, certain);
	bins = expect(lags, elapsed, certain);
	tau = fading(lags);
	lags->weight = certain_shares(lags, now, tau, certain);
	lags->weight += INFORMATION * maximise(lags, now, tau, certain, bins);
	summarise(lags, now, true);
}

void lag_distribution_update(struct lag_distribution *lags, uint64_t now)
{
	uint64_t fresh = lags->certain_count - lags->certain_used;
	bool due = fresh >= BATCH || now > lags->certain_at + BATCH_NS || lags->certain_count < CERTAIN;

	if (lags->ambiguous_count != lags->searched && lag_distribution_wants_ambiguous(lags, now)) {
		if (now - lags->updated >= PERIOD_NS || lags->certain_count + lags->ambiguous_count < 20)
			estimate_both(lags, now);
	} else if (fresh && due) {
		estimate_certain(lags, now);
	}
}

double lag_distribution_cdf(const struct lag_distribution *lags, uint64_t lag)
{
	unsigned b = lag_distribution_bin(lag);
	double width = (double)(lag_distribution_edge(b + 1) - lag_distribution_edge(b));
	double inside = (double)(lag - lag_distribution_edge(b)) / width;

	return lags->below[b] + lags->share[b] * (inside < 1 ? inside : 1);
}

uint64_t lag_distribution_median(const struct lag_distribution *lags)
{
	return lags->median;
}

uint64_t lag_distribution_longest(const struct lag_distribution *lags)
{
	return lags->longest;
}

bool lag_distribution_guesses(const struct lag_distribution *lags)
{
	return lags->guesses;
}

double lag_distribution_weight(const struct lag_distribution *lags)
{
	return lags->weight;
}
