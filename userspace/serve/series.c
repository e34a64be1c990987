/* SPDX-License-Identifier: MIT */
#include "serve/series.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "verdict/quantile.h"

const struct series_info series_infos[SERIES_COUNT] = {
#define SERIES(name, unit, plot, title) {#name, unit, plot, title},
#include "serve/series.def"
#undef SERIES
};

static const struct {
	unsigned int step, points;
} tiers[SERIES_TIER_COUNT] = {
#define SERIES_TIER(step, points) {step, points},
    SERIES_TIERS(SERIES_TIER)
#undef SERIES_TIER
};

#define ADD_POINTS(step, points) +points
#define POINTS_IN_ALL            (SERIES_TIERS(ADD_POINTS))

struct point {
	float values[SERIES_COUNT];
};

/* What is saved: points of all tiers, one after the other, and how far each has come. */
struct points {
	uint64_t newest[SERIES_TIER_COUNT]; /* number of the newest complete point since 1970; 0 = none */
	struct point points[POINTS_IN_ALL];
};

/* Where the counters stood when the point under way began. */
struct base {
	uint64_t number; /* of that point; 0 = none */
	double lost_bytes;
	struct stats_cluster stats;
};

struct series {
	struct points kept;
	struct base bases[SERIES_TIER_COUNT];
};

int series_new(struct series **out)
{
	struct series *series = calloc(1, sizeof(*series));

	*out = series;
	return series ? 0 : -ENOMEM;
}

void series_free(struct series **series)
{
	free(*series);
	*series = NULL;
}

unsigned int series_step(int tier)
{
	return tiers[tier].step;
}

unsigned int series_points(int tier)
{
	return tiers[tier].points;
}

size_t series_bytes(void)
{
	return sizeof(struct series);
}

static size_t offset_of(int tier)
{
	size_t offset = 0;

	for (int i = 0; i < tier; i++)
		offset += tiers[i].points;
	return offset;
}

static const struct point *point_at(const struct series *series, int tier, uint64_t number)
{
	return &series->kept.points[offset_of(tier) + number % tiers[tier].points];
}

/* ------------------------------------------------------------------------------------------- one point */

/* A counter that stands lower than before began anew (a reset of the map): it grew by nothing that we know.
 */
static double grown(uint64_t now, uint64_t before)
{
	return now > before ? (double)(now - before) : 0;
}

static struct stats_histogram histogram_growth(const struct stats_histogram *now,
					       const struct stats_histogram *then)
{
	struct stats_histogram delta = {.count = now->count - then->count};

	if (now->count < then->count)
		return (struct stats_histogram){0};
	for (size_t i = 0; i <= STATS_BUCKET_COUNT; i++)
		*stats_cell(&delta.buckets, i) =
		    ((const __u64 *)&now->buckets)[i] - ((const __u64 *)&then->buckets)[i];
	return delta;
}

static void set_quantiles(struct point *point, enum series_id first, const struct stats_histogram *now,
			  const struct stats_histogram *then)
{
	static const double quantiles[] = {0.5, 0.95, 0.99};
	struct stats_histogram delta = histogram_growth(now, then);

	for (int i = 0; i < 3; i++)
		point->values[first + i] = quantile_of_histogram(&delta, quantiles[i]) / 1e6;
}

static double answered(const struct stats_STATUS *now, const struct stats_STATUS *then)
{
	return grown(now->success, then->success) + grown(now->failure, then->failure) +
	       grown(now->unknown, then->unknown);
}

static double open_connections(const struct stats_STATE *state)
{
	return (double)state->plain + state->encrypted + state->resyncing;
}

static void set_requests(struct point *point, const struct stats_cluster *now,
			 const struct stats_cluster *then, double seconds)
{
	double unknown = grown(now->requests.unknown, then->requests.unknown);
	double known = grown(now->requests.success, then->requests.success) +
		       grown(now->requests.failure, then->requests.failure);

	point->values[SERIES_success] = grown(now->requests.success, then->requests.success) / seconds;
	point->values[SERIES_unknown] = unknown / seconds;
	point->values[SERIES_connection_failures] =
	    grown(now->failures.connection, then->failures.connection) / seconds;
	point->values[SERIES_timeout_failures] =
	    grown(now->failures.timeout, then->failures.timeout) / seconds;
	point->values[SERIES_query_failures] =
	    grown(now->failures.query_execution, then->failures.query_execution) / seconds;
	point->values[SERIES_coverage] = known + unknown > 0 ? 100 * known / (known + unknown) : NAN;
}

