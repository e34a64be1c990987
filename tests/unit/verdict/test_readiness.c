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
#include "verdict/readiness.h"

static void a_healthy_mirror_with_enough_evidence_is_ready(void **state)
{
	struct stats_cluster delta;
	struct readiness_input input = healthy(&delta);
	struct readiness out;

	(void)state;
	check_of(&input, 0, &out);
	for (int i = 0; i < READINESS_CHECK_COUNT; i++)
		if (out.checks[i].verdict != VERDICT_READY)
			fail_msg("%s: %s", out.checks[i].name, out.checks[i].reason);
	assert_int_equal(out.verdict, VERDICT_READY);
}

static void nothing_seen_is_insufficient_never_ready(void **state)
{
	struct stats_cluster delta = {0};
	struct readiness_input input = {.delta = &delta,
					.observed_s = 0,
					.queue_depth = NAN,
					.queue_growth = NAN,
					.exposure = NAN,
					.unseen_classes = NAN};
	struct readiness out;

	(void)state;
	check_of(&input, 0, &out);
	assert_int_equal(out.verdict, VERDICT_INSUFFICIENT_DATA);
	assert_true(isnan(readiness_verdict_value(out.verdict)));
}

/* Statements that are too alike tell neither lag nor depth, be the figures good or bad. */
static void guessed_lags_are_no_evidence(void **state)
{
	struct stats_cluster delta;
	struct readiness_input input = healthy(&delta);
	struct readiness out;

	(void)state;
	delta.guessed_lags.value = 1000; /* of 100,000 */
	assert_int_equal(check_of(&input, READINESS_lag_p99, &out), VERDICT_READY);
	delta.guessed_lags.value = 1010;
	assert_int_equal(check_of(&input, READINESS_lag_p99, &out), VERDICT_INSUFFICIENT_DATA);
	assert_int_equal(out.checks[READINESS_queue_growth].verdict, VERDICT_INSUFFICIENT_DATA);
	assert_int_equal(out.verdict, VERDICT_INSUFFICIENT_DATA);
	assert_non_null(strstr(out.checks[READINESS_lag_p99].reason, "too alike"));
	input.queue_growth = 5000;
	assert_int_equal(check_of(&input, READINESS_queue_growth, &out), VERDICT_INSUFFICIENT_DATA);
}

static void a_rate_passes_only_with_three_times_its_inverse_of_trials(void **state)
{
	struct stats_cluster delta;
	struct readiness_input input = healthy(&delta);
	struct readiness out;

	(void)state;
	delta.requests.success = 2999; /* 0.1 %: 3,000 wanted */
	assert_int_equal(check_of(&input, READINESS_success_rate, &out), VERDICT_INSUFFICIENT_DATA);
	delta.requests.success = 3001;
	assert_int_equal(check_of(&input, READINESS_success_rate, &out), VERDICT_READY);
	delta.requests.success = 50;
	delta.requests.failure = delta.failures.query_execution = 1;
	assert_int_equal(check_of(&input, READINESS_success_rate, &out), VERDICT_NOT_READY);
	assert_int_equal(out.checks[READINESS_query_failures].verdict, VERDICT_NOT_READY);
	assert_int_equal(out.verdict, VERDICT_NOT_READY);
}

static void failures_that_the_primary_shares_are_not_held_against_the_mirror(void **state)
{
	struct stats_cluster delta;
	struct readiness_input input = healthy(&delta);
	struct readiness out;

	(void)state;
	delta.requests.failure = delta.failures.query_execution = 5000;
	assert_int_equal(check_of(&input, READINESS_success_rate, &out), VERDICT_NOT_READY);
	delta.excused_failures.query_execution = 5000;
	assert_int_equal(check_of(&input, READINESS_success_rate, &out), VERDICT_READY);
	assert_int_equal(out.checks[READINESS_query_failures].verdict, VERDICT_READY);
}

static void what_was_not_seen_makes_the_data_insufficient(void **state)
{
	struct stats_cluster delta;
	struct readiness_input input = healthy(&delta);
	struct readiness out;

	(void)state;
	input.lost_bytes = 1000000;
	assert_int_equal(check_of(&input, READINESS_coverage, &out), VERDICT_INSUFFICIENT_DATA);
	assert_int_equal(out.verdict, VERDICT_INSUFFICIENT_DATA);
	input = healthy(&delta);
	delta.requests.unknown = 2000;
	assert_int_equal(check_of(&input, READINESS_coverage, &out), VERDICT_INSUFFICIENT_DATA);
	input = healthy(&delta);
	input.encrypted = 1;
	assert_int_equal(check_of(&input, READINESS_encrypted, &out), VERDICT_INSUFFICIENT_DATA);
	input = healthy(&delta);
	delta.mirror.unmatched.no_primary = 10000;
	assert_int_equal(check_of(&input, READINESS_matched, &out), VERDICT_INSUFFICIENT_DATA);
	input = healthy(&delta);
	input.unseen_classes = 1;
	assert_int_equal(check_of(&input, READINESS_unseen_classes, &out), VERDICT_INSUFFICIENT_DATA);
}

