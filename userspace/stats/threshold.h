/* SPDX-License-Identifier: MIT */
/*
 * threshold - whether a cluster's share of failed requests over the window is above
 * `mirror_failure_threshold`, and one report per crossing.
 *
 * Owns one window per cluster, in memory only: after a restart there is no data until requests come. Times
 * are CLOCK_MONOTONIC microseconds, passed in.
 */
#ifndef MO_THRESHOLD_H
#define MO_THRESHOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct threshold;

/* A cluster went above the threshold, or came back from there (also by running out of data). */
struct threshold_crossing {
	const char *cluster;
	bool exceeded;
	uint64_t success, failure; /* over the window */
	double percent;            /* the threshold */
	uint64_t window_us;
};
typedef void threshold_report(void *ctx, const struct threshold_crossing *crossing);

/* report may be NULL. threshold_log() is the usual one. */
int threshold_new(struct threshold **out, threshold_report *report, void *ctx);
void threshold_free(struct threshold **threshold);
/* One log line; ctx is not used. */
void threshold_log(void *ctx, const struct threshold_crossing *crossing);

/* At start and on reload. percent NaN = no threshold. Clusters that stay keep their window unless window_us
 * changed. 0 or -ENOMEM (then nothing changed). */
int threshold_configure(struct threshold *threshold, const char *const *names, size_t count, double percent,
			uint64_t window_us);
/* That name now stands for another cluster: its window is emptied. */
void threshold_forget(struct threshold *threshold, const char *cluster);
/* A request of the mirror ended; unknown outcomes are not counted. Unknown clusters are ignored. */
void threshold_request(struct threshold *threshold, const char *cluster, bool success, uint64_t now_us);
/* Evaluates all clusters and reports crossings; once a second is enough. */
void threshold_tick(struct threshold *threshold, uint64_t now_us);

size_t threshold_count(const struct threshold *threshold);
/* The i-th cluster's name, and 1 while it is above the threshold, 0 below, NaN without data or threshold; at
 * CLOCK_MONOTONIC. Reports crossings too, so that no scrape shows one that the log does not. */
double threshold_exceeded(struct threshold *threshold, size_t i, const char **cluster);

#endif
