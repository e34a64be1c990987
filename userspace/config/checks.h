/* SPDX-License-Identifier: MIT */
/*
 * checks - the verdict's checks by name, with what each wants by default. From this one table come the keys
 * below `readiness:` in the configuration and the labels of pgdog_mirror_ready_check; verdict/readiness.c
 * decides them.
 */
#ifndef MO_CHECKS_H
#define MO_CHECKS_H

#include <stdint.h>

/*
 * One line for each check: CHECK(name, compare, default, unit, what, advice). name is the label value, the
 * key below `readiness:` in the configuration and the JSON name. compare: AT_LEAST or AT_MOST the threshold.
 * docs/migration-readiness.md has a section for each.
 */
#define READINESS_CHECKS(CHECK)                                                                              \
	CHECK(broken_classes, AT_MOST, 0, "statements",                                                      \
	      "Statements that always fail or differ, or mostly do", "/statements names them")               \
	CHECK(mirror_down, AT_MOST, 10, "s", "Time for which the mirror has been down by now",               \
	      "see whether the mirror runs and the proxy can connect to it")                                 \
	CHECK(observed, AT_LEAST, 1800, "s", "Time observed", "keep observing")                              \
	CHECK(statements, AT_LEAST, 1000, "statements", "Statements answered by the mirror",                 \
	      "wait for more traffic, or see why the mirror gets so little")                                 \
	CHECK(recent, AT_MOST, 300, "s", "Time since the mirror's last answer",                              \
	      "see whether the proxy runs and still mirrors, and whether the mirror answers")                \
	CHECK(coverage, AT_LEAST, 99.9, "%", "Requests, statements, bytes and connects that were seen",      \
	      "raise ring_bytes if mirror_observer_lost_bytes_total grows, and see what ends as unknown")    \
	CHECK(encrypted, AT_MOST, 0, "connections",                                                          \
	      "Backend connections that are encrypted and cannot be read",                                   \
	      "have the proxy connect to both servers without TLS")                                          \
	CHECK(unclassified, AT_MOST, 0, "connections", "Connections of which the cluster is not known",      \
	      "have the proxy connect anew, so that its start-up packets are seen")                          \
	CHECK(sides, AT_MOST, 50, "%", "Pairs whose statement reached the mirror before the primary",        \
	      "primary and mirror are swapped in the configuration")                                         \
	CHECK(matched, AT_LEAST, 95, "%", "Statements on the mirror whose twin on the primary was found",    \
	      "see whether primary and database are the right ones and their connections can be read")       \
	CHECK(mirrored, AT_LEAST, 95, "%", "Primary statements that arrived, of those expected",             \
	      "the proxy drops or samples: give it a longer queue, or set exposure to what it was told")     \
	CHECK(success_rate, AT_LEAST, 99.9, "%", "Requests on the mirror that succeeded",                    \
	      "see the failures by type, and /statements")                                                   \
	CHECK(connection_failures, AT_MOST, 0.1, "%", "Requests that failed by connection",                  \
	      "see pgdog_mirror_connection_attempts_total and the mirror's own log")                         \
	CHECK(timeout_failures, AT_MOST, 0.1, "%", "Requests that failed by timeout",                        \
	      "look for locks, time limits and slow statements on the mirror")                               \
	CHECK(query_failures, AT_MOST, 0.1, "%", "Requests that failed by an error of a statement",          \
	      "/statements names the statements and the SQLSTATE")                                           \
	CHECK(queue_growth, AT_MOST, 100, "statements", "Growth of the queue over the window",               \
	      "the mirror cannot keep up: find out what makes it slow, or give the proxy more connections "  \
	      "to it")                                                                                       \
	CHECK(behind, AT_MOST, 100, "statements",                                                            \
	      "Statements on their way to the mirror or unanswered there",                                   \
	      "the mirror has not caught up: wait, or find out what makes it slow")                          \
	CHECK(lag_p99, AT_MOST, 5, "s", "99th percentile of the mirror's lag",                               \
	      "the mirror, or the proxy's pool for it, is too slow for the traffic")                         \
	CHECK(comparable, AT_LEAST, 90, "%", "Pairs that ran in the same context and were compared",         \
	      "see pgdog_mirror_not_comparable_total: settings of the sessions differ, or were made before " \
	      "the observer came")                                                                           \
	CHECK(error_divergence, AT_MOST, 0.01, "%",                                                          \
	      "Pairs of which one side alone failed, or failed otherwise",                                   \
	      "/statements names them and the SQLSTATE")                                                     \
	CHECK(row_divergence, AT_MOST, 0.1, "%", "Pairs whose row counts or results differ, beyond noise",   \
	      "/statements names them; see whether the data was copied completely")                          \
	CHECK(latency_p50, AT_MOST, 1.5, "x", "Median of a statement's time on the mirror by its primary's", \
	      "compare the two servers' hardware, settings and distance")                                    \
	CHECK(latency_p99, AT_MOST, 2, "x", "99th percentile of the time on the mirror by the primary's",    \
	      "/statements names the slower ones: look for missing indexes and statistics")                  \
	CHECK(unseen_classes, AT_MOST, 0, "statements",                                                      \
	      "Statements of the primary that the mirror never got",                                         \
	      "/statements names them; wait until they were mirrored, or see why they are not")

enum readiness_check_id {
#define READINESS_ENUM(name, compare, value, unit, what, advice) READINESS_##name,
	READINESS_CHECKS(READINESS_ENUM)
#undef READINESS_ENUM
	    READINESS_CHECK_COUNT,
};

struct readiness_settings {
	uint64_t window_us;           /* default 1 h */
	uint64_t latency_harmless_us; /* a difference that does no harm; default 1 ms */
	double thresholds[READINESS_CHECK_COUNT];
};

void readiness_defaults(struct readiness_settings *settings);

#endif
