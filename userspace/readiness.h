/* SPDX-License-Identifier: MIT */
/*
 * readiness - the verdict: may I switch over now, and if not, what is in the way?
 *
 * Pure: figures of one cluster over the readiness window in, named checks out. A check that fails makes the
 * cluster not_ready; one that lacks evidence makes it insufficient_data unless another fails; ready needs
 * every check to pass.
 *
 * Evidence: a rate of at most p is only believed after 3/p trials without more failures than p allows (the
 * "rule of three": with fewer, a true rate above p could still have shown none with a probability of 5 %).
 */
#ifndef MO_READINESS_H
#define MO_READINESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stats_layout.h"

enum verdict { VERDICT_READY, VERDICT_NOT_READY, VERDICT_INSUFFICIENT_DATA };

/*
 * One line for each check: CHECK(name, compare, default, unit, what). name is the label value, the key below
 * `readiness:` in the configuration and the JSON name. compare: AT_LEAST or AT_MOST the threshold.
 */
#define READINESS_CHECKS(CHECK)                                                                             \
	CHECK(observed, AT_LEAST, 1800, "s", "time observed within the window")                             \
	CHECK(statements, AT_LEAST, 1000, "statements", "statements answered by the mirror")                \
	CHECK(coverage, AT_LEAST, 99.9, "%", "share of the mirror's requests and bytes that was seen")      \
	CHECK(encrypted, AT_MOST, 0, "connections", "backend connections that cannot be read")              \
	CHECK(matched, AT_LEAST, 95, "%", "share of the mirror's statements whose twin was found")          \
	CHECK(mirrored, AT_LEAST, 95, "%", "share of the expected primary statements that arrived")         \
	CHECK(success_rate, AT_LEAST, 99.9, "%", "requests on the mirror that succeeded")                   \
	CHECK(connection_failures, AT_MOST, 0.1, "%", "requests that failed by connection")                 \
	CHECK(timeout_failures, AT_MOST, 0.1, "%", "requests that failed by timeout")                       \
	CHECK(query_failures, AT_MOST, 0.1, "%", "requests that failed by an error of the statement")       \
	CHECK(queue_growth, AT_MOST, 100, "statements", "growth of the queue over the window")              \
	CHECK(lag_p99, AT_MOST, 5, "s", "99th percentile of the mirror lag")                                \
	CHECK(error_divergence, AT_MOST, 0.01, "%", "pairs of which one side failed or failed differently") \
	CHECK(row_divergence, AT_MOST, 0.1, "%", "pairs whose row counts or results differ")                \
	CHECK(latency_p50, AT_MOST, 1.5, "x", "median of mirror duration by primary duration")              \
	CHECK(latency_p99, AT_MOST, 2, "x", "mirror's 99th percentile of duration by the primary's")        \
	CHECK(unseen_classes, AT_MOST, 0, "statements", "statements of the primary never seen on the mirror")

enum readiness_check_id {
#define READINESS_ENUM(name, compare, value, unit, what) READINESS_##name,
	READINESS_CHECKS(READINESS_ENUM)
#undef READINESS_ENUM
	    READINESS_CHECK_COUNT,
};

struct readiness_settings {
	uint64_t window_us; /* default 1 h */
	double thresholds[READINESS_CHECK_COUNT];
};

/* One cluster over the window. Figures that do not exist are NaN. */
struct readiness_input {
	double observed_s; /* watched within the window: attached, and not reset since */
	const struct stats_cluster
	    *delta;            /* what the counters grew by within the window; gauges as they are now */
	double lost_bytes;     /* of observed connections, within the window, all clusters */
	double queue_depth;    /* now */
	double queue_growth;   /* statements over the window, fitted to samples of the depth */
	double mirrored_share; /* r: of the primary's statements, learned */
	double exposure;       /* what the proxy was told to sample; NaN = not configured */
	double unseen_classes; /* statement classes seen often enough on the primary, never on the mirror */
};

struct readiness_check {
	const char *name, *unit;
	enum verdict verdict;
	double value; /* NaN where there is none */
	double threshold;
	bool at_least;    /* the value must be at least the threshold, else at most */
	char reason[256]; /* one sentence */
};

struct readiness {
	enum verdict verdict;
	struct readiness_check checks[READINESS_CHECK_COUNT];
};

void readiness_defaults(struct readiness_settings *settings);
void readiness_evaluate(const struct readiness_settings *settings, const struct readiness_input *input,
			struct readiness *out);
/* "ready", "not_ready", "insufficient_data". */
const char *readiness_verdict_name(enum verdict verdict);
/* 1, 0, NaN: the value of the metrics. */
double readiness_verdict_value(enum verdict verdict);

#endif
