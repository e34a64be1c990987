/* SPDX-License-Identifier: MIT */
#include "serve/openmetrics.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "serve/process.h"
#include "verdict/quantile.h"

enum scope { SCOPE_CLUSTER, SCOPE_TARGET, SCOPE_OBSERVER };
enum kind { KIND_counter, KIND_gauge, KIND_timestamp, KIND_seconds, KIND_histogram, KIND_ratio };

/* One line of counters.def. */
struct row {
	enum scope scope;
	size_t offset;     /* in stats_cluster, stats_target or stats_observer */
	const char *label; /* "" = one series */
	const char *const *values;
	size_t value_count;
	const char *name;
	enum kind kind;
	const char *help;
};

#define VALUE_NAME(value) #value,
#define VALUES(SET)       static const char *const values_##SET[] = {LABELS_##SET(VALUE_NAME)}
VALUES(NONE);
VALUES(STATUS);
VALUES(ERROR_TYPE);
VALUES(STATE);
VALUES(RESULT);
VALUES(LOSS);
VALUES(UNMATCHED);
VALUES(DIVERGENCE);
VALUES(COMPARABLE);
VALUES(DIRECTION);
VALUES(KIND);
VALUES(TABLE);

#define ROW(scope, type_of, field, SET, label, name, type, help) \
	{scope,                                                  \
	 offsetof(struct type_of, field),                        \
	 #label,                                                 \
	 values_##SET,                                           \
	 sizeof(values_##SET) / sizeof(char *),                  \
	 name,                                                   \
	 KIND_##type,                                            \
	 help},
#define CLUSTER(field, SET, label, name, type, help) \
	ROW(SCOPE_CLUSTER, stats_cluster, field, SET, label, name, type, help)
#define TARGET(field, SET, label, name, type, help) \
	ROW(SCOPE_TARGET, stats_target, field, SET, label, name, type, help)
#define OBSERVER(field, SET, label, name, type, help) \
	ROW(SCOPE_OBSERVER, stats_observer, field, SET, label, name, type, help)
static const struct row rows[] = {
#include "stats/counters.def"
};
#undef CLUSTER
#undef TARGET
#undef OBSERVER

#define ROWS (sizeof(rows) / sizeof(rows[0]))

struct openmetrics {
	struct openmetrics_options options;
	struct {
		struct exposition_source source;
		bool cluster_scoped;
	} sources[OPENMETRICS_SOURCES];
	size_t source_count;
};

int openmetrics_new(struct openmetrics **out, const struct openmetrics_options *options)
{
	struct openmetrics *o = calloc(1, sizeof(*o));

	if (!o)
		return -ENOMEM;
	o->options = *options;
	*out = o;
	return 0;
}

void openmetrics_free(struct openmetrics **openmetrics)
{
	free(*openmetrics);
	*openmetrics = NULL;
}

int openmetrics_add(struct openmetrics *o, struct exposition_source source, bool cluster_scoped)
{
	if (o->source_count == OPENMETRICS_SOURCES)
		return -ENOSPC;
	o->sources[o->source_count].source = source;
	o->sources[o->source_count++].cluster_scoped = cluster_scoped;
	return 0;
}

double openmetrics_success_rate(const struct stats_cluster *cluster)
{
	double success = cluster->requests.success, failure = cluster->requests.failure;

	return success + failure > 0 ? 100 * success / (success + failure) : NAN;
}

/* ---------------------------------------------------------------------------------- families of counters.def
 */

/* labels: those before the row's own; a NULL name ends them. base: the struct of the row's scope. */
static void write_cells(struct exposition *x, const struct row *row, const struct exposition_label *labels,
			const void *base)
{
	struct exposition_label all[4] = {{NULL, NULL}};
	const uint64_t *cells = (const uint64_t *)((const char *)base + row->offset);
	size_t n = 0;

	for (; labels[n].name; n++)
		all[n] = labels[n];
	for (size_t i = 0; i < row->value_count; i++) {
		all[n] = (struct exposition_label){*row->label ? row->label : NULL, row->values[i]};
		all[n + 1].name = NULL;
		if (row->kind == KIND_timestamp || row->kind == KIND_seconds)
			exposition_decimal(x, all, cells[i], 6);
		else
			exposition_integer(x, all, cells[i]);
	}
}

static void write_histogram(struct exposition *x, const struct row *row,
			    const struct exposition_label *labels, const void *base)
{
	const struct stats_histogram *h = (const void *)((const char *)base + row->offset);
	uint64_t bounds[STATS_BUCKET_COUNT];

	for (size_t i = 0; i < STATS_BUCKET_COUNT; i++)
		bounds[i] = stats_bucket_bound(i);
	exposition_histogram(x, labels, bounds, (const uint64_t *)&h->buckets, STATS_BUCKET_COUNT, h->sum_us);
}

static bool is_1_2_5(uint64_t bound)
{
	while (bound % 10 == 0)
		bound /= 10;
	return bound == 1 || bound == 2 || bound == 5;
}

/* The map's buckets are finer than those shown; parts per million become a quotient as microseconds seconds.
 */
static void write_ratio(struct exposition *x, const struct row *row, const struct exposition_label *labels,
			const void *base)
{
	const struct stats_ratio *ratio = (const void *)((const char *)base + row->offset);
	uint64_t bounds[STATS_RATIO_BUCKET_COUNT], counts[STATS_RATIO_BUCKET_COUNT + 1], count = 0;
	size_t shown = 0;

	for (unsigned int i = 0; i < STATS_RATIO_BUCKET_COUNT; i++) {
		count += ratio->buckets[i];
		if (!is_1_2_5(ratio_bound_ppm(i)))
			continue;
		bounds[shown] = ratio_bound_ppm(i);
		counts[shown++] = count;
		count = 0;
	}
	counts[shown] = count + ratio->buckets[STATS_RATIO_BUCKET_COUNT];
	exposition_histogram(x, labels, bounds, counts, shown, ratio->sum_ppm);
}

static void write_series(struct exposition *x, const struct row *row, const struct exposition_label *labels,
			 const void *base)
{
	if (row->kind == KIND_histogram)
		write_histogram(x, row, labels, base);
	else if (row->kind == KIND_ratio)
		write_ratio(x, row, labels, base);
	else
		write_cells(x, row, labels, base);
}

static void begin_row(struct exposition *x, const struct row *row)
{
	static const enum exposition_type types[] = {
	    [KIND_counter] = EXPOSITION_COUNTER, [KIND_gauge] = EXPOSITION_GAUGE,
	    [KIND_timestamp] = EXPOSITION_GAUGE, [KIND_histogram] = EXPOSITION_HISTOGRAM,
	    [KIND_ratio] = EXPOSITION_HISTOGRAM, [KIND_seconds] = EXPOSITION_COUNTER,
	};

	exposition_family(x, row->name, types[row->kind], row->help);
}

static const struct stats_cluster *next_cluster(const struct stats *stats, uint32_t *i)
{
	uint32_t count;
	const struct stats_cluster *clusters = stats_elements(stats, &count);

	while (*i < count)
		if (*clusters[(*i)++].name)
			return &clusters[*i - 1];
	return NULL;
}

#define FOR_EACH_CLUSTER(c, stats) for (uint32_t next_ = 0; ((c) = next_cluster(stats, &next_)) != NULL;)

static void write_row(struct exposition *x, const struct row *row, const struct stats *stats)
{
	const struct stats_cluster *c;

	begin_row(x, row);
	FOR_EACH_CLUSTER(c, stats)
	{
		if (row->scope == SCOPE_CLUSTER) {
			write_series(x, row, LABELS({"cluster", c->name}), c);
			continue;
		}
		write_series(x, row, LABELS({"cluster", c->name}, {"target", "primary"}), &c->primary);
		write_series(x, row, LABELS({"cluster", c->name}, {"target", "mirror"}), &c->mirror);
	}
}

/* ------------------------------------------------------------------------------- computed and dynamic
 * families */

static void write_success_rate(struct exposition *x, const struct stats *stats)
{
	const struct stats_cluster *c;

	exposition_family(
	    x, "pgdog_mirror_success_rate", EXPOSITION_GAUGE,
	    "Percent of the mirror's requests that succeeded, of those that succeeded or failed");
	FOR_EACH_CLUSTER(c, stats)
	exposition_double(x, LABELS({"cluster", c->name}), openmetrics_success_rate(c));
}

static void write_sqlstates(struct exposition *x, const char *cluster, const char *target,
			    const struct stats_sqlstates *errors)
{
	for (size_t i = 0; i < STATS_SQLSTATES && *errors->known[i].sqlstate; i++)
		exposition_integer(
		    x,
		    LABELS({"cluster", cluster}, {"target", target}, {"sqlstate", errors->known[i].sqlstate}),
		    errors->known[i].count);
	exposition_integer(x, LABELS({"cluster", cluster}, {"target", target}, {"sqlstate", "other"}),
			   errors->other);
}

static void write_errors(struct exposition *x, const struct stats *stats)
{
	const struct stats_cluster *c;

	exposition_family(x, "pgdog_mirror_errors", EXPOSITION_COUNTER,
			  "ErrorResponses of the backend by SQLSTATE; past the table's bound as other");
	FOR_EACH_CLUSTER(c, stats)
	{
		write_sqlstates(x, c->name, "primary", &c->primary.errors);
		write_sqlstates(x, c->name, "mirror", &c->mirror.errors);
	}
}

static void write_clusters(struct exposition *x, const struct stats *stats)
{
	for (size_t i = 0; i < ROWS; i++)
		if (rows[i].scope != SCOPE_OBSERVER)
			write_row(x, &rows[i], stats);
	write_success_rate(x, stats);
	write_errors(x, stats);
}

/* ---------------------------------------------------------------------------------------- the observer's own
 */

static void write_observer(struct exposition *x, const struct openmetrics_options *options)
{
	const struct stats_observer *observer = stats_observer((struct stats *)options->stats);
	const char *mode = options->attach_mode ? options->attach_mode(options->ctx) : NULL;

	for (size_t i = 0; i < ROWS; i++)
		if (rows[i].scope == SCOPE_OBSERVER) {
			begin_row(x, &rows[i]);
			write_series(x, &rows[i], NO_LABELS, observer);
		}
	exposition_family(x, "mirror_observer_build_info", EXPOSITION_GAUGE,
			  "Version of the observer; the value is always 1");
	exposition_integer(x, LABELS({"version", options->version}), 1);
	exposition_family(x, "mirror_observer_attach_mode", EXPOSITION_GAUGE,
			  "How the BPF programs are attached; the value is always 1");
	exposition_integer(x, LABELS({"mode", mode ? mode : "none"}), 1);
}

void openmetrics_render(struct openmetrics *o, enum exposition_format format, struct buffer *out)
{
	uint64_t start = clock_ns();
	struct exposition x;

	if (o->options.refresh)
		o->options.refresh(o->options.ctx);
	exposition_begin(&x, out, format);
	if (!o->options.observer_only)
		write_clusters(&x, o->options.stats);
	for (size_t i = 0; i < o->source_count; i++)
		if (!o->sources[i].cluster_scoped || !o->options.observer_only)
			o->sources[i].source.write(o->sources[i].source.ctx, &x);
	write_observer(&x, &o->options);
	process_write(&x);
	exposition_family(&x, "mirror_observer_scrape_duration_seconds", EXPOSITION_GAUGE,
			  "Time that this scrape took to render");
	exposition_decimal(&x, NO_LABELS, clock_ns() - start, 9);
	exposition_end(&x);
}
