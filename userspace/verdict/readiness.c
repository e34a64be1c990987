/* SPDX-License-Identifier: MIT */
#include "verdict/readiness.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/quantity.h"
#include "verdict/quantile.h"
#include "verdict/readiness_internal.h"

#define MEDIAN_SAMPLES 30
#define P99_SAMPLES    300 /* three of them are expected above it */
#define GUESSED_MOST   1.0 /* percent of lags that are mere guesses: as many as lie above a 99th percentile */
#define SHARE_SAMPLES  200 /* primary statements whose fate is known, before their share is believed */
#define MISSED_ENOUGH  20  /* statements that did not arrive before silence is held against the mirror */

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
	judge_value(e, READINESS_recent, e->in->silent_s,
		    e->in->missed >= MISSED_ENOUGH ? absence(e) : VERDICT_INSUFFICIENT_DATA);
}

static void check_evidence(struct evaluation *e)
{
	const struct stats_cluster *d = e->in->delta;
	double answered = (double)d->mirror.statements.success + d->mirror.statements.failure;
	double twinless = (double)d->mirror.unmatched.no_primary + d->mirror.unmatched.unkeyed +
			  d->mirror.unmatched.evicted;

	judge_value(e, READINESS_observed, e->in->observed_s, VERDICT_INSUFFICIENT_DATA);
	judge_value(e, READINESS_statements, answered, VERDICT_INSUFFICIENT_DATA);
	judge_value(e, READINESS_coverage, coverage(e->in), VERDICT_INSUFFICIENT_DATA);
	judge_value(e, READINESS_encrypted, e->in->encrypted, VERDICT_INSUFFICIENT_DATA);
	judge_value(e, READINESS_unclassified, e->in->unclassified, VERDICT_INSUFFICIENT_DATA);
	check_recent(e);
	judge_value(e, READINESS_mirror_down, e->in->down_s, absence(e));
	judge_value(e, READINESS_matched, share(d->matched.value, twinless), VERDICT_INSUFFICIENT_DATA);
	judge_value(e, READINESS_unseen_classes, e->in->unseen_classes, VERDICT_INSUFFICIENT_DATA);
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

	judge_conclude(
	    e, id, value, VERDICT_INSUFFICIENT_DATA,
	    "%s: the statements are too alike to tell; of %s of the pairs within the window the lag is "
	    "a mere "
	    "guess.",
	    judge_catalogue[id].what, quantity(share_text, guessed, "%"));
}

/*
 * Bounded from both sides. The worst case: of what is old enough to have arrived by the lags seen, all that
 * has not is missing. The best: all of it arrives yet but what is known to be lost, since others that were
 * sent later arrived long ago. What was sampled out is expected to be missing, and near the threshold chance
 * alone may have decided.
 */
static void check_mirrored(struct evaluation *e)
{
	const struct match_arrivals *a = &e->in->arrivals;
	double exposure = isnan(e->in->exposure) ? 1 : e->in->exposure;
	double threshold = e->settings->thresholds[READINESS_mirrored];
	double known = a->sent - a->evicted, decided = known - a->young;
	double worst = decided > 0 ? 100 * a->arrived / (exposure * decided) : NAN;
	double best = known > 0 ? 100 * (known - a->lost - a->overtaken) / (exposure * known) : NAN;
	double chance = decided > 0 ? 100 * ONE_IN_TWENTY * sqrt((1 - exposure) / (exposure * decided)) : 0;
	char is[QUANTITY_MAX], most[QUANTITY_MAX], of[QUANTITY_MAX], wanted[QUANTITY_MAX];

	if (isnan(worst) || (best < threshold - chance && decided >= SHARE_SAMPLES))
		judge_value(e, READINESS_mirrored, isnan(worst) ? NAN : best, absence(e));
	else if (decided < SHARE_SAMPLES)
		judge_conclude(e, READINESS_mirrored, worst, VERDICT_INSUFFICIENT_DATA,
			       "%s: %s of %s so far; it is believed from %s statements on.",
			       judge_catalogue[READINESS_mirrored].what, quantity(is, worst, "%"),
			       quantity(of, exposure * decided, ""), quantity(wanted, SHARE_SAMPLES, ""));
	else if (worst < threshold + chance)
		judge_conclude(
		    e, READINESS_mirrored, worst, VERDICT_INSUFFICIENT_DATA,
		    "%s: %s of %s have arrived, at least %s wanted; with what is undecided or chance it may "
		    "come to %s.",
		    judge_catalogue[READINESS_mirrored].what, quantity(is, worst, "%"),
		    quantity(of, exposure * decided, ""), quantity(wanted, threshold, "%"),
		    quantity(most, best + chance, "%"));
	else
		judge_value(e, READINESS_mirrored, worst, VERDICT_NOT_READY);
	judge_progress(e, READINESS_mirrored, decided, SHARE_SAMPLES);
}

