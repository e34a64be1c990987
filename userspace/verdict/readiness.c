/* SPDX-License-Identifier: MIT */
#include "verdict/readiness.h"

#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/quantity.h"
#include "verdict/quantile.h"

#define TRIALS_FOR_NONE 3000 /* where a threshold allows none at all */
#define MEDIAN_SAMPLES  30
#define P99_SAMPLES     300 /* three of them are expected above it */
#define GUESSED_MOST    1.0 /* percent of lags that are mere guesses: as many as lie above a 99th percentile */
#define ONE_IN_TWENTY   1.645 /* standard deviations that chance exceeds so often, to one side */
#define SHARE_SAMPLES   200   /* primary statements whose fate is known, before their share is believed */
#define MISSED_ENOUGH   20    /* statements that did not arrive before silence is held against the mirror */

enum compare { AT_LEAST, AT_MOST };

static const struct {
	const char *name, *unit, *what, *advice;
	enum compare compare;
} catalogue[READINESS_CHECK_COUNT] = {
#define READINESS_ROW(name, compare, value, unit, what, advice) {#name, unit, what, advice, compare},
    READINESS_CHECKS(READINESS_ROW)
#undef READINESS_ROW
};

struct evaluation {
	const struct readiness_settings *settings;
	const struct readiness_input *in;
	struct readiness *out;
};

/* ---------------------------------------------------------------------------------------------- one check */

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
	check->have = check->need = NAN;
	va_start(args, reason);
	vsnprintf(check->reason, sizeof(check->reason), reason, args);
	va_end(args);
}

/* After conclude(): how far the evidence is. */
static void set_progress(struct evaluation *e, enum readiness_check_id id, double have, double need)
{
	e->out->checks[id].have = have;
	e->out->checks[id].need = need;
}

static bool holds(const struct evaluation *e, enum readiness_check_id id, double value)
{
	double threshold = e->settings->thresholds[id];

	return catalogue[id].compare == AT_LEAST ? value >= threshold : value <= threshold;
}

/* Compares value with the threshold; miss is the verdict when it does not hold. */
static void judge(struct evaluation *e, enum readiness_check_id id, double value, enum verdict miss)
{
	const char *what = catalogue[id].what, *unit = catalogue[id].unit;
	const char *bound = catalogue[id].compare == AT_LEAST ? "at least" : "at most";
	double threshold = e->settings->thresholds[id];
	char is[QUANTITY_MAX], wanted[QUANTITY_MAX];

	if (isnan(value))
		conclude(e, id, value, VERDICT_INSUFFICIENT_DATA, "%s: nothing seen yet, %s %s wanted.", what,
			 bound, quantity(wanted, threshold, unit));
	else if (holds(e, id, value))
		conclude(e, id, value, VERDICT_READY, "%s: %s, %s %s wanted.", what,
			 quantity(is, value, unit), bound, quantity(wanted, threshold, unit));
	else
		conclude(e, id, value, miss, "%s: %s, %s %s wanted; %s.", what, quantity(is, value, unit),
			 bound, quantity(wanted, threshold, unit), catalogue[id].advice);
}

/* With k failures seen, a greater expected number would have shown more of them with a probability of 95 %
 * (upper limit of the Poisson distribution, by Wilson and Hilferty's approximation). */
static double upper_limit(double k)
{
	double n = k + 1, root = 1 - 1 / (9 * n) + ONE_IN_TWENTY / (3 * sqrt(n));

	return k > 0 ? n * root * root * root : 3;
}

/* A rate in percent of `trials`. Too many bad ones fail at once; few enough need evidence before they pass.
 */
