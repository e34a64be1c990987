/* SPDX-License-Identifier: MIT */
#include "serve/figures.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "serve/json.h"

#define STATEMENTS_MAX 1000

static const char *name_of(const struct clusters *clusters, size_t i)
{
	return clusters_config(clusters, i)->name;
}

/* -------------------------------------------------------------------------------------- metric families */

static double queue_depth(struct clusters *clusters, size_t i)
{
	return match_depth(twins_match(clusters_twins(clusters, i)), clock_ns());
}

static double oldest_seconds(struct clusters *clusters, size_t i)
{
	return match_oldest(twins_match(clusters_twins(clusters, i)), clock_ns()) / 1e9;
}

static double undecided(struct clusters *clusters, size_t i)
{
	struct match_arrivals a;

	match_arrivals(twins_match(clusters_twins(clusters, i)), clock_ns(), &a);
	return a.sent - a.arrived - a.lost - a.evicted - a.young;
}

static double mirrored_share(struct clusters *clusters, size_t i)
{
	return match_share(twins_match(clusters_twins(clusters, i)));
}

static double exposure(struct clusters *clusters, size_t i)
{
	return clusters_config(clusters, i)->exposure;
}

static double match_entries_used(struct clusters *clusters, size_t i)
{
	return match_entries(twins_match(clusters_twins(clusters, i)));
}

static double match_memory(struct clusters *clusters, size_t i)
{
	return match_bytes(twins_match(clusters_twins(clusters, i)));
}

static double statement_classes(struct clusters *clusters, size_t i)
{
	return top_count(twins_top(clusters_twins(clusters, i)));
}

static void each(struct clusters *clusters, struct exposition *x, double (*value)(struct clusters *, size_t))
{
	for (size_t i = 0; i < clusters_count(clusters); i++)
		exposition_double(x, LABELS({"cluster", name_of(clusters, i)}), value(clusters, i));
}

/* What was sent and is not answered; age: of the oldest. */
static void write_unanswered(struct clusters *clusters, struct exposition *x, bool age)
{
	static const char *const targets[MATCH_SIDES] = {"primary", "mirror"};

	for (size_t i = 0; i < clusters_count(clusters); i++)
		for (int side = 0; side < MATCH_SIDES; side++) {
			struct twins_unanswered sum =
			    twins_unanswered(clusters_twins(clusters, i), side, clock_ns());

			exposition_double(
			    x, LABELS({"cluster", name_of(clusters, i)}, {"target", targets[side]}),
			    age ? sum.oldest_ns / 1e9 : (double)sum.statements);
		}
}

static void write_gauges(struct clusters *clusters, struct exposition *x)
{
	exposition_family(x, "pgdog_mirror_queue_depth", EXPOSITION_GAUGE,
			  "Statements on their way from primary to mirror; NaN before the first match");
	each(clusters, x, queue_depth);
	exposition_family(x, "pgdog_mirror_oldest_statement_seconds", EXPOSITION_GAUGE,
			  "Age of the oldest statement that is likely still on its way to the mirror");
	each(clusters, x, oldest_seconds);
	exposition_family(
	    x, "pgdog_mirror_undecided_statements", EXPOSITION_GAUGE,
	    "Primary statements old enough to have arrived that have neither arrived nor been given up");
	each(clusters, x, undecided);
	exposition_family(x, "pgdog_mirror_unanswered_statements", EXPOSITION_GAUGE,
			  "Statements sent and not yet answered");
	write_unanswered(clusters, x, false);
	exposition_family(x, "pgdog_mirror_oldest_unanswered_seconds", EXPOSITION_GAUGE,
			  "Age of the oldest statement that is sent and not yet answered");
	write_unanswered(clusters, x, true);
	exposition_family(x, "pgdog_mirror_mirrored_ratio", EXPOSITION_GAUGE,
			  "Share of the primary's statements that reach the mirror, learned");
	each(clusters, x, mirrored_share);
	exposition_family(x, "pgdog_mirror_exposure_ratio", EXPOSITION_GAUGE,
			  "Share that the proxy was told to mirror, from the configuration");
	each(clusters, x, exposure);
	exposition_family(x, "mirror_observer_match_entries", EXPOSITION_GAUGE,
			  "Statements that the matcher holds");
	each(clusters, x, match_entries_used);
	exposition_family(x, "mirror_observer_match_bytes", EXPOSITION_GAUGE, "Memory of the matcher");
	each(clusters, x, match_memory);
	exposition_family(x, "mirror_observer_statement_classes", EXPOSITION_GAUGE,
			  "Statement classes in the table behind /statements");
	each(clusters, x, statement_classes);
}

