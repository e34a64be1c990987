/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "stats/stats.h"
#include "support/judged.h"
#include "verdict/quantile.h"

/* 7,000 of 18,000 have not arrived and are not given up either: neither good nor bad, until later ones
 * arrive. */
static void what_is_undecided_bounds_the_share_from_both_sides(void **state)
{
	struct stats_cluster delta;
	struct readiness_input input = healthy(&delta);
	struct readiness out;

	(void)state;
	input.arrivals = (struct match_arrivals){.sent = 18000, .arrived = 11000, .young = 7000};
	assert_int_equal(check_of(&input, READINESS_mirrored, &out),
			 VERDICT_READY); /* it may come at any moment */
	input.arrivals.young = 0;
	assert_int_equal(check_of(&input, READINESS_mirrored, &out), VERDICT_INSUFFICIENT_DATA);
	assert_true(out.checks[READINESS_mirrored].value < 62);
	input.arrivals.overtaken = 7000;
	assert_int_equal(check_of(&input, READINESS_mirrored, &out), VERDICT_NOT_READY);
	input.arrivals = (struct match_arrivals){.sent = 18000, .arrived = 17500, .young = 100};
	assert_int_equal(check_of(&input, READINESS_mirrored, &out), VERDICT_READY); /* even at worst */
	input.arrivals =
	    (struct match_arrivals){.sent = 18000, .arrived = 11000, .evicted = 7000}; /* not known */
	assert_int_equal(check_of(&input, READINESS_mirrored, &out), VERDICT_READY);
}

static void a_mirror_that_is_down_now_fails_at_once(void **state)
{
	struct stats_cluster delta;
	struct readiness_input input = healthy(&delta);
	struct readiness out;

	(void)state;
	input.down_s = 9;
	assert_int_equal(check_of(&input, READINESS_mirror_down, &out), VERDICT_READY);
	input.down_s = 11;
	assert_int_equal(check_of(&input, READINESS_mirror_down, &out), VERDICT_NOT_READY);
}

static void what_is_sent_and_unanswered_is_behind_too(void **state)
{
	struct stats_cluster delta;
	struct readiness_input input = healthy(&delta);
	struct readiness out;

	(void)state;
	input.queue_depth = 0;
	input.unanswered = 1296; /* at 28 a second some 140 are no more than 5 s */
	assert_int_equal(check_of(&input, READINESS_behind, &out), VERDICT_NOT_READY);
	input.unanswered = 120;
	assert_int_equal(check_of(&input, READINESS_behind, &out), VERDICT_READY);
	input.queue_depth = NAN;
	assert_int_equal(check_of(&input, READINESS_behind, &out), VERDICT_INSUFFICIENT_DATA);
}

static void swapped_sides_are_told(void **state)
{
	struct stats_cluster delta;
	struct readiness_input input = healthy(&delta);
	struct readiness out;

	(void)state;
	delta.early_lags.value = 11045;
	assert_int_equal(check_of(&input, READINESS_sides, &out), VERDICT_READY);
	delta.early_lags.value = delta.matched.value = 11045;
	assert_int_equal(check_of(&input, READINESS_sides, &out), VERDICT_NOT_READY);
	assert_non_null(strstr(out.checks[READINESS_sides].reason, "swapped"));
}

static void pairs_of_other_contexts_are_no_evidence(void **state)
{
	struct stats_cluster delta;
	struct readiness_input input = healthy(&delta);
	struct readiness out;

	(void)state;
	delta.not_comparable.context = 20000; /* of 120,000 */
	assert_int_equal(check_of(&input, READINESS_comparable, &out), VERDICT_INSUFFICIENT_DATA);
	delta.not_comparable.context = 5000;
	assert_int_equal(check_of(&input, READINESS_comparable, &out), VERDICT_READY);
	input.faults.uncompared = 1; /* of one statement none could be */
	assert_int_equal(check_of(&input, READINESS_comparable, &out), VERDICT_INSUFFICIENT_DATA);
}

static void differences_below_a_millisecond_do_no_harm(void **state)
{
	struct stats_cluster delta;
	struct readiness_input input = healthy(&delta);
	struct readiness_settings settings;
	struct readiness out;

	(void)state;
	memset(&delta.primary.duration.buckets, 0, sizeof(delta.primary.duration.buckets));
	memset(&delta.mirror.duration.buckets, 0, sizeof(delta.mirror.duration.buckets));
	*stats_cell(&delta.primary.duration.buckets, 0) = *stats_cell(&delta.mirror.duration.buckets, 2) =
	    100000;
	memset(&delta.latency_ratio, 0, sizeof(delta.latency_ratio));
	for (int i = 0; i < 100; i++)
		ratio_add(&delta.latency_ratio, 540, 100);
	assert_int_equal(check_of(&input, READINESS_latency_p99, &out), VERDICT_READY);
	assert_int_equal(out.checks[READINESS_latency_p50].verdict, VERDICT_READY);
	assert_non_null(strstr(out.checks[READINESS_latency_p50].reason, "do no harm"));
	readiness_defaults(&settings);
	settings.latency_harmless_us = 100;
	readiness_evaluate(&settings, &input, &out);
	assert_int_equal(out.checks[READINESS_latency_p99].verdict, VERDICT_NOT_READY);
	assert_int_equal(out.checks[READINESS_latency_p50].verdict, VERDICT_NOT_READY);
}

static void one_broken_statement_fails_by_itself_and_is_named_first(void **state)
{
	struct class_record broken = {
	    .text = "SELECT rare($1)", .compared = 3, .divergences = {.mirror_only_error = 3}};
	struct stats_cluster delta;
	struct readiness_input input = healthy(&delta);
	struct readiness out;

	(void)state;
	strcpy(broken.mirror_sqlstate, "42883");
	input.faults = (struct top_faults){.broken = 1, .worst = &broken};
	assert_int_equal(check_of(&input, READINESS_broken_classes, &out), VERDICT_NOT_READY);
	assert_string_equal(out.checks[0].reason,
			    "SELECT rare($1) fails on the mirror only (42883), 3 of 3 times.");
	broken.divergences.mirror_only_error = delta.divergences.mirror_only_error = 3000;
	check_of(&input, 0, &out);
	assert_non_null(strstr(out.checks[READINESS_error_divergence].reason, "Explained by broken_classes"));
	broken = (struct class_record){.text = "SELECT now()"};
	input.faults = (struct top_faults){.doubtful = 1, .worst = &broken};
	assert_int_equal(check_of(&input, READINESS_broken_classes, &out), VERDICT_INSUFFICIENT_DATA);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_undecided_bounds_the_share_from_both_sides),
	    cmocka_unit_test(a_mirror_that_is_down_now_fails_at_once),
	    cmocka_unit_test(what_is_sent_and_unanswered_is_behind_too),
	    cmocka_unit_test(swapped_sides_are_told),
	    cmocka_unit_test(pairs_of_other_contexts_are_no_evidence),
	    cmocka_unit_test(differences_below_a_millisecond_do_no_harm),
	    cmocka_unit_test(one_broken_statement_fails_by_itself_and_is_named_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