static void judge_rate(struct evaluation *e, enum readiness_check_id id, double bad, double trials)
{
	bool least = catalogue[id].compare == AT_LEAST;
	double threshold = e->settings->thresholds[id];
	double allowed = least ? 100 - threshold : threshold;
	double value = trials > 0 ? 100 * (least ? trials - bad : bad) / trials : NAN;
	double needed = allowed > 0 ? upper_limit(bad) * 100 / allowed : TRIALS_FOR_NONE;
	char is[QUANTITY_MAX], of[QUANTITY_MAX], wanted[QUANTITY_MAX], enough[QUANTITY_MAX];

	if (trials > 0 && holds(e, id, value) && trials < needed)
		conclude(e, id, value, VERDICT_INSUFFICIENT_DATA,
			 "%s: %s of %s so far; %s %s is believed after %s without another bad one.",
			 catalogue[id].what, quantity(is, value, catalogue[id].unit),
			 quantity(of, trials, ""), least ? "at least" : "at most",
			 quantity(wanted, threshold, catalogue[id].unit), quantity(enough, ceil(needed), ""));
	else
		judge(e, id, value, VERDICT_NOT_READY);
	set_progress(e, id, trials, ceil(needed));
}

/* A figure that is only believed from `needed` samples on, good or bad. */
static void judge_quantile(struct evaluation *e, enum readiness_check_id id, double value, double samples,
			   double needed)
{
	char is[QUANTITY_MAX], of[QUANTITY_MAX], enough[QUANTITY_MAX];

	if (!isnan(value) && samples < needed)
		conclude(e, id, value, VERDICT_INSUFFICIENT_DATA,
			 "%s: %s from %s samples so far; it is believed from %s on.", catalogue[id].what,
			 quantity(is, value, catalogue[id].unit), quantity(of, samples, ""),
			 quantity(enough, needed, ""));
	else
		judge(e, id, value, VERDICT_NOT_READY);
	set_progress(e, id, samples, needed);
}

/* --------------------------------------------------------------------------------------------- the checks */

static double max_of(double a, double b)
{
	return a > b ? a : b;
}

static double share(double seen, double lost)
{
	return seen + lost > 0 ? 100 * seen / (seen + lost) : NAN;
}

static double worse_share(double a, double b)
{
	return isnan(a) || b < a ? b : a;
}

static double attempts(const struct stats_target *target)
{
	const struct stats_RESULT *a = &target->attempts;

	return (double)a->ok + a->refused + a->timeout + a->unreachable + a->reset + a->abandoned +
	       a->startup_error;
}

/* The worst of: requests and statements whose outcome is known, bytes that were captured, connects that were
 * noticed. NaN without a request. */
static double coverage(const struct readiness_input *in)
{
	const struct stats_cluster *d = in->delta;
	const struct stats_STATUS *primary = &d->primary.statements;
	double bytes = (double)d->mirror.bytes.send + d->mirror.bytes.recv + d->primary.bytes.send +
		       d->primary.bytes.recv;
	double worst = share((double)d->requests.success + d->requests.failure, d->requests.unknown);

	if (isnan(worst))
		return NAN;
	worst = worse_share(share((double)primary->success + primary->failure, primary->unknown), worst);
	worst = worse_share(share(bytes, in->lost_bytes), worst);
	return in->lost_records > 0
		   ? worse_share(share(attempts(&d->primary) + attempts(&d->mirror), in->lost_records), worst)
		   : worst;
}

/* What did not arrive may just not have been seen: that is no fault of the mirror while any of these misses.
 */
static enum verdict absence(const struct evaluation *e)
{
	static const enum readiness_check_id sight[] = {READINESS_coverage, READINESS_encrypted,
							READINESS_unclassified};

	for (size_t i = 0; i < sizeof(sight) / sizeof(*sight); i++) {
		const struct readiness_check *check = &e->out->checks[sight[i]];

		if (check->verdict != VERDICT_READY && !isnan(check->value))
			return VERDICT_INSUFFICIENT_DATA;
	}
	return VERDICT_NOT_READY;
}

/* Silence is the mirror's fault only if it should have got something meanwhile. */
static void check_recent(struct evaluation *e)
{
	judge(e, READINESS_recent, e->in->silent_s,
	      e->in->missed >= MISSED_ENOUGH ? absence(e) : VERDICT_INSUFFICIENT_DATA);
}