static void each_thing_in_the_way_fails_its_own_check(void **state)
{
	struct stats_cluster delta;
	struct readiness_input input = healthy(&delta);
	struct readiness out;

	(void)state;
	delta.divergences.mirror_only_error = 20;
	assert_int_equal(check_of(&input, READINESS_error_divergence, &out), VERDICT_NOT_READY);
	input = healthy(&delta);
	delta.divergences.rows = 200;
	assert_int_equal(check_of(&input, READINESS_row_divergence, &out), VERDICT_NOT_READY);
	input = healthy(&delta);
	input.queue_growth = 5000;
	assert_int_equal(check_of(&input, READINESS_queue_growth, &out), VERDICT_NOT_READY);
	input = healthy(&delta);
	*stats_cell(&delta.lag.buckets, 20) = 2000;
	assert_int_equal(check_of(&input, READINESS_lag_p99, &out), VERDICT_NOT_READY);
	input = healthy(&delta);
	*stats_cell(&delta.mirror.duration.buckets, 12) = 2000;
	assert_int_equal(check_of(&input, READINESS_latency_p99, &out), VERDICT_NOT_READY);
	input = healthy(&delta);
	input.exposure = 0.5;
	input.arrivals = fates(100000, 150000); /* 0.4 */
	assert_int_equal(check_of(&input, READINESS_mirrored, &out), VERDICT_NOT_READY);
	input.arrivals = fates(100000, 104000); /* 0.49 */
	assert_int_equal(check_of(&input, READINESS_mirrored, &out), VERDICT_READY);
}

static void a_silent_mirror_is_not_ready_only_if_it_should_have_got_something(void **state)
{
	struct stats_cluster delta;
	struct readiness_input input = healthy(&delta);
	struct readiness out;

	(void)state;
	input.silent_s = 301;
	assert_int_equal(check_of(&input, READINESS_recent, &out), VERDICT_INSUFFICIENT_DATA);
	input.missed = 1000;
	assert_int_equal(check_of(&input, READINESS_recent, &out), VERDICT_NOT_READY);
	input.silent_s = NAN;
	assert_int_equal(check_of(&input, READINESS_recent, &out), VERDICT_INSUFFICIENT_DATA);
}

static void what_is_absent_is_not_held_against_a_mirror_that_was_not_seen_whole(void **state)
{
	struct stats_cluster delta;
	struct readiness_input input = healthy(&delta);
	struct readiness out;

	(void)state;
	input.silent_s = 301;
	input.missed = 1000;
	input.arrivals = fates(100000, 200000);
	input.queue_growth = 5000;
	assert_int_equal(check_of(&input, READINESS_mirrored, &out), VERDICT_NOT_READY);
	for (int i = 0; i < 3; i++) {
		input.lost_bytes = i == 0 ? 1e6 : 0;
		input.encrypted = i == 1;
		input.unclassified = i == 2;
		assert_int_equal(check_of(&input, READINESS_mirrored, &out), VERDICT_INSUFFICIENT_DATA);
		assert_int_equal(out.checks[READINESS_queue_growth].verdict, VERDICT_INSUFFICIENT_DATA);
		assert_int_equal(out.checks[READINESS_recent].verdict, VERDICT_INSUFFICIENT_DATA);
		assert_int_equal(out.verdict, VERDICT_INSUFFICIENT_DATA);
	}
	delta.requests.failure = delta.failures.query_execution = 5000;
	check_of(&input, 0, &out);
	assert_int_equal(out.verdict, VERDICT_NOT_READY); /* a failure that was seen stays one */
}

static void failures_below_the_threshold_ask_for_more_evidence(void **state)
{
	struct stats_cluster delta;
	struct readiness_input input = healthy(&delta);
	struct readiness out;

	(void)state;
	delta.requests.failure = delta.failures.timeout = 1; /* 0.1 %: 4,730 wanted with one */
	delta.requests.success = 4000;
	assert_int_equal(check_of(&input, READINESS_timeout_failures, &out), VERDICT_INSUFFICIENT_DATA);
	delta.requests.success = 4800;
	assert_int_equal(check_of(&input, READINESS_timeout_failures, &out), VERDICT_READY);
}

