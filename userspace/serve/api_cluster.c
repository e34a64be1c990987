/* SPDX-License-Identifier: MIT */
/* Clusters as JSON: all in short, and one at length. */
#include <math.h>
#include <string.h>

#include "base/quantity.h"
#include "serve/api.h"
#include "serve/json.h"
#include "serve/json_fields.h"
#include "serve/openmetrics.h"
#include "serve/sentence.h"

/* Cells of a label set of counters.def, {"success":1,...}. */
#define FIELD(value) json_field_number(out, #value, set->value);
#define WRITE_SET(name, SET, cells)                          \
	{                                                    \
		const struct stats_##SET *set = &(cells);    \
		json_key(out, name);                         \
		buffer_string(out, "{");                     \
		LABELS_##SET(FIELD) buffer_string(out, "}"); \
	}

static void write_figure(struct buffer *out, const char *key, double value, const char *unit)
{
	char text[QUANTITY_MAX];

	json_key(out, key);
	buffer_string(out, "{");
	json_field_number(out, "value", value);
	json_field_string(out, "unit", unit);
	json_field_string(out, "text", quantity(text, value, unit));
	buffer_string(out, "}");
}

static size_t count_checks(const struct readiness *readiness, enum verdict verdict)
{
	size_t n = 0;

	for (size_t i = 0; i < READINESS_CHECK_COUNT; i++)
		n += readiness->checks[i].verdict == verdict;
	return n;
}

/* ---------------------------------------------------------------------------------------------- in short */

static void write_counts(const struct stats_cluster *stats, struct buffer *out)
{
	WRITE_SET("requests", STATUS, stats->requests)
	WRITE_SET("failures", ERROR_TYPE, stats->failures)
	write_figure(out, "success_rate", openmetrics_success_rate(stats), "%");
}

static void write_rates(const struct live_cluster *cluster, struct buffer *out)
{
	uint64_t end = series_end(cluster->series, SERIES_5M);

	write_figure(out, "requests_per_second",
		     live_recent(cluster, SERIES_success) + live_recent(cluster, SERIES_unknown) +
			 live_recent(cluster, SERIES_connection_failures) +
			 live_recent(cluster, SERIES_timeout_failures) +
			 live_recent(cluster, SERIES_query_failures),
		     "/s");
	write_figure(out, "primary_statements_per_second", live_recent(cluster, SERIES_primary_statements),
		     "/s");
	write_figure(out, "mirror_statements_per_second", live_recent(cluster, SERIES_mirror_statements),
		     "/s");
	write_figure(out, "queue_depth", series_value(cluster->series, SERIES_5M, SERIES_queue_depth, end),
		     "statements");
	write_figure(out, "lag_p99", live_recent(cluster, SERIES_lag_p99), "s");
}

static void write_short(const struct api_options *options, const struct live_cluster *cluster, size_t i,
			struct buffer *out)
{
	const struct clusters *clusters = options->clusters(options->ctx);

	json_field_string(out, "name", cluster->name);
	json_field_string(out, "verdict", readiness_verdict_name(cluster->readiness.verdict));
	json_field_string(out, "sentence", cluster->sentence);
	json_field_number(out, "since", cluster->since_s);
	json_field_number(out, "checks", READINESS_CHECK_COUNT);
	json_field_number(out, "passed", count_checks(&cluster->readiness, VERDICT_READY));
	json_field_number(out, "failed", count_checks(&cluster->readiness, VERDICT_NOT_READY));
	if (clusters && i < clusters_count(clusters) &&
	    strcmp(clusters_config(clusters, i)->name, cluster->name) == 0)
		write_counts(clusters_stats(clusters, i), out);
	write_rates(cluster, out);
}

void api_write_status(const struct api_options *options, struct buffer *out)
{
	const char *why = options->not_ready(options->ctx);
	const char *mode = options->attach_mode(options->ctx);

	buffer_string(out, "{");
	json_field_string(out, "version", options->version);
	json_field_number(out, "now", live_now_s(options->live));
	json_field_bool(out, "observing", !why);
	json_field_string(out, "why_not", why ? why : "");
	json_field_string(out, "attach_mode", mode ? mode : "");
	json_key(out, "clusters");
	buffer_string(out, "[");
	for (size_t i = 0; i < live_count(options->live); i++) {
		json_next(out);
		buffer_string(out, "{");
		write_short(options, live_get(options->live, i), i, out);
		buffer_string(out, "}");
	}
	buffer_string(out, "]}");
}

/* ------------------------------------------------------------------------------------------------ checks */

static const char *title_of(size_t check)
{
#define TITLE(name, compare, value, unit, what, advice) what,
	static const char *const titles[] = {READINESS_CHECKS(TITLE)};
#undef TITLE

	return titles[check];
}

