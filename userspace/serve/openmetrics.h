/* SPDX-License-Identifier: MIT */
/*
 * openmetrics - the content of /metrics: every family of counters.def from the statistics, what is computed
 * from them, the observer's own figures, and families that other modules write.
 *
 * One thread counts and renders, so a scrape is one consistent snapshot: success_rate belongs to the counters
 * beside it.
 */
#ifndef MO_OPENMETRICS_H
#define MO_OPENMETRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "serve/exposition.h"
#include "stats/stats.h"

#define OPENMETRICS_SOURCES 16

struct openmetrics_options {
	const struct stats *stats;
	bool observer_only; /* mirror_metrics_enabled: false */
	const char *version;
	/* Name of the attach mode, NULL while nothing is attached. May be NULL itself. */
	const char *(*attach_mode)(void *ctx);
	/* Called first in every rendering: figures that are only brought up to date when looked at. May be
	 * NULL. */
	void (*refresh)(void *ctx);
	void *ctx; /* of these */
};

struct openmetrics;

int openmetrics_new(struct openmetrics **out, const struct openmetrics_options *options);
void openmetrics_free(struct openmetrics **openmetrics);

/* Further families, written in order of registration; cluster_scoped ones are left out with observer_only.
 * -ENOSPC past OPENMETRICS_SOURCES. */
int openmetrics_add(struct openmetrics *openmetrics, struct exposition_source source, bool cluster_scoped);

/* Appends the whole exposition; check out->failed. */
void openmetrics_render(struct openmetrics *openmetrics, enum exposition_format format, struct buffer *out);

/* 100 x success / (success + failure) in percent; NaN before the first of either. */
double openmetrics_success_rate(const struct stats_cluster *cluster);

#endif