static void write_verdicts(struct clusters *clusters, struct exposition *x)
{
	struct readiness readiness;

	exposition_family(x, "pgdog_mirror_ready", EXPOSITION_GAUGE,
			  "1 ready to switch over, 0 not ready, NaN insufficient data");
	for (size_t i = 0; i < clusters_count(clusters); i++) {
		clusters_readiness(clusters, i, clock_ns(), &readiness);
		exposition_double(x, LABELS({"cluster", name_of(clusters, i)}),
				  readiness_verdict_value(readiness.verdict));
	}
	exposition_family(x, "pgdog_mirror_ready_check", EXPOSITION_GAUGE,
			  "One check of the verdict: 1 passed, 0 failed, NaN insufficient data");
	for (size_t i = 0; i < clusters_count(clusters); i++) {
		clusters_readiness(clusters, i, clock_ns(), &readiness);
		for (size_t c = 0; c < READINESS_CHECK_COUNT; c++)
			exposition_double(
			    x, LABELS({"cluster", name_of(clusters, i)}, {"check", readiness.checks[c].name}),
			    readiness_verdict_value(readiness.checks[c].verdict));
	}
}

/* Rules over several observers judge their sums by it (docs/prometheus/rules.yaml). */
static void write_thresholds(struct clusters *clusters, struct exposition *x)
{
	struct readiness readiness;

	exposition_family(x, "pgdog_mirror_ready_check_threshold", EXPOSITION_GAUGE,
			  "What the check wants, in its own unit");
	for (size_t i = 0; i < clusters_count(clusters); i++) {
		clusters_readiness(clusters, i, clock_ns(), &readiness);
		for (size_t c = 0; c < READINESS_CHECK_COUNT; c++)
			exposition_double(
			    x, LABELS({"cluster", name_of(clusters, i)}, {"check", readiness.checks[c].name}),
			    readiness.checks[c].threshold);
	}
}

void figures_write(void *ctx, struct exposition *x)
{
	write_gauges(ctx, x);
	write_verdicts(ctx, x);
	write_thresholds(ctx, x);
}

void figures_write_threshold(void *ctx, struct exposition *x)
{
	struct threshold *threshold = ctx;

	exposition_family(
	    x, "pgdog_mirror_failure_threshold_exceeded", EXPOSITION_GAUGE,
	    "1 while the share of failed requests over the window is above mirror_failure_threshold; "
	    "NaN without threshold or data");
	for (size_t i = 0; i < threshold_count(threshold); i++) {
		const char *cluster;
		double exceeded = threshold_exceeded(threshold, i, &cluster);

		exposition_double(x, LABELS({"cluster", cluster}), exceeded);
	}
}

/* ------------------------------------------------------------------------------------------ readiness */

static void write_check(struct buffer *out, const struct readiness_check *check)
{
	buffer_string(out, "{\"name\":");
	json_string(out, check->name);
	buffer_printf(out, ",\"verdict\":\"%s\",\"value\":", readiness_verdict_name(check->verdict));
	json_number(out, check->value);
	buffer_string(out, ",\"threshold\":");
	json_number(out, check->threshold);
	buffer_printf(out, ",\"wanted\":\"%s\",\"unit\":", check->at_least ? "at_least" : "at_most");
	json_string(out, check->unit);
	buffer_string(out, ",\"reason\":");
	json_string(out, check->reason);
	buffer_string(out, "}");
}

static void write_readiness(struct buffer *out, const char *name, const struct readiness *readiness)
{
	buffer_string(out, "{\"name\":");
	json_string(out, name);
	buffer_string(out, ",\"diagnosis\":");
	json_string(out, readiness->diagnosis);
	buffer_printf(out, ",\"verdict\":\"%s\",\"checks\":[", readiness_verdict_name(readiness->verdict));
	for (size_t i = 0; i < READINESS_CHECK_COUNT; i++) {
		if (i)
			buffer_string(out, ",");
		write_check(out, &readiness->checks[i]);
	}
	buffer_string(out, "]}");
}

