/* SPDX-License-Identifier: MIT */
/*
 * estimates - what the pairs of match tell of the mirror as a whole: how late it is, how many statements are
 * on their way, which share arrives at all. Puts together the estimators, each of which says in its header
 * what it is good for and where it fails, and decides which of them is to be believed:
 *
 *   - Lags come from certain pairs, or else from a search (lag_distribution.h); where neither tells and the
 *     depth is counted, from the depth (lag_from_depth.h).
 *   - The depth is the survival of what waits (depth_survival.h), or a count where statements cannot be told
 *     apart (depth_count.h); never more than the proxy's queues hold (depth_bound.h).
 *
 * Times are CLOCK_MONOTONIC nanoseconds, ages are judged by matchclock.h.
 */
#ifndef MO_ESTIMATES_H
#define MO_ESTIMATES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "match/depth_bound.h"
#include "match/depth_count.h"
#include "match/depth_survival.h"
#include "match/entries.h"
#include "match/lag_distribution.h"
#include "match/lag_from_depth.h"
#include "match/lag_per_pair.h"
#include "match/matchclock.h"
#include "match/repeated_keys.h"

struct estimates {
	const struct entries *entries; /* what waits; match's */
	struct lag_distribution *lags;
	struct lag_from_depth lag_from_depth;
	struct lag_per_pair lag_per_pair;
	struct depth_survival *survival;
	struct depth_count count;
	struct depth_bound bound;
	struct matchclock clock;
	uint64_t matched; /* pairs found */
	uint64_t draws;   /* from the lags' distribution */
	double certain;   /* share of certain ones among the pairs */
};

/* span_ns: the longest age that must be told apart. Returns 0 or -ENOMEM; zeroed storage is given. */
int estimates_init(struct estimates *estimates, const struct entries *entries, uint64_t span_ns,
		   uint32_t queue_limit);
void estimates_done(struct estimates *estimates);
size_t estimates_bytes(void);

/* A statement was sent to the primary; first: of its request. */
void estimates_sent(struct estimates *estimates, uint64_t sent_ns, bool first);
/* A statement of the primary waits no longer. arrived: its twin was found. */
void estimates_left(struct estimates *estimates, uint64_t sent_ns, bool arrived);
/* A pair was found. Returns whether its lag is a mere guess, and the depth with it. */
bool estimates_pair(struct estimates *estimates, uint64_t sent_ns, uint64_t arrived_ns, bool certain);
/* A statement of the mirror has several candidates: all times at which its key was sent are an observation.
 */
void estimates_observe(struct estimates *estimates, struct repeated_keys *keys,
		       const struct repeated_key *key, uint64_t now_ns);
/* The lag that a statement is likely to have which arrives now and has several candidates. */
uint64_t estimates_likely_lag(struct estimates *estimates, uint64_t now_ns);

/* Whether others that were sent when this one was arrived long ago. */
bool estimates_decided(const struct estimates *estimates, uint64_t sent_ns);
/* Whether it is older, by the clock of matches, than `horizon` and than anything that still arrives. */
bool estimates_past(const struct estimates *estimates, uint64_t sent_ns, uint64_t now_ns,
		    uint64_t horizon_ns);

/* Forgets what was learned of the share that is mirrored. */
void estimates_reset(struct estimates *estimates);
/* Of the statements sent after `since` that wait: those younger, by the time that passes, than the lags seen;
 * and those of which none that was sent much later has arrived yet. */
double estimates_young(const struct estimates *estimates, uint64_t now_ns, uint64_t since_ns);
double estimates_ahead(const struct estimates *estimates, uint64_t since_ns);

/* About ten times a second. deferred: statements that have arrived, though they are not paired yet. */
void estimates_tick(struct estimates *estimates, uint64_t now_ns, uint32_t deferred);

/* As match_depth() and so on. */
double estimates_depth(struct estimates *estimates, uint64_t now_ns, uint32_t deferred);
double estimates_share(const struct estimates *estimates);
uint64_t estimates_oldest(struct estimates *estimates, uint64_t now_ns);
uint64_t estimates_median_lag(const struct estimates *estimates);

#endif