static void a_quantile_of_few_samples_proves_nothing(void **state)
{
	struct stats_cluster delta;
	struct readiness_input input = healthy(&delta);
	struct readiness out;

	(void)state;
	delta.lag.count = 299;
	assert_int_equal(check_of(&input, READINESS_lag_p99, &out), VERDICT_INSUFFICIENT_DATA);
	delta.mirror.duration.count = 299;
	assert_int_equal(check_of(&input, READINESS_latency_p99, &out), VERDICT_INSUFFICIENT_DATA);
	delta.latency_ratio.count = 29;
	assert_int_equal(check_of(&input, READINESS_latency_p50, &out), VERDICT_INSUFFICIENT_DATA);
}

/* With a tenth sampled, 1,000 of 10,000 arrive, give or take 30 * 1.645 in 9 of 10 cases. */
static void a_share_that_chance_alone_may_have_made_proves_nothing(void **state)
{
	struct stats_cluster delta;
	struct readiness_input input = healthy(&delta);
	struct readiness out;

	(void)state;
	input.exposure = 0.1;
	input.arrivals = fates(960, 10000 - 960); /* 96 % */
	assert_int_equal(check_of(&input, READINESS_mirrored, &out), VERDICT_INSUFFICIENT_DATA);
	assert_non_null(strstr(out.checks[READINESS_mirrored].reason, "chance"));
	input.arrivals = fates(940, 10000 - 940);
	assert_int_equal(check_of(&input, READINESS_mirrored, &out), VERDICT_INSUFFICIENT_DATA);
	input.arrivals = fates(890, 10000 - 890);
	assert_int_equal(check_of(&input, READINESS_mirrored, &out), VERDICT_NOT_READY);
	input.arrivals = fates(96000, 1000000 - 96000);
	assert_int_equal(check_of(&input, READINESS_mirrored, &out), VERDICT_READY);
	input.exposure = NAN; /* nothing is sampled out */
	input.arrivals = fates(960, 40);
	assert_int_equal(check_of(&input, READINESS_mirrored, &out), VERDICT_READY);
	input.arrivals = fates(150, 40); /* of too few to say */
	assert_int_equal(check_of(&input, READINESS_mirrored, &out), VERDICT_INSUFFICIENT_DATA);
	input.arrivals = fates(150, 50);
	assert_int_equal(check_of(&input, READINESS_mirrored, &out), VERDICT_NOT_READY);
}

static void transaction_control_alone_is_no_evidence(void **state)
{
	struct stats_cluster delta;
	struct readiness_input input = healthy(&delta);
	struct readiness out;

	(void)state;
	delta.matched.value = delta.compared.value = delta.lag.count = delta.latency_ratio.count = 0;
	memset(&delta.lag.buckets, 0, sizeof(delta.lag.buckets));
	memset(&delta.latency_ratio, 0, sizeof(delta.latency_ratio));
	input.queue_depth = input.unseen_classes = NAN;
	check_of(&input, 0, &out);
	assert_int_equal(out.verdict, VERDICT_INSUFFICIENT_DATA);
	assert_int_equal(out.checks[READINESS_matched].verdict, VERDICT_INSUFFICIENT_DATA);
	assert_int_equal(out.checks[READINESS_error_divergence].verdict, VERDICT_INSUFFICIENT_DATA);
}

static void a_queue_that_moves_by_less_than_a_second_of_traffic_does_not_grow(void **state)
{
	struct stats_cluster delta;
	struct readiness_input input = healthy(&delta);
	struct readiness out;

	(void)state;
	delta.matched.value = 3600 * 1000;
	input.queue_growth = 900;
	assert_int_equal(check_of(&input, READINESS_queue_growth, &out), VERDICT_READY);
	input.queue_growth = 1100;
	assert_int_equal(check_of(&input, READINESS_queue_growth, &out), VERDICT_NOT_READY);
	input.queue_growth = NAN; /* fewer than three samples */
	assert_int_equal(check_of(&input, READINESS_queue_growth, &out), VERDICT_INSUFFICIENT_DATA);
}

static void every_way_of_not_having_seen_counts_against_the_coverage(void **state)
{
	struct stats_cluster delta;
	struct readiness_input input = healthy(&delta);
	struct readiness out;

	(void)state;
	delta.primary.statements.unknown = 2000;
	assert_int_equal(check_of(&input, READINESS_coverage, &out), VERDICT_INSUFFICIENT_DATA);
	input = healthy(&delta);
	delta.mirror.attempts.ok = 10;
	input.lost_records = 1;
	assert_int_equal(check_of(&input, READINESS_coverage, &out), VERDICT_INSUFFICIENT_DATA);
	input = healthy(&delta);
	input.unclassified = 1;
	assert_int_equal(check_of(&input, READINESS_unclassified, &out), VERDICT_INSUFFICIENT_DATA);
}

