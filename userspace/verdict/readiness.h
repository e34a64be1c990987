/* SPDX-License-Identifier: MIT */
/*
 * readiness - the verdict: may I switch over now, and if not, what is in the way?
 *
 * Pure: figures of one cluster over the readiness window in, named checks out. A check that fails makes the
 * cluster not_ready; one that lacks evidence makes it insufficient_data unless another fails; ready needs
 * every check to pass.
 *
 * Evidence: a rate of at most p is only believed once a true rate above p would have shown more failures than
 * were seen with a probability of 95 %: 3/p trials without a failure (the "rule of three"), 4.7/p with one,
 * 6.3/p with two. A 99th percentile takes 300 samples, a median 30. A share that what is undecided could
 * still change is bounded from both sides: it fails when even the best case does, and passes when the worst
 * does.
 */
#ifndef MO_READINESS_H
#define MO_READINESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/checks.h"
#include "match/match.h"
#include "stats/stats_layout.h"
#include "verdict/top.h"

enum verdict { VERDICT_READY, VERDICT_NOT_READY, VERDICT_INSUFFICIENT_DATA };

/* One cluster over the window. Figures that do not exist are NaN. */
struct readiness_input {
	double observed_s; /* watched within the window: attached, and not reset since */
	const struct stats_cluster
	    *delta;          /* what the counters grew by within the window; gauges as they are now */
	double lost_bytes;   /* of observed connections, within the window, all clusters */
	double lost_records; /* opened, failed and closed connections that went unnoticed, likewise */
	double encrypted;    /* the most connections at once within the window that could not be read */
	double unclassified; /* the most connections at once, and failed connects, within the window, that
				may be any cluster's */
	double silent_s;     /* since the mirror's last answer; NaN = none yet */
	double missed;       /* statements that the mirror should have got during that silence */
	double down_s;       /* for how long the mirror has been down by now; 0 = it is not */
	double queue_depth;  /* now */
	double unanswered;   /* sent to the mirror and not answered, now */
	double queue_growth; /* of both, statements over the window, fitted to samples */
	double exposure;     /* what the proxy was told to sample; NaN = not configured */
	struct match_arrivals arrivals; /* of what was sent to the primary within the window */
	struct top_faults faults;       /* of the statement classes */
	double unseen_classes; /* statement classes seen often enough on the primary, never on the mirror */
};

#define READINESS_DIAGNOSIS_MAX 480

struct readiness_check {
	const char *name, *unit;
	enum verdict verdict;
	double value; /* NaN where there is none */
	double threshold;
	bool at_least;     /* the value must be at least the threshold, else at most */
	double have, need; /* trials or samples so far, and from how many on it is believed; NaN where that is
			      not it */
	char
	    reason[400 + READINESS_DIAGNOSIS_MAX]; /* one sentence, behind the diagnosis where there is one */
};

struct readiness {
	enum verdict verdict;
	char diagnosis[READINESS_DIAGNOSIS_MAX]; /* what to look at before any check; "" = nothing */
	struct readiness_check checks[READINESS_CHECK_COUNT];
};

void readiness_evaluate(const struct readiness_settings *settings, const struct readiness_input *input,
			struct readiness *out);
/* Puts a diagnosis in front: it is the first reason, and with a configuration that is wrong nothing can be
 * judged.
 */
void readiness_diagnose(struct readiness *readiness, const char *text, bool wrong);
/* "ready", "not_ready", "insufficient_data". */
const char *readiness_verdict_name(enum verdict verdict);
/* 1, 0, NaN: the value of the metrics. */
double readiness_verdict_value(enum verdict verdict);

#endif
