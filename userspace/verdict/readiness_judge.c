/* SPDX-License-Identifier: MIT */
/* How one check is decided: a value against its threshold, with the evidence that it takes. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/quantity.h"
#include "verdict/chance.h"
#include "verdict/readiness_internal.h"

#define TRIALS_FOR_NONE 3000 /* where a threshold allows none at all */

const struct judge_row judge_catalogue[READINESS_CHECK_COUNT] = {
#define READINESS_ROW(name, compare, value, unit, what, advice) {#name, unit, what, advice, compare},
    READINESS_CHECKS(READINESS_ROW)
#undef READINESS_ROW
};

void judge_conclude(struct evaluation *e, enum readiness_check_id id, double value, enum verdict verdict,
		    const char *reason, ...)
{
	struct readiness_check *check = &e->out->checks[id];
	va_list args;

	check->name = judge_catalogue[id].name;
	check->unit = judge_catalogue[id].unit;
	check->at_least = judge_catalogue[id].compare == AT_LEAST;
	check->threshold = e->settings->thresholds[id];
	check->value = value;
	check->verdict = verdict;
	check->have = check->need = NAN;
	va_start(args, reason);
	vsnprintf(check->reason, sizeof(check->reason), reason, args);
	va_end(args);
}

/* After judge_conclude(): how far the evidence is. */
void judge_progress(struct evaluation *e, enum readiness_check_id id, double have, double need)
{
	e->out->checks[id].have = have;
	e->out->checks[id].need = need;
}

bool judge_holds(const struct evaluation *e, enum readiness_check_id id, double value)
{
	double threshold = e->settings->thresholds[id];

	return judge_catalogue[id].compare == AT_LEAST ? value >= threshold : value <= threshold;
}

/* Compares value with the threshold; miss is the verdict when it does not hold. */
void judge_value(struct evaluation *e, enum readiness_check_id id, double value, enum verdict miss)
{
	const char *what = judge_catalogue[id].what, *unit = judge_catalogue[id].unit;
	const char *bound = judge_catalogue[id].compare == AT_LEAST ? "at least" : "at most";
	double threshold = e->settings->thresholds[id];
	char is[QUANTITY_MAX], wanted[QUANTITY_MAX];

	if (isnan(value))
		judge_conclude(e, id, value, VERDICT_INSUFFICIENT_DATA, "%s: nothing seen yet, %s %s wanted.",
			       what, bound, quantity(wanted, threshold, unit));
	else if (judge_holds(e, id, value))
		judge_conclude(e, id, value, VERDICT_READY, "%s: %s, %s %s wanted.", what,
			       quantity(is, value, unit), bound, quantity(wanted, threshold, unit));
	else
		judge_conclude(e, id, value, miss, "%s: %s, %s %s wanted; %s.", what,
			       quantity(is, value, unit), bound, quantity(wanted, threshold, unit),
			       judge_catalogue[id].advice);
}

/* With k failures seen, a greater expected number would have shown more of them with a probability of 95 %
 * (upper limit of the Poisson distribution, by Wilson and Hilferty's approximation). */
static double upper_limit(double k)
{
	double n = k + 1, root = 1 - 1 / (9 * n) + ONE_IN_TWENTY / (3 * sqrt(n));

	return k > 0 ? n * root * root * root : 3;
}

/* The share of bad ones is above what is allowed by more than chance. */
bool judge_proven(const struct evaluation *e, enum readiness_check_id id, double bad, double trials)
{
	double threshold = e->settings->thresholds[id];
	double allowed = judge_catalogue[id].compare == AT_LEAST ? 100 - threshold : threshold;

	return 100 * chance_share_at_least(bad, trials) > allowed;
}

/* A rate in percent of `trials`, which chance must not have made: neither the bad nor the good one. */
void judge_rate(struct evaluation *e, enum readiness_check_id id, double bad, double trials)
{
	bool least = judge_catalogue[id].compare == AT_LEAST;
	double threshold = e->settings->thresholds[id];
	double allowed = least ? 100 - threshold : threshold;
	double value = trials > 0 ? 100 * (least ? trials - bad : bad) / trials : NAN;
	double needed = allowed > 0 ? upper_limit(bad) * 100 / allowed : TRIALS_FOR_NONE;
	char is[QUANTITY_MAX], of[QUANTITY_MAX], wanted[QUANTITY_MAX], enough[QUANTITY_MAX];

	if (trials > 0 && trials < needed && !judge_proven(e, id, bad, trials))
		judge_conclude(e, id, value, VERDICT_INSUFFICIENT_DATA,
			       "%s: %s of %s so far; %s %s is believed after %s without another bad one.",
			       judge_catalogue[id].what, quantity(is, value, judge_catalogue[id].unit),
			       quantity(of, trials, ""), least ? "at least" : "at most",
			       quantity(wanted, threshold, judge_catalogue[id].unit),
			       quantity(enough, ceil(needed), ""));
	else
		judge_value(e, id, value, VERDICT_NOT_READY);
	judge_progress(e, id, trials, ceil(needed));
}

/* A figure that is only believed from `needed` samples on, good or bad. */
void judge_quantile(struct evaluation *e, enum readiness_check_id id, double value, double samples,
		    double needed)
{
	char is[QUANTITY_MAX], of[QUANTITY_MAX], enough[QUANTITY_MAX];

	if (!isnan(value) && samples < needed)
		judge_conclude(e, id, value, VERDICT_INSUFFICIENT_DATA,
			       "%s: %s from %s samples so far; it is believed from %s on.",
			       judge_catalogue[id].what, quantity(is, value, judge_catalogue[id].unit),
			       quantity(of, samples, ""), quantity(enough, needed, ""));
	else
		judge_value(e, id, value, VERDICT_NOT_READY);
	judge_progress(e, id, samples, needed);
}
