/* SPDX-License-Identifier: MIT */
#include <math.h>

#include "match/estimates.h"

#define CERTAIN_WEIGHT (1.0 / 256)
#define CERTAIN_SCARCE 0.15               /* below this share of certain pairs others must tell the lag */
#define GOLDEN         0.6180339887498949 /* its multiples, modulo 1, are spread evenly */
#define SILENCE_MIN_NS 1000000000ull
#define LATE_NS        1000000000ull /* beyond the lags seen, before what has not arrived is held to be missing */
#define STANDSTILL     0.01          /* prior probability that a silent mirror stands still */

int estimates_init(struct estimates *e, const struct entries *entries, uint64_t span, uint32_t queue_limit)
{
	int err = lag_distribution_new(&e->lags);

	e->entries = entries;
	depth_bound_init(&e->bound, queue_limit);
	return err ? err : depth_survival_new(&e->survival, span);
}

void estimates_done(struct estimates *e)
{
	lag_distribution_free(&e->lags);
	depth_survival_free(&e->survival);
}

size_t estimates_bytes(void)
{
	return lag_distribution_bytes() + depth_survival_bytes();
}

/* ------------------------------------------------------------------------- which one is to be believed */

/* Certain pairs are too few to stand for all. */
static bool scarce(const struct estimates *e)
{
	return e->certain < CERTAIN_SCARCE;
}

/* The count of depth_count.h is to be believed, not how old what waits is. */
static bool counts(const struct estimates *e)
{
	return scarce(e) && lag_distribution_guesses(e->lags) && depth_count_leads(&e->count);
}

/* Lags are short, and surely so: what a search among ambiguous observations says, it says firmly. */
static bool settled(const struct estimates *e)
{
	return !lag_distribution_guesses(e->lags) ||
	       lag_distribution_longest(e->lags) < LAG_FROM_DEPTH_MIN_NS;
}

/* Whether the statements differ enough to tell lag and depth. */
static bool tells(const struct estimates *e, uint64_t now)
{
	if (!scarce(e) || lag_per_pair_near(&e->lag_per_pair, now))
		return true;
	return counts(e) ? depth_count_sure(&e->count) : lag_distribution_guesses(e->lags) && settled(e);
}

/* ------------------------------------------------------------------------------------------ lag */

/* Ages and lags are judged together: neither moves before the end of a silence is understood. */
static void update_lags(struct estimates *e, uint64_t now)
{
	if (!e->clock.unsettled)
		lag_distribution_update(e->lags, now);
}

void estimates_sent(struct estimates *e, uint64_t sent, bool first)
{
	depth_bound_sent(&e->bound, first);
	depth_survival_sent(e->survival, sent);
	depth_count_sent(&e->count);
}

void estimates_left(struct estimates *e, uint64_t sent, bool arrived)
{
	depth_survival_left(e->survival, sent, arrived);
}

bool estimates_pair(struct estimates *e, uint64_t sent, uint64_t arrived, bool certain)
{
	uint64_t lag = arrived > sent ? arrived - sent : 0;
	bool guess;

	e->matched++;
	depth_bound_arrived(&e->bound);
	depth_count_arrived(&e->count);
	e->certain += ((certain ? 1 : 0) - e->certain) * CERTAIN_WEIGHT;
	if (certain) {
		lag_distribution_certain(e->lags, arrived, lag);
		lag_per_pair_certain(&e->lag_per_pair, arrived, lag);
	} else {
		lag_per_pair_guessed(&e->lag_per_pair, arrived, lag, counts(e));
	}
	guess = !certain && !tells(e, arrived);
	matchclock_match(&e->clock, arrived, certain ? sent : 0);
	return guess;
}

void estimates_observe(struct estimates *e, struct repeated_keys *keys, const struct repeated_key *key,
		       uint64_t now)
{
	if (lag_distribution_wants_ambiguous(e->lags, now) && repeated_keys_worth_observing(keys, key, now))
		repeated_key_observe(key, now, lag_distribution_ambiguous(e->lags, now));
}

/*
 * As the queue's depth implies it, where that is the best witness; else the median. Where no certain pair
 * tells how the lags are spread, one drawn from their distribution: a median for each would make a crowd of
 * medians.
 */
uint64_t estimates_likely_lag(struct estimates *e, uint64_t now)
{
	uint64_t lag = 0;

	update_lags(e, now);
	if (counts(e))
		lag = lag_from_depth_lag(&e->lag_from_depth, now, e->matched);
	if (lag)
		return lag;
	if (!scarce(e) || lag_per_pair_near(&e->lag_per_pair, now))
		return lag_distribution_median(e->lags);
	lag = lag_distribution_quantile(e->lags, fmod((double)++e->draws * GOLDEN, 1));
	if (depth_count_known(&e->count) && lag > LAG_FROM_DEPTH_MIN_NS)
		return LAG_FROM_DEPTH_MIN_NS; /* the search is late to notice the end */
	return lag;
}