static void check_evidence(struct evaluation *e)
{
	const struct stats_cluster *d = e->in->delta;
	double answered = (double)d->mirror.statements.success + d->mirror.statements.failure;
	double twinless = (double)d->mirror.unmatched.no_primary + d->mirror.unmatched.unkeyed +
			  d->mirror.unmatched.evicted;

	judge(e, READINESS_observed, e->in->observed_s, VERDICT_INSUFFICIENT_DATA);
	judge(e, READINESS_statements, answered, VERDICT_INSUFFICIENT_DATA);
	judge(e, READINESS_coverage, coverage(e->in), VERDICT_INSUFFICIENT_DATA);
	judge(e, READINESS_encrypted, e->in->encrypted, VERDICT_INSUFFICIENT_DATA);
	judge(e, READINESS_unclassified, e->in->unclassified, VERDICT_INSUFFICIENT_DATA);
	check_recent(e);
	judge(e, READINESS_matched, share(d->matched.value, twinless), VERDICT_INSUFFICIENT_DATA);
	judge(e, READINESS_unseen_classes, e->in->unseen_classes, VERDICT_INSUFFICIENT_DATA);
}

/* A failure whose primary twin failed with the same SQLSTATE is the statement's own, not the mirror's. */
static void check_failures(struct evaluation *e)
{
	const struct stats_ERROR_TYPE *failed = &e->in->delta->failures,
				      *excused = &e->in->delta->excused_failures;
	double connection = max_of(0, (double)failed->connection - excused->connection);
	double timeout = max_of(0, (double)failed->timeout - excused->timeout);
	double query = max_of(0, (double)failed->query_execution - excused->query_execution);
	double failures = connection + timeout + query;
	double trials = e->in->delta->requests.success + failures;

	judge_rate(e, READINESS_success_rate, failures, trials);
	judge_rate(e, READINESS_connection_failures, connection, trials);
	judge_rate(e, READINESS_timeout_failures, timeout, trials);
	judge_rate(e, READINESS_query_failures, query, trials);
}

/* At high rates the depth moves by itself: what passes in one second of traffic is no growth. */
static double growth(const struct readiness_input *in)
{
	double matched = in->delta->matched.value;
	double rate = in->observed_s > 0 ? matched / in->observed_s : 0;

	if (isnan(in->queue_depth) || isnan(in->queue_growth))
		return NAN; /* not known yet, or too few samples for a trend */
	return in->queue_growth > rate ? in->queue_growth : 0;
}

/* Of statements that are too alike the figures may be anything: neither good nor bad ones are believed. */
static void too_alike(struct evaluation *e, enum readiness_check_id id, double value, double guessed)
{
	char share_text[QUANTITY_MAX];

	conclude(e, id, value, VERDICT_INSUFFICIENT_DATA,
		 "%s: the statements are too alike to tell; of %s of the pairs within the window the lag is "
		 "a mere "
		 "guess.",
		 catalogue[id].what, quantity(share_text, guessed, "%"));
}

/*
 * Of the primary's statements whose fate is known; those that were sampled out are expected to be missing,
 * and near the threshold chance alone may have decided.
 */
static void check_mirrored(struct evaluation *e)
{
	double exposure = isnan(e->in->exposure) ? 1 : e->in->exposure;
	double arrived = e->in->delta->matched.value;
	double known = arrived + e->in->delta->primary.unmatched.not_mirrored, expected = exposure * known;
	double value = expected > 0 ? 100 * arrived / expected : NAN;
	double chance = expected > 0 ? 100 * ONE_IN_TWENTY * sqrt((1 - exposure) / expected) : 0;
	char is[QUANTITY_MAX], of[QUANTITY_MAX], wanted[QUANTITY_MAX], off[QUANTITY_MAX];

	if (known > 0 && known < SHARE_SAMPLES)
		conclude(e, READINESS_mirrored, value, VERDICT_INSUFFICIENT_DATA,
			 "%s: %s of %s so far; it is believed from %d statements on.",
			 catalogue[READINESS_mirrored].what, quantity(is, value, "%"),
			 quantity(of, expected, ""), SHARE_SAMPLES);
	else if (fabs(value - e->settings->thresholds[READINESS_mirrored]) < chance)
		conclude(
		    e, READINESS_mirrored, value, VERDICT_INSUFFICIENT_DATA,
		    "%s: %s of %s so far, at least %s wanted; the sampling alone may have put it off by %s.",
		    catalogue[READINESS_mirrored].what, quantity(is, value, "%"), quantity(of, expected, ""),
		    quantity(wanted, e->settings->thresholds[READINESS_mirrored], "%"),
		    quantity(off, chance, "%"));
	else
		judge(e, READINESS_mirrored, value, absence(e));
	set_progress(e, READINESS_mirrored, known, SHARE_SAMPLES);
}

