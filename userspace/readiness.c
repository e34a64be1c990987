/* SPDX-License-Identifier: MIT */
#include "readiness.h"

#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

#include "quantile.h"

enum compare { AT_LEAST, AT_MOST };

static const struct {
	const char *name, *unit, *what;
	enum compare compare;
	double threshold;
} catalogue[READINESS_CHECK_COUNT] = {
#define READINESS_ROW(name, compare, value, unit, what) {#name, unit, what, compare, value},
    READINESS_CHECKS(READINESS_ROW)
#undef READINESS_ROW
};

struct evaluation {
	const struct readiness_settings *settings;
	const struct readiness_input *in;
	struct readiness *out;
};

/* ------------------------------------------------------------------------------------------------------ one
 * check */

__attribute__((format(printf, 5, 6))) static void conclude(struct evaluation *e, enum readiness_check_id id,
							   double value, enum verdict verdict,
							   const char *reason, ...)
{
	struct readiness_check *check = &e->out->checks[id];
	va_list args;

	check->name = catalogue[id].name;
	check->unit = catalogue[id].unit;
	check->at_least = catalogue[id].compare == AT_LEAST;
	check->threshold = e->settings->thresholds[id];
	check->value = value;
	check->verdict = verdict;
	va_start(args, reason);
	vsnprintf(check->reason, sizeof(check->reason), reason, args);
	va_end(args);
}

static bool holds(const struct evaluation *e, enum readiness_check_id id, double value)
{
	double threshold = e->settings->thresholds[id];

	return catalogue[id].compare == AT_LEAST ? value >= threshold : value <= threshold;
}

/* Compares value with the threshold; miss is the verdict when it does not hold. */
static void judge(struct evaluation *e, enum readiness_check_id id, double value, enum verdict miss)
{
	double threshold = e->settings->thresholds[id];
	bool least = catalogue[id].compare == AT_LEAST;

	if (isnan(value))
		conclude(e, id, value, VERDICT_INSUFFICIENT_DATA, "No figure yet: %s.", catalogue[id].what);
	else if (holds(e, id, value))
		conclude(e, id, value, VERDICT_READY, "%.6g %s: %s; %s %g wanted.", value, catalogue[id].unit,
			 catalogue[id].what, least ? "at least" : "at most", threshold);
	else
		conclude(e, id, value, miss, "%.6g %s is %s than %g: %s.", value, catalogue[id].unit,
			 least ? "less" : "more", threshold, catalogue[id].what);
}

/* A rate in percent of `trials`. Too many bad ones fail at once; few enough need the rule of three before
 * they pass. */
static void judge_rate(struct evaluation *e, enum readiness_check_id id, double bad, double trials)
{
	bool least = catalogue[id].compare == AT_LEAST;
	double threshold = e->settings->thresholds[id];
	double allowed = least ? 100 - threshold : threshold;
	double value = trials > 0 ? 100 * (least ? trials - bad : bad) / trials : NAN;
	double needed = allowed > 0 ? 3 * 100 / allowed : 0;

	if (trials > 0 && holds(e, id, value) && trials < needed)
		conclude(e, id, value, VERDICT_INSUFFICIENT_DATA,
			 "%.6g %s so far, but %g %% can only be believed after %.0f; %.0f were seen.", value,
			 catalogue[id].unit, threshold, needed, trials);
	else
		judge(e, id, value, VERDICT_NOT_READY);
}

/* --------------------------------------------------------------------------------------------------------
 * the checks */

static double max_of(double a, double b)
{
	return a > b ? a : b;
}

/* The worse of two shares: requests whose outcome is known, and bytes of all observed connections that were
 * captured. */
static double coverage(const struct readiness_input *in)
{
	const struct stats_cluster *d = in->delta;
	double known = (double)d->requests.success + d->requests.failure, all = known + d->requests.unknown;
	double bytes = (double)d->mirror.bytes.send + d->mirror.bytes.recv + d->primary.bytes.send +
		       d->primary.bytes.recv;
	double requests = all > 0 ? 100 * known / all : NAN;
	double captured = bytes + in->lost_bytes > 0 ? 100 * bytes / (bytes + in->lost_bytes) : NAN;

	return isnan(requests) || requests < captured ? requests : captured;
}