/* At high rates what passes within the lag that is allowed is behind at any time. */
static void check_behind(struct evaluation *e)
{
	double behind = (isnan(e->in->queue_depth) ? 0 : e->in->queue_depth) + e->in->unanswered;
	double rate = e->in->observed_s > 0 ? e->in->delta->matched.value / e->in->observed_s : 0;
	double allowed = rate * e->settings->thresholds[READINESS_lag_p99];
	char is[QUANTITY_MAX], second[QUANTITY_MAX];

	if (!isnan(e->in->queue_depth) && behind > e->settings->thresholds[READINESS_behind] &&
	    behind <= allowed)
		judge_conclude(e, READINESS_behind, behind, VERDICT_READY,
			       "%s: %s, no more than pass within lag_p99 (%s a second).",
			       judge_catalogue[READINESS_behind].what, quantity(is, behind, ""),
			       quantity(second, rate, ""));
	else
		judge_value(e, READINESS_behind, isnan(e->in->queue_depth) ? NAN : behind, absence(e));
}

static void check_queue(struct evaluation *e)
{
	const struct stats_histogram *lag = &e->in->delta->lag;
	double guessed = share(e->in->delta->guessed_lags.value,
			       max_of(0, (double)lag->count - e->in->delta->guessed_lags.value));

	if (guessed > GUESSED_MOST) {
		too_alike(e, READINESS_queue_growth, growth(e->in), guessed);
		too_alike(e, READINESS_lag_p99, quantile_of_histogram(lag, 0.99) / 1e6, guessed);
		too_alike(e, READINESS_behind, e->in->queue_depth + e->in->unanswered, guessed);
		return;
	}
	check_behind(e);
	judge_value(e, READINESS_queue_growth, growth(e->in), absence(e));
	judge_quantile(e, READINESS_lag_p99, quantile_of_histogram(lag, 0.99) / 1e6, lag->count, P99_SAMPLES);
}

/* The ratio at that quantile; a difference that does no harm passes, whatever its ratio. */
static void judge_latency(struct evaluation *e, enum readiness_check_id id, double q, double ratio,
			  double samples, double needed)
{
	double mirror = quantile_of_histogram(&e->in->delta->mirror.duration, q) / 1e6;
	double primary = quantile_of_histogram(&e->in->delta->primary.duration, q) / 1e6;
	double harmless = e->settings->latency_harmless_us / 1e6;
	char is[QUANTITY_MAX], more[QUANTITY_MAX], most[QUANTITY_MAX];

	if (samples >= needed && !judge_holds(e, id, ratio) && mirror - primary < harmless)
		judge_conclude(e, id, ratio, VERDICT_READY,
			       "%s: %s, but only %s more; differences below %s do no harm.",
			       judge_catalogue[id].what, quantity(is, ratio, "x"),
			       quantity(more, mirror - primary, "s"), quantity(most, harmless, "s"));
	else
		judge_quantile(e, id, ratio, samples, needed);
}

static void check_latency(struct evaluation *e)
{
	const struct stats_histogram *mirror = &e->in->delta->mirror.duration;
	const struct stats_histogram *primary = &e->in->delta->primary.duration;
	const struct stats_ratio *ratio = &e->in->delta->latency_ratio;
	double base = quantile_of_histogram(primary, 0.99);

	judge_latency(e, READINESS_latency_p50, 0.5, quantile_of_ratio(ratio, 0.5), ratio->count,
		      MEDIAN_SAMPLES);
	judge_latency(e, READINESS_latency_p99, 0.99,
		      base > 0 ? quantile_of_histogram(mirror, 0.99) / base : NAN,
		      mirror->count < primary->count ? mirror->count : primary->count, P99_SAMPLES);
}