uint64_t estimates_median_lag(const struct estimates *e)
{
	return lag_distribution_median(e->lags);
}

/* ------------------------------------------------------------------------------------------ age */

bool estimates_decided(const struct estimates *e, uint64_t sent)
{
	return e->clock.steady > sent + 2 * lag_distribution_longest(e->lags);
}

bool estimates_past(const struct estimates *e, uint64_t sent, uint64_t now, uint64_t horizon)
{
	uint64_t longest = 2 * lag_distribution_longest(e->lags);
	uint64_t age = now > sent ? now - sent : 0;

	if (e->clock.last)
		age = matchclock_age(&e->clock, sent);
	return age > (longest > horizon ? longest : horizon);
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

double estimates_young(const struct estimates *e, uint64_t now, uint64_t since)
{
	uint64_t span = lag_distribution_longest(e->lags) * 3 / 2 + LATE_NS;

	return depth_survival_waiting(e->survival, later(since, now > span ? now - span : 0));
}

double estimates_ahead(const struct estimates *e, uint64_t since)
{
	uint64_t span = 2 * lag_distribution_longest(e->lags) + LATE_NS;

	return depth_survival_waiting(e->survival,
				      later(since, e->clock.steady > span ? e->clock.steady - span : 0));
}

void estimates_reset(struct estimates *e)
{
	depth_survival_reset(e->survival);
	e->count = (struct depth_count){0};
	e->bound.room = INFINITY;
}

/* ------------------------------------------------------------------------------------------ depth */

/*
 * Nothing has arrived for longer than anything takes: either the mirror stands still, or nothing was left.
 * The less likely it is that `expected` statements were all dropped, the more a standstill explains the
 * silence.
 */
static double after_silence(const struct estimates *e, uint64_t now, double expected)
{
	uint64_t silence = now > e->clock.last ? now - e->clock.last : 0;
	double none;

	if (silence < SILENCE_MIN_NS + 3 * lag_distribution_longest(e->lags) ||
	    depth_survival_share(e->survival) > DEPTH_SURVIVAL_ALL)
		return expected;
	none = exp(-expected);
	return expected * STANDSTILL / (STANDSTILL + none);
}

/* Where nearly everything arrives, what has not arrived is late, however long ago the last match was. */
static uint64_t judged_at(const struct estimates *e, uint64_t now)
{
	bool all = depth_survival_share(e->survival) > DEPTH_SURVIVAL_ALL;

	return all ? e->clock.steady : matchclock_steady(&e->clock, now);
}

/* What waits cannot be judged while lags are not known: r is then left as it was. */
static void learn(struct estimates *e)
{
	if (!counts(e) || settled(e))
		depth_survival_learn(e->survival, e->lags, e->clock.steady);
}

static double survivors(struct estimates *e, uint64_t now)
{
	double sum;

	update_lags(e, now);
	learn(e);
	sum = depth_survival_estimate(e->survival, e->lags, &e->entries->pending,
				      &e->entries->waiting[MATCH_PRIMARY], judged_at(e, now));
	return fmin(after_silence(e, now, sum), depth_bound_now(&e->bound, now));
}

void estimates_tick(struct estimates *e, uint64_t now, uint32_t deferred)
{
	lag_per_pair_tick(&e->lag_per_pair, now);
	if (e->clock.last)
		depth_count_tick(&e->count, now, survivors(e, now), depth_bound_now(&e->bound, now),
				 settled(e));
	if (scarce(e))
		lag_from_depth_tick(&e->lag_from_depth, now, e->matched, estimates_depth(e, now, deferred));
	learn(e);
}

double estimates_depth(struct estimates *e, uint64_t now, uint32_t deferred)
{
	double sum;

	if (!e->clock.last)
		return NAN;
	sum = survivors(e, now);
	if (counts(e))
		sum = fmin(e->count.depth, depth_bound_now(&e->bound, now));
	return fmax(sum - deferred, 0);
}

double estimates_share(const struct estimates *e)
{
	return e->clock.last ? depth_survival_share(e->survival) : NAN;
}

uint64_t estimates_oldest(struct estimates *e, uint64_t now)
{
	uint64_t sent;

	if (!e->clock.last)
		return 0;
	if (counts(e))
		return lag_from_depth_lag(&e->lag_from_depth, now, e->matched + 1);
	sent = depth_survival_oldest(e->survival, e->lags, &e->entries->pending,
				     &e->entries->waiting[MATCH_PRIMARY], judged_at(e, now));
	return sent && now > sent ? now - sent : 0;
}
