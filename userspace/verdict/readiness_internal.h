/* SPDX-License-Identifier: MIT */
/* readiness_internal - shared by readiness.c (the checks) and readiness_judge.c (how one of them is decided).
 */
#ifndef MO_READINESS_INTERNAL_H
#define MO_READINESS_INTERNAL_H

#include "verdict/readiness.h"

#define ONE_IN_TWENTY 1.645 /* standard deviations that chance exceeds so often, to one side */

enum compare { AT_LEAST, AT_MOST };

struct judge_row {
	const char *name, *unit, *what, *advice;
	enum compare compare;
};
extern const struct judge_row judge_catalogue[READINESS_CHECK_COUNT];

struct evaluation {
	const struct readiness_settings *settings;
	const struct readiness_input *in;
	struct readiness *out;
};

__attribute__((format(printf, 5, 6))) void judge_conclude(struct evaluation *e, enum readiness_check_id id,
							  double value, enum verdict verdict,
							  const char *reason, ...);
/* After judge_conclude(): how far the evidence is. */
void judge_progress(struct evaluation *e, enum readiness_check_id id, double have, double need);
bool judge_holds(const struct evaluation *e, enum readiness_check_id id, double value);
/* Compares value with the threshold; miss is the verdict when it does not hold. */
void judge_value(struct evaluation *e, enum readiness_check_id id, double value, enum verdict miss);
/* The share of bad ones is above what is allowed by more than chance. */
bool judge_proven(const struct evaluation *e, enum readiness_check_id id, double bad, double trials);
/* A rate in percent of `trials`, which chance must not have made: neither the bad nor the good one. */
void judge_rate(struct evaluation *e, enum readiness_check_id id, double bad, double trials);
/* A figure that is only believed from `needed` samples on, good or bad. */
void judge_quantile(struct evaluation *e, enum readiness_check_id id, double value, double samples,
		    double needed);

#endif