static void check_pairs(struct evaluation *e)
{
	const struct stats_cluster *d = e->in->delta;
	double pairs = d->compared.value;
	double rows = (double)d->divergences.rows + d->divergences.result - d->noisy_divergences.value +
		      e->in->faults.revoked;
	double sure = max_of(0, rows - e->in->faults.open);

	judge_rate(e, READINESS_error_divergence,
		   (double)d->divergences.primary_only_error + d->divergences.mirror_only_error +
		       d->divergences.sqlstate,
		   pairs);
	judge_rate(e, READINESS_row_divergence, max_of(0, rows), pairs);
	if (e->out->checks[READINESS_row_divergence].verdict == VERDICT_NOT_READY &&
	    !judge_proven(e, READINESS_row_divergence, sure, pairs))
		judge_conclude(
		    e, READINESS_row_divergence, 100 * rows / pairs, VERDICT_INSUFFICIENT_DATA,
		    "%s: %.0f of %.0f differ, of which %.0f may do so lawfully: they have not been "
		    "repeated on both "
		    "sides often enough to tell.",
		    judge_catalogue[READINESS_row_divergence].what, rows, pairs, rows - sure);
}

/* Whether enough of the pairs ran in the same context on both sides. */
static void check_comparable(struct evaluation *e)
{
	const struct stats_COMPARABLE *not = &e->in->delta->not_comparable;
	double value = share(e->in->delta->compared.value, (double)not ->context + not ->unknown_context);

	if (e->in->faults.uncompared && !isnan(value))
		judge_conclude(e, READINESS_comparable, value, VERDICT_INSUFFICIENT_DATA,
			       "%s: none at all of %zu statements that both sides ran; %s.",
			       judge_catalogue[READINESS_comparable].what, e->in->faults.uncompared,
			       judge_catalogue[READINESS_comparable].advice);
	else
		judge_value(e, READINESS_comparable, value, VERDICT_INSUFFICIENT_DATA);
}

static void check_sides(struct evaluation *e)
{
	double early = e->in->delta->early_lags.value;
	double pairs = e->in->delta->matched.value;

	if (pairs > 0 && pairs < SHARE_SAMPLES)
		judge_quantile(e, READINESS_sides, share(early, pairs - early), pairs, SHARE_SAMPLES);
	else
		judge_value(e, READINESS_sides, share(early, max_of(0, pairs - early)), VERDICT_NOT_READY);
}

/* ---------------------------------------------------------------------------------------------- the cause */

#define TEXT_SHOWN 100

/* One statement that is broken, in words: what else fails because of it is said to. */
static void check_classes(struct evaluation *e)
{
	const struct top_faults *faults = &e->in->faults;
	char reason[CLASS_REASON_MAX];

	if (!faults->worst || faults->broken <= e->settings->thresholds[READINESS_broken_classes]) {
		if (faults->doubtful)
			judge_conclude(
			    e, READINESS_broken_classes, faults->broken, VERDICT_INSUFFICIENT_DATA,
			    "%zu statements differ, and whether lawfully is not known, since neither side "
			    "has repeated them: /statements names them, ignore_fingerprints excuses.",
			    faults->doubtful);
		else
			judge_value(e, READINESS_broken_classes, faults->broken, VERDICT_NOT_READY);
		return;
	}
	judge_conclude(e, READINESS_broken_classes, faults->broken, VERDICT_NOT_READY, "%.*s %s%s.",
		       TEXT_SHOWN, faults->worst->text, class_reason(faults->worst, reason),
		       faults->broken > 1 ? "; and others, see /statements" : "");
}

static bool fails(const struct evaluation *e, enum readiness_check_id id)
{
	return e->out->checks[id].verdict == VERDICT_NOT_READY;
}

static void explain(struct evaluation *e, enum readiness_check_id id, double by_class, double bad)
{
	struct readiness_check *check = &e->out->checks[id];
	size_t len = strlen(check->reason);

	if (fails(e, id) && bad > 0 && by_class * 2 >= bad)
		snprintf(check->reason + len, sizeof(check->reason) - len, " Explained by broken_classes.");
}

/* What fails because of the one statement that broken_classes names. */
static void explain_checks(struct evaluation *e)
{
	const struct stats_DIVERGENCE *d = &e->in->delta->divergences;
	const struct class_record *worst = e->in->faults.worst;
	double errors, failed = e->in->delta->failures.query_execution;

	if (!worst || !fails(e, READINESS_broken_classes))
		return;
	errors = class_errors(worst);
	explain(e, READINESS_error_divergence, errors,
		(double)d->mirror_only_error + d->primary_only_error + d->sqlstate);
	explain(e, READINESS_query_failures, errors, failed);
	explain(e, READINESS_success_rate, errors, failed);
	explain(e, READINESS_row_divergence, class_excess(worst), (double)d->rows + d->result);
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
	check_comparable(&e);
	check_sides(&e);
	check_latency(&e);
	check_classes(&e);
	explain_checks(&e);
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