/* At the pace of the time observed so far; NaN where that tells nothing. */
static double seconds_left(const struct readiness_check *check, double share, double observed_s)
{
	if (strcmp(check->unit, "s") == 0)
		return check->threshold - check->value;
	return share > 0 ? observed_s * (1 - share) / share : NAN;
}

static void write_progress(const struct readiness_check *check, double observed_s, struct buffer *out)
{
	char text[SENTENCE_PROGRESS_MAX], left_text[QUANTITY_MAX];
	double share, left;

	json_key(out, "progress");
	if (!*sentence_progress(text, check, &share)) {
		buffer_string(out, "null");
		return;
	}
	left = seconds_left(check, share, observed_s);
	buffer_string(out, "{");
	json_field_number(out, "share", share);
	json_field_string(out, "text", text);
	json_field_number(out, "seconds_left", left);
	json_field_string(out, "left_text", isnan(left) ? "" : quantity(left_text, left, "s"));
	buffer_string(out, "}");
}

static void write_check(const struct readiness_check *check, size_t i, double observed_s, struct buffer *out)
{
	json_next(out);
	buffer_string(out, "{");
	json_field_string(out, "name", check->name);
	json_field_string(out, "title", title_of(i));
	json_field_string(out, "verdict", readiness_verdict_name(check->verdict));
	write_figure(out, "value", check->value, check->unit);
	write_figure(out, "wanted", check->threshold, check->unit);
	json_field_string(out, "compare", check->at_least ? "at_least" : "at_most");
	json_field_string(out, "reason", check->reason);
	write_progress(check, observed_s, out);
	buffer_string(out, "}");
}

static void write_checks(const struct readiness *readiness, struct buffer *out)
{
	double observed_s = readiness->checks[READINESS_observed].value;

	json_key(out, "check_list");
	buffer_string(out, "[");
	for (size_t i = 0; i < READINESS_CHECK_COUNT; i++)
		if (readiness->checks[i].name)
			write_check(&readiness->checks[i], i, observed_s, out);
	buffer_string(out, "]");
}

/* ---------------------------------------------------------------------------------------------- at length */

static void write_sqlstates(const struct stats_sqlstates *errors, struct buffer *out)
{
	json_key(out, "errors");
	buffer_string(out, "{");
	for (size_t i = 0; i < STATS_SQLSTATES && *errors->known[i].sqlstate; i++)
		json_field_number(out, errors->known[i].sqlstate, errors->known[i].count);
	if (errors->other)
		json_field_number(out, "other", errors->other);
	buffer_string(out, "}");
}

static void write_target(const char *name, const struct stats_target *target,
			 const struct config_endpoint *endpoint, struct buffer *out)
{
	json_key(out, name);
	buffer_string(out, "{");
	json_key(out, "addresses");
	buffer_string(out, "[");
	for (size_t i = 0; i < endpoint->address_count; i++) {
		json_next(out);
		json_string(out, endpoint->addresses[i].text);
	}
	buffer_string(out, "]");
	json_field_string(out, "database", endpoint->database ? endpoint->database : "");
	WRITE_SET("connections", STATE, target->connections)
	WRITE_SET("statements", STATUS, target->statements)
	WRITE_SET("attempts", RESULT, target->attempts)
	write_sqlstates(&target->errors, out);
	buffer_string(out, "}");
}

static void write_losses(const struct stats *stats, struct buffer *out)
{
	const struct stats_observer *observer = stats_observer((struct stats *)stats);

	WRITE_SET("lost_bytes", LOSS, observer->lost_bytes)
	json_field_number(out, "lost_records", observer->lost_records.value);
}

void api_write_cluster(const struct api_options *options, const struct live_cluster *cluster, size_t i,
		       struct buffer *out)
{
	const struct clusters *clusters = options->clusters(options->ctx);
	const struct config_cluster *config = clusters_config(clusters, i);
	const struct stats_cluster *stats = clusters_stats(clusters, i);

	buffer_string(out, "{");
	json_field_number(out, "now", live_now_s(options->live));
	write_short(options, cluster, i, out);
	write_checks(&cluster->readiness, out);
	write_target("primary", &stats->primary, &config->primary, out);
	write_target("mirror", &stats->mirror, &config->mirror, out);
	json_field_number(out, "matched", stats->matched.value);
	json_field_number(out, "compared", stats->compared.value);
	WRITE_SET("divergences", DIVERGENCE, stats->divergences)
	json_field_number(out, "exposure", config->exposure);
	json_field_number(out, "queue_limit", config->queue_limit);
	json_field_number(out, "request_timeout", config->request_timeout_us / 1e6);
	write_losses(options->stats, out);
	buffer_string(out, "}");
}
