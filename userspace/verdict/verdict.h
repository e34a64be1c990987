/* SPDX-License-Identifier: MIT */
/*
 * verdict - keeps the readiness of one cluster: history of its counters, figures of the matcher, the verdict
 * of readiness.h.
 *
 * Evaluated when asked for, from what is there at that moment; bounded by its history.
 */
#ifndef MO_VERDICT_H
#define MO_VERDICT_H

#include <stdint.h>

#include "stats/stats.h"
#include "verdict/history.h"
#include "verdict/readiness.h"
#include "verdict/twins.h"

struct verdict_state;

/* 0 or -ENOMEM. stats and twins must outlive it. stats may be NULL until verdict_begin. */
int verdict_new(struct verdict_state **out, const struct readiness_settings *settings,
		const struct stats_cluster *stats, struct twins *twins);
/* From which counters it judges; what they are now is where it begins. */
void verdict_begin(struct verdict_state *state, const struct stats_cluster *stats);
void verdict_free(struct verdict_state **state);
/* After a reload. A window of another length starts anew. */
void verdict_configure(struct verdict_state *state, const struct readiness_settings *settings,
		       double exposure);

/* What concerns all clusters and may be this one's. */
struct verdict_surroundings {
	struct history_losses losses;
	uint64_t unclassified; /* open connections of which the cluster is not known */
};

/* About once a second, or more often. */
void verdict_tick(struct verdict_state *state, uint64_t now_ns, const struct verdict_surroundings *around);
/* Forgets what was observed: `mirror-observer reset`. */
void verdict_reset(struct verdict_state *state);
void verdict_evaluate(struct verdict_state *state, uint64_t now_ns, const struct verdict_surroundings *around,
		      struct readiness *out);

#endif