static void the_primarys_own_noise_is_taken_off_the_row_divergences(void **state)
{
	struct stats_cluster delta;
	struct readiness_input input = healthy(&delta);
	struct readiness out;

	(void)state;
	delta.divergences.rows = 5000;
	delta.noisy_divergences.value = 4990;
	assert_int_equal(check_of(&input, READINESS_row_divergence, &out), VERDICT_READY);
	delta.divergences.rows = 6000;
	assert_int_equal(check_of(&input, READINESS_row_divergence, &out), VERDICT_NOT_READY);
}

static void every_check_has_a_name_a_reason_and_its_threshold(void **state)
{
	struct stats_cluster delta;
	struct readiness_input input = healthy(&delta);
	struct readiness_settings settings;
	struct readiness out;

	(void)state;
	readiness_defaults(&settings);
	readiness_evaluate(&settings, &input, &out);
	for (int i = 0; i < READINESS_CHECK_COUNT; i++) {
		assert_non_null(out.checks[i].name);
		assert_true(strlen(out.checks[i].reason) > 10);
		assert_true(strlen(out.checks[i].reason) < sizeof(out.checks[i].reason) - 1);
		assert_true(out.checks[i].threshold == settings.thresholds[i]);
	}
}

static void quantiles_are_linear_inside_a_bucket(void **state)
{
	struct stats_histogram histogram = {0};
	struct stats_ratio ratio = {0};

	(void)state;
	assert_true(isnan(quantile_of_histogram(&histogram, 0.5)));
	*stats_cell(&histogram.buckets, 0) = 10; /* 0..100 us */
	assert_true(fabs(quantile_of_histogram(&histogram, 0.5) - 50) < 1e-9);
	*stats_cell(&histogram.buckets, 1) = 10; /* 100..200 us */
	assert_true(fabs(quantile_of_histogram(&histogram, 0.75) - 150) < 1e-9);
	*stats_cell(&histogram.buckets, STATS_BUCKET_COUNT) = 1000;
	assert_true(fabs(quantile_of_histogram(&histogram, 0.99) - 600e6) < 1e-9);
	assert_int_equal(ratio_bound_ppm(0), 10000);
	assert_int_equal(ratio_bound_ppm(20), 1000000);
	assert_int_equal(ratio_bound_ppm(STATS_RATIO_BUCKET_COUNT - 1), 10000000000);
	ratio_add(&ratio, 3, 2);
	assert_true(quantile_of_ratio(&ratio, 0.5) > 1.25 && quantile_of_ratio(&ratio, 0.5) <= 1.6);
	ratio_add(&ratio, 3, 0);
	assert_int_equal(ratio.count, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_healthy_mirror_with_enough_evidence_is_ready),
	    cmocka_unit_test(nothing_seen_is_insufficient_never_ready),
	    cmocka_unit_test(guessed_lags_are_no_evidence),
	    cmocka_unit_test(a_rate_passes_only_with_three_times_its_inverse_of_trials),
	    cmocka_unit_test(failures_that_the_primary_shares_are_not_held_against_the_mirror),
	    cmocka_unit_test(what_was_not_seen_makes_the_data_insufficient),
	    cmocka_unit_test(each_thing_in_the_way_fails_its_own_check),
	    cmocka_unit_test(a_silent_mirror_is_not_ready_only_if_it_should_have_got_something),
	    cmocka_unit_test(what_is_absent_is_not_held_against_a_mirror_that_was_not_seen_whole),
	    cmocka_unit_test(failures_below_the_threshold_ask_for_more_evidence),
	    cmocka_unit_test(a_quantile_of_few_samples_proves_nothing),
	    cmocka_unit_test(a_share_that_chance_alone_may_have_made_proves_nothing),
	    cmocka_unit_test(transaction_control_alone_is_no_evidence),
	    cmocka_unit_test(a_queue_that_moves_by_less_than_a_second_of_traffic_does_not_grow),
	    cmocka_unit_test(every_way_of_not_having_seen_counts_against_the_coverage),
	    cmocka_unit_test(the_primarys_own_noise_is_taken_off_the_row_divergences),
	    cmocka_unit_test(every_check_has_a_name_a_reason_and_its_threshold),
	    cmocka_unit_test(quantiles_are_linear_inside_a_bucket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