static void check_queue(struct evaluation *e)
{
	const struct stats_histogram *lag = &e->in->delta->lag;
	double guessed = share(e->in->delta->guessed_lags.value,
			       max_of(0, (double)lag->count - e->in->delta->guessed_lags.value));

	if (guessed > GUESSED_MOST) {
		too_alike(e, READINESS_queue_growth, growth(e->in), guessed);
		too_alike(e, READINESS_lag_p99, quantile_of_histogram(lag, 0.99) / 1e6, guessed);
		return;
	}
	judge(e, READINESS_queue_growth, growth(e->in), absence(e));
	judge_quantile(e, READINESS_lag_p99, quantile_of_histogram(lag, 0.99) / 1e6, lag->count, P99_SAMPLES);
}

static void check_latency(struct evaluation *e)
{
	const struct stats_histogram *mirror = &e->in->delta->mirror.duration;
	const struct stats_histogram *primary = &e->in->delta->primary.duration;
	const struct stats_ratio *ratio = &e->in->delta->latency_ratio;
	double base = quantile_of_histogram(primary, 0.99);

	judge_quantile(e, READINESS_latency_p50, quantile_of_ratio(ratio, 0.5), ratio->count, MEDIAN_SAMPLES);
	judge_quantile(e, READINESS_latency_p99, base > 0 ? quantile_of_histogram(mirror, 0.99) / base : NAN,
		       mirror->count < primary->count ? mirror->count : primary->count, P99_SAMPLES);
}

static void check_pairs(struct evaluation *e)
{
	const struct stats_cluster *d = e->in->delta;
	double pairs = d->compared.value;
	double rows = (double)d->divergences.rows + d->divergences.result - d->noisy_divergences.value;

	judge_rate(e, READINESS_error_divergence,
		   (double)d->divergences.primary_only_error + d->divergences.mirror_only_error +
		       d->divergences.sqlstate,
		   pairs);
	judge_rate(e, READINESS_row_divergence, max_of(0, rows), pairs);
}

/* -------------------------------------------------------------------------------------------- the verdict */

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
	check_mirrored(&e);
	check_queue(&e);
	check_pairs(&e);
	check_latency(&e);
	out->verdict = worst(out);
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

/* What is in the way is shown before what lacks evidence. */
static struct readiness_check *first_shown(struct readiness *readiness)
{
	static const enum verdict order[] = {VERDICT_NOT_READY, VERDICT_INSUFFICIENT_DATA};

	for (size_t v = 0; v < sizeof(order) / sizeof(*order); v++)
		for (size_t i = 0; i < READINESS_CHECK_COUNT; i++)
			if (readiness->checks[i].verdict == order[v])
				return &readiness->checks[i];
	return &readiness->checks[0];
}

void readiness_diagnose(struct readiness *readiness, const char *text, bool wrong)
{
	struct readiness_check *first = first_shown(readiness);
	char reason[sizeof(first->reason)];

	snprintf(readiness->diagnosis, sizeof(readiness->diagnosis), "%s", text);
	if (!*text)
		return;
	if (wrong) /* whatever the checks say of it */
		readiness->verdict = VERDICT_INSUFFICIENT_DATA;
	if (wrong && first->verdict == VERDICT_READY)
		first->verdict = VERDICT_INSUFFICIENT_DATA;
	snprintf(reason, sizeof(reason), "%s; %.300s", text, first->reason);
	memcpy(first->reason, reason, sizeof(reason));
}