static void fill(struct point *point, const struct base *base, const struct series_input *in, double seconds)
{
	const struct stats_cluster *now = in->stats, *then = &base->stats;

	set_requests(point, now, then, seconds);
	point->values[SERIES_primary_statements] =
	    answered(&now->primary.statements, &then->primary.statements) / seconds;
	point->values[SERIES_mirror_statements] =
	    answered(&now->mirror.statements, &then->mirror.statements) / seconds;
	point->values[SERIES_queue_depth] = in->queue_depth;
	set_quantiles(point, SERIES_lag_p50, &now->lag, &then->lag);
	set_quantiles(point, SERIES_primary_p50, &now->primary.duration, &then->primary.duration);
	set_quantiles(point, SERIES_mirror_p50, &now->mirror.duration, &then->mirror.duration);
	point->values[SERIES_lost_bytes] =
	    in->lost_bytes > base->lost_bytes ? (in->lost_bytes - base->lost_bytes) / seconds : 0;
	point->values[SERIES_primary_connections] = open_connections(&now->primary.connections);
	point->values[SERIES_mirror_connections] = open_connections(&now->mirror.connections);
	point->values[SERIES_verdict] = in->verdict == VERDICT_READY       ? 1
					: in->verdict == VERDICT_NOT_READY ? 0
									   : 2;
}

/* --------------------------------------------------------------------------------------------- in time */

static void begin(struct base *base, uint64_t number, const struct series_input *in)
{
	base->number = number;
	base->lost_bytes = in->lost_bytes;
	base->stats = *in->stats;
}

static void forget(struct series *series, int tier, uint64_t number)
{
	struct point *point = (struct point *)point_at(series, tier, number);

	for (int i = 0; i < SERIES_COUNT; i++)
		point->values[i] = NAN;
}

/* The points between the newest and this one saw nothing: their places hold what is older. */
static void skip_to(struct series *series, int tier, uint64_t number)
{
	uint64_t *newest = &series->kept.newest[tier];

	if (*newest >= number || number - *newest > tiers[tier].points)
		*newest = number > tiers[tier].points ? number - tiers[tier].points : 0;
	while (*newest < number)
		forget(series, tier, ++*newest);
}

static void tick_tier(struct series *series, int tier, uint64_t now_s, const struct series_input *in)
{
	struct base *base = &series->bases[tier];
	unsigned int step = tiers[tier].step;
	uint64_t number = now_s / step;

	if (number == base->number)
		return;
	if (number == base->number + 1) { /* observed from its beginning to its end */
		skip_to(series, tier, number);
		fill((struct point *)point_at(series, tier, number), base, in, step);
	}
	begin(base, number, in);
}

void series_tick(struct series *series, uint64_t now_s, const struct series_input *input)
{
	for (int tier = 0; tier < SERIES_TIER_COUNT; tier++)
		tick_tier(series, tier, now_s, input);
}

uint64_t series_end(const struct series *series, int tier)
{
	return series->kept.newest[tier] * tiers[tier].step;
}

float series_value(const struct series *series, int tier, enum series_id id, uint64_t end_s)
{
	uint64_t number = end_s / tiers[tier].step, newest = series->kept.newest[tier];

	if (number > newest || newest - number >= tiers[tier].points)
		return NAN;
	return point_at(series, tier, number)->values[id];
}

/* ------------------------------------------------------------------------------------------- in a file */

size_t series_saved_bytes(void)
{
	return sizeof(struct points);
}

void series_save(const struct series *series, struct buffer *out)
{
	buffer_append(out, &series->kept, sizeof(series->kept));
}

int series_restore(struct series *series, const void *data, size_t len)
{
	if (len != sizeof(series->kept))
		return -EINVAL;
	memcpy(&series->kept, data, len);
	return 0;
}

uint64_t series_layout(void)
{
	static const char names[] =
#define SERIES(name, unit, plot, title) #name "/" unit ";"
#include "serve/series.def"
#undef SERIES
#define SERIES_TIER(step, points) #step "x" #points ";"
	    SERIES_TIERS(SERIES_TIER)
#undef SERIES_TIER
	    ;

	return XXH3_64bits(names, sizeof(names));
}
