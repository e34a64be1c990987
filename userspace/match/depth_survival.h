/* SPDX-License-Identifier: MIT */
/*
 * depth_survival - how many statements are on their way to the mirror: the survival estimator.
 *
 * Each statement sent to the primary reaches the mirror with probability r (sampling, overflow), then after a
 * lag of distribution F. One that still waits at age a arrives yet with probability r(1-F(a))/(1-rF(a)); the
 * depth is the sum over those that wait. a is the age at the last match, so that it grows, and nothing is
 * given up, while the mirror stands still.
 *
 * The newest few thousand are summed one by one, the older ones by slices of time, so the cost of a call is
 * bounded. r is learned from slices that are old enough to be decided.
 */
#ifndef MO_DEPTH_SURVIVAL_H
#define MO_DEPTH_SURVIVAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "match/lag_distribution.h"
#include "match/pending.h"

#define DEPTH_SURVIVAL_SLICES 16384
#define DEPTH_SURVIVAL_ALL    0.98 /* a share from which on nothing is dropped or left out as a rule */

struct depth_survival_slice {
	uint32_t sent;    /* to the primary in this slice of time */
	uint32_t waiting; /* of those */
};

struct depth_survival {
	struct depth_survival_slice slice[DEPTH_SURVIVAL_SLICES];
	uint64_t width;              /* of a slice, ns */
	uint64_t newest;             /* number of the newest slice; 0 before the first */
	uint64_t decided;            /* slices below this number have gone into r */
	double sent, arrived, total; /* decaying sums behind r, and how many went into them ever */
};

/* span_ns: the longest age that must be told apart. Returns 0 or -ENOMEM. */
int depth_survival_new(struct depth_survival **out, uint64_t span_ns);
void depth_survival_free(struct depth_survival **survival);
size_t depth_survival_bytes(void);

void depth_survival_sent(struct depth_survival *survival, uint64_t time);
/* A statement sent at `time` waits no longer. arrived: it found its twin; or else it was given up, and
 * r does not hear of it unless it already has. */
void depth_survival_left(struct depth_survival *survival, uint64_t time, bool arrived);

/* Those that wait of what was sent at `since` or later; exact to a slice. */
double depth_survival_waiting(const struct depth_survival *survival, uint64_t since);
/* r is learned anew, from what is sent from now on. */
void depth_survival_reset(struct depth_survival *survival);

/* Lets what is well older than the longest lag at the last match go into r: a growing backlog is no loss. */
void depth_survival_learn(struct depth_survival *survival, const struct lag_distribution *dist,
			  uint64_t last_match);
/* r; 1 while too little is decided. */
double depth_survival_share(const struct depth_survival *survival);
/* The sum; list is of those that wait, by age. Never negative, not capped. */
double depth_survival_estimate(const struct depth_survival *survival, const struct lag_distribution *dist,
			       const struct pending *pending, const struct age_list *list,
			       uint64_t last_match);
/* When the oldest was sent that is at least as likely as not to arrive yet; 0 when there is none. */
uint64_t depth_survival_oldest(const struct depth_survival *survival, const struct lag_distribution *dist,
			       const struct pending *pending, const struct age_list *list,
			       uint64_t last_match);

#endif