static void check_evidence(struct evaluation *e)
{
	const struct stats_cluster *d = e->in->delta;
	double answered = (double)d->mirror.statements.success + d->mirror.statements.failure;
	double twinless = (double)d->mirror.unmatched.no_primary + d->mirror.unmatched.unkeyed +
			  d->mirror.unmatched.evicted;
	double candidates = d->matched.value + twinless;

	judge(e, READINESS_observed, e->in->observed_s, VERDICT_INSUFFICIENT_DATA);
	judge(e, READINESS_statements, answered, VERDICT_INSUFFICIENT_DATA);
	judge(e, READINESS_coverage, coverage(e->in), VERDICT_INSUFFICIENT_DATA);
	judge(e, READINESS_encrypted,
	      (double)d->mirror.connections.encrypted + d->primary.connections.encrypted,
	      VERDICT_INSUFFICIENT_DATA);
	judge(e, READINESS_matched, candidates > 0 ? 100 * d->matched.value / candidates : NAN,
	      VERDICT_INSUFFICIENT_DATA);
	judge(e, READINESS_unseen_classes, e->in->unseen_classes, VERDICT_INSUFFICIENT_DATA);
}

/* A failure whose primary twin failed with the same SQLSTATE is the statement's own, not the mirror's. */
static void check_failures(struct evaluation *e)
{
	const struct stats_cluster *d = e->in->delta;
	double excused = d->excused_failures.value;
	double failures = max_of(0, (double)d->requests.failure - excused);
	double trials = d->requests.success + failures;

	judge_rate(e, READINESS_success_rate, failures, trials);
	judge_rate(e, READINESS_connection_failures, d->failures.connection, trials);
	judge_rate(e, READINESS_timeout_failures, d->failures.timeout, trials);
	judge_rate(e, READINESS_query_failures, max_of(0, (double)d->failures.query_execution - excused),
		   trials);
}

static void check_queue(struct evaluation *e)
{
	double expected = isnan(e->in->exposure) ? 1 : e->in->exposure;

	judge(e, READINESS_mirrored, 100 * e->in->mirrored_share / expected, VERDICT_NOT_READY);
	judge(e, READINESS_queue_growth, isnan(e->in->queue_depth) ? NAN : e->in->queue_growth,
	      VERDICT_NOT_READY);
	judge(e, READINESS_lag_p99, quantile_of_histogram(&e->in->delta->lag, 0.99) / 1e6, VERDICT_NOT_READY);
}

static void check_pairs(struct evaluation *e)
{
	const struct stats_cluster *d = e->in->delta;
	double pairs = d->compared.value;
	double primary = quantile_of_histogram(&d->primary.duration, 0.99);

	judge_rate(e, READINESS_error_divergence,
		   (double)d->divergences.primary_only_error + d->divergences.mirror_only_error +
		       d->divergences.sqlstate,
		   pairs);
	judge_rate(e, READINESS_row_divergence, (double)d->divergences.rows + d->divergences.result, pairs);
	judge(e, READINESS_latency_p50, quantile_of_ratio(&d->latency_ratio, 0.5), VERDICT_NOT_READY);
	judge(e, READINESS_latency_p99,
	      primary > 0 ? quantile_of_histogram(&d->mirror.duration, 0.99) / primary : NAN,
	      VERDICT_NOT_READY);
}

/* ------------------------------------------------------------------------------------------------------- the
 * verdict */

static enum verdict worst(const struct readiness *readiness)
{
	enum verdict verdict = VERDICT_READY;

	for (int i = 0; i < READINESS_CHECK_COUNT; i++) {
		if (readiness->checks[i].verdict == VERDICT_NOT_READY)
			return VERDICT_NOT_READY;
		if (readiness->checks[i].verdict == VERDICT_INSUFFICIENT_DATA)
			verdict = VERDICT_INSUFFICIENT_DATA;
	}
	return verdict;
}

void readiness_evaluate(const struct readiness_settings *settings, const struct readiness_input *input,
			struct readiness *out)
{
	struct evaluation e = {settings, input, out};

	check_evidence(&e);
	check_failures(&e);
	check_queue(&e);
	check_pairs(&e);
	out->verdict = worst(out);
}

void readiness_defaults(struct readiness_settings *settings)
{
	settings->window_us = 3600ull * 1000000;
	for (int i = 0; i < READINESS_CHECK_COUNT; i++)
		settings->thresholds[i] = catalogue[i].threshold;
}

const char *readiness_verdict_name(enum verdict verdict)
{
	static const char *const names[] = {"ready", "not_ready", "insufficient_data"};

	return names[verdict];
}

double readiness_verdict_value(enum verdict verdict)
{
	return verdict == VERDICT_READY ? 1 : verdict == VERDICT_NOT_READY ? 0 : NAN;
}
