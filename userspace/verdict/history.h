/* SPDX-License-Identifier: MIT */
/*
 * history - what the counters of one cluster grew by over the readiness window.
 *
 * Keeps HISTORY_SLOTS copies of the counters, evenly spaced over the window, so that a figure "over the last
 * hour" is the difference of two copies: exact to window/HISTORY_SLOTS, bounded in memory, and free of any
 * second way to count. Starts empty with the process (pinned counters of before do not count as observed), at
 * a reset, and when a counter has fallen: somebody else has written the map, and what was copied before is
 * of another count. So no difference is ever below 0.
 */
#ifndef MO_HISTORY_H
#define MO_HISTORY_H

#include <stdint.h>

#include "stats/stats_layout.h"

#define HISTORY_SLOTS 60

struct history;

/* Returns 0 or -ENOMEM. Times are CLOCK_MONOTONIC ns. */
int history_new(struct history **out, uint64_t window_us);
void history_free(struct history **history);

/* What is lost concerns all clusters; counted since the daemon's map began. */
struct history_losses {
	uint64_t bytes;
	uint64_t records;               /* of opened, failed and closed connections */
	uint64_t unclassified_failures; /* failed connects of which the cluster is not known */
};

/* Call about once a second with the counters as they are; takes a copy when the next one is due.
 * unclassified: open connections of which the cluster is not known. */
void history_tick(struct history *history, uint64_t now_ns, const struct stats_cluster *stats,
		  const struct history_losses *losses, double unclassified, double queue_depth);
/* Starts anew from here. */
void history_reset(struct history *history);
/* ... with a window of another length. */
void history_resize(struct history *history, uint64_t window_us);

struct history_figures {
	double observed_s;
	struct stats_cluster delta;   /* counters: growth; gauges and timestamps: as they are now */
	struct history_losses losses; /* within the window */
	double encrypted;    /* the most encrypted connections at once, both sides, also between two copies */
	double unclassified; /* the same of those whose cluster is not known */
	double queue_growth; /* fitted slope of the depth samples x observed time; NaN with fewer than 3
				samples */
};

void history_figures(const struct history *history, uint64_t now_ns, const struct stats_cluster *stats,
		     const struct history_losses *losses, struct history_figures *out);

#endif
