/* SPDX-License-Identifier: MIT */
/*
 * series - the figures of one cluster over time, for plots: 1 s for 5 min, 10 s for 2 h, 60 s for 24 h.
 *
 * Bounded: SERIES_BYTES for each cluster, whatever happens. A rate or a percentile of a point is what the
 * counters of the map grew by within it, so that no second way of counting exists; other figures are as they
 * stood at its end. A point in which nothing was observed is NaN, and so is a percentile without a sample.
 * Times are Unix seconds.
 */
#ifndef MO_SERIES_H
#define MO_SERIES_H

#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "stats/stats.h"
#include "verdict/readiness.h"

enum series_id {
#define SERIES(name, unit, plot, title) SERIES_##name,
#include "serve/series.def"
#undef SERIES
	SERIES_COUNT,
};

struct series_info {
	const char *name, *unit, *plot, *title;
};
extern const struct series_info series_infos[SERIES_COUNT];

/* SERIES_TIER(step in seconds, points) */
#define SERIES_TIERS(SERIES_TIER) SERIES_TIER(1, 300) SERIES_TIER(10, 720) SERIES_TIER(60, 1440)
enum { SERIES_5M, SERIES_2H, SERIES_24H, SERIES_TIER_COUNT };

struct series;

int series_new(struct series **out);
void series_free(struct series **series);

struct series_input {
	const struct stats_cluster *stats; /* as they are now */
	double lost_bytes;                 /* counter, all clusters */
	double queue_depth;                /* NaN = not known */
	enum verdict verdict;
};

/* Once a second, or more often. Time that went by without a call stays NaN; a clock that is set back starts
 * the points that lie ahead anew. */
void series_tick(struct series *series, uint64_t now_s, const struct series_input *input);

unsigned int series_step(int tier);
unsigned int series_points(int tier);
/* The newest complete point ends at this time; 0 while there is none. */
uint64_t series_end(const struct series *series, int tier);
/* The value of the point that ends at end_s; NaN outside of what is kept. */
float series_value(const struct series *series, int tier, enum series_id id, uint64_t end_s);

size_t series_bytes(void);

/* All points, for a file: raw memory of series_saved_bytes() with a layout of this build (series_layout()).
 */
void series_save(const struct series *series, struct buffer *out);
/* 0, or -EINVAL when len is not that of a saved series. */
int series_restore(struct series *series, const void *data, size_t len);
size_t series_saved_bytes(void);
/* Changes whenever a saved series would be read wrongly. */
uint64_t series_layout(void);

#endif