/* not_ready before insufficient_data before ready: what is known to be in the way matters most. */
static enum verdict worse_of(enum verdict a, enum verdict b)
{
	if (a == VERDICT_NOT_READY || b == VERDICT_NOT_READY)
		return VERDICT_NOT_READY;
	return a == VERDICT_INSUFFICIENT_DATA ? a : b;
}

/* Calls one() for each cluster that is asked for, with a comma between; -ENOENT when there is none. */
#define FOR_EACH_NAMED(clusters, name, i, shown)                        \
	for (size_t i = 0; i < clusters_count(clusters); i++)           \
		if (!(name) || strcmp(name, name_of(clusters, i)) == 0) \
			for (int once_ = (buffer_string(out, (shown)++ ? "," : ""), 1); once_; once_ = 0)

int figures_readiness(struct clusters *clusters, const char *name, struct buffer *out, enum verdict *worst)
{
	struct readiness readiness;
	size_t shown = 0;

	*worst = VERDICT_READY;
	buffer_string(out, "{\"clusters\":[");
	FOR_EACH_NAMED(clusters, name, i, shown)
	{
		clusters_readiness(clusters, i, clock_ns(), &readiness);
		write_readiness(out, name_of(clusters, i), &readiness);
		*worst = worse_of(*worst, readiness.verdict);
	}
	buffer_string(out, "]}\n");
	if (!shown)
		*worst = VERDICT_INSUFFICIENT_DATA;
	return shown || !name ? 0 : -ENOENT;
}

/* ----------------------------------------------------------------------------------------- statements */

static void write_count(struct buffer *out, const char *key, double value)
{
	buffer_printf(out, ",\"%s\":", key);
	json_number(out, value);
}

static void write_class(struct buffer *out, const struct class_record *entry)
{
	const struct stats_DIVERGENCE *d = &entry->divergences;
	char reason[CLASS_REASON_MAX];

	buffer_printf(out, "{\"fingerprint\":\"%016llx\",\"text\":", (unsigned long long)entry->fingerprint);
	json_string(out, entry->text);
	buffer_string(out, ",\"reason\":");
	json_string(out, class_reason(entry, reason));
	write_count(out, "primary", entry->primary);
	write_count(out, "mirror", entry->mirror);
	write_count(out, "compared", entry->compared);
	write_count(out, "mirror_only_error", d->mirror_only_error);
	write_count(out, "primary_only_error", d->primary_only_error);
	write_count(out, "sqlstate", d->sqlstate);
	write_count(out, "rows", d->rows);
	write_count(out, "result", d->result);
	write_count(out, "excess", class_excess(entry));
	write_count(out, "primary_seconds", entry->primary_us / 1e6);
	write_count(out, "mirror_seconds", entry->mirror_us / 1e6);
	write_count(out, "extra_seconds", class_extra_us(entry) / 1e6);
	buffer_string(out, ",\"primary_sqlstate\":");
	json_string(out, entry->primary_sqlstate);
	buffer_string(out, ",\"mirror_sqlstate\":");
	json_string(out, entry->mirror_sqlstate);
	buffer_printf(out, ",\"ignored\":%s}", entry->ignored ? "true" : "false");
}

static void write_classes(struct buffer *out, const char *name, const struct top *top, size_t limit)
{
	const struct class_record *worst[STATEMENTS_MAX];
	size_t count = top_worst(top, worst, limit < STATEMENTS_MAX ? limit : STATEMENTS_MAX);

	buffer_string(out, "{\"name\":");
	json_string(out, name);
	buffer_string(out, ",\"statements\":[");
	for (size_t i = 0; i < count; i++) {
		if (i)
			buffer_string(out, ",");
		write_class(out, worst[i]);
	}
	buffer_string(out, "]}");
}

int figures_statements(struct clusters *clusters, const char *name, size_t limit, struct buffer *out)
{
	struct readiness readiness;
	size_t shown = 0;

	buffer_string(out, "{\"clusters\":[");
	FOR_EACH_NAMED(clusters, name, i, shown)
	{
		clusters_readiness(clusters, i, clock_ns(),
				   &readiness); /* marks the classes that were never seen */
		write_classes(out, name_of(clusters, i), twins_top(clusters_twins(clusters, i)), limit);
	}
	buffer_string(out, "]}\n");
	return shown || !name ? 0 : -ENOENT;
}
