/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "serve/series.h"

#define BEGIN 1700000040ull /* divisible by 60 */

static struct stats_cluster counters;

static void tick(struct series *series, uint64_t at)
{
	const struct series_input input = {
	    .stats = &counters, .queue_depth = 7, .lost_bytes = 0, .verdict = VERDICT_READY};

	series_tick(series, at, &input);
}

static struct series *begin(void)
{
	struct series *series;

	memset(&counters, 0, sizeof(counters));
	assert_int_equal(series_new(&series), 0);
	return series;
}

static float value(const struct series *series, int tier, enum series_id id, uint64_t end)
{
	return series_value(series, tier, id, end);
}

static void a_point_is_what_the_counters_grew_by_within_it(void **state)
{
	struct series *series = begin();

	(void)state;
	counters.requests.success = 1000; /* of before: no part of any point */
	tick(series, BEGIN);
	counters.requests.success += 5;
	counters.failures.timeout += 2;
	counters.requests.failure += 2;
	tick(series, BEGIN + 1);
	counters.requests.success += 7;
	tick(series, BEGIN + 2);
	assert_true(value(series, SERIES_5M, SERIES_success, BEGIN + 1) == 5);
	assert_true(value(series, SERIES_5M, SERIES_timeout_failures, BEGIN + 1) == 2);
	assert_true(value(series, SERIES_5M, SERIES_coverage, BEGIN + 1) == 100);
	assert_true(value(series, SERIES_5M, SERIES_success, BEGIN + 2) == 7);
	assert_true(value(series, SERIES_5M, SERIES_queue_depth, BEGIN + 2) == 7);
	assert_true(isnan(value(series, SERIES_5M, SERIES_success, BEGIN)));
	assert_true(isnan(value(series, SERIES_5M, SERIES_success, BEGIN + 3)));
	assert_int_equal(series_end(series, SERIES_5M), BEGIN + 2);
	series_free(&series);
}

/* A rate over ten seconds and over a minute is the mean of its seconds. */
static void coarser_points_hold_the_same_growth(void **state)
{
	struct series *series = begin();

	(void)state;
	for (uint64_t s = 0; s <= 60; s++) {
		tick(series, BEGIN + s);
		counters.requests.success += s < 30 ? 10 : 20;
	}
	assert_true(value(series, SERIES_2H, SERIES_success, BEGIN + 10) == 10);
	assert_true(value(series, SERIES_2H, SERIES_success, BEGIN + 60) == 20);
	assert_true(value(series, SERIES_24H, SERIES_success, BEGIN + 60) == 15);
	series_free(&series);
}

static void quantiles_are_of_the_point_alone(void **state)
{
	struct series *series = begin();

	(void)state;
	for (int i = 0; i < 1000; i++)
		stats_histogram_add(&counters.lag, 400000000); /* of before */
	tick(series, BEGIN);
	for (int i = 0; i < 100; i++)
		stats_histogram_add(&counters.lag, 1500);
	tick(series, BEGIN + 1);
	tick(series, BEGIN + 2);
	assert_true(value(series, SERIES_5M, SERIES_lag_p99, BEGIN + 1) > 0.001f);
	assert_true(value(series, SERIES_5M, SERIES_lag_p99, BEGIN + 1) <= 0.002f);
	assert_true(isnan(value(series, SERIES_5M, SERIES_lag_p99, BEGIN + 2))); /* without a sample */
	series_free(&series);
}

static void time_without_a_tick_is_unknown_and_not_zero(void **state)
{
	struct series *series = begin();

	(void)state;
	for (uint64_t s = 0; s <= 5; s++)
		tick(series, BEGIN + s);
	counters.requests.success += 1000;
	for (uint64_t s = 15; s <= 20; s++)
		tick(series, BEGIN + s);
	assert_true(value(series, SERIES_5M, SERIES_success, BEGIN + 5) == 0);
	for (uint64_t s = 6; s <= 15; s++)
		assert_true(isnan(value(series, SERIES_5M, SERIES_success, BEGIN + s)));
	assert_true(value(series, SERIES_5M, SERIES_success, BEGIN + 16) == 0);
	series_free(&series);
}

static void what_is_older_than_a_tier_reaches_is_gone(void **state)
{
	struct series *series = begin();
	uint64_t s;

	(void)state;
	for (s = 0; s <= 400; s++)
		tick(series, BEGIN + s);
	assert_true(isnan(value(series, SERIES_5M, SERIES_success, BEGIN + 100)));
	assert_true(value(series, SERIES_5M, SERIES_success, BEGIN + 101) == 0);
	assert_true(value(series, SERIES_2H, SERIES_success, BEGIN + 100) == 0);
	/* After days without a tick nothing of before is taken for now. */
	tick(series, BEGIN + 10 * 86400);
	tick(series, BEGIN + 10 * 86400 + 1);
	for (uint64_t back = 1; back < 300; back++)
		assert_true(isnan(value(series, SERIES_5M, SERIES_success, BEGIN + 10 * 86400 + 1 - back)));
	series_free(&series);
}

/* The clock may be set: no crash, no figure of the future, and it goes on. */
static void a_clock_that_is_set_back_begins_anew(void **state)
{
	struct series *series = begin();

	(void)state;
	for (uint64_t s = 0; s <= 100; s++)
		tick(series, BEGIN + s);
	for (uint64_t s = 0; s <= 3; s++)
		tick(series, BEGIN - 1000 + s);
	assert_int_equal(series_end(series, SERIES_5M), BEGIN - 997);
	assert_true(value(series, SERIES_5M, SERIES_success, BEGIN - 997) == 0);
	assert_true(isnan(value(series, SERIES_5M, SERIES_success, BEGIN + 50)));
	series_free(&series);
}

static void counters_that_begin_anew_are_no_growth(void **state)
{
	struct series *series = begin();

	(void)state;
	counters.requests.success = 1000000;
	tick(series, BEGIN);
	memset(&counters, 0, sizeof(counters));
	tick(series, BEGIN + 1);
	assert_true(value(series, SERIES_5M, SERIES_success, BEGIN + 1) == 0);
	assert_true(isnan(value(series, SERIES_5M, SERIES_lag_p50, BEGIN + 1)));
	series_free(&series);
}

static void a_saved_series_is_the_same_when_restored(void **state)
{
	struct series *series = begin(), *other;
	struct buffer saved = {0};

	(void)state;
	for (uint64_t s = 0; s <= 100; s++) {
		counters.requests.success += s;
		tick(series, BEGIN + s);
	}
	series_save(series, &saved);
	assert_int_equal(saved.len, series_saved_bytes());
	assert_int_equal(series_new(&other), 0);
	assert_int_equal(series_restore(other, saved.data, saved.len - 1), -22);
	assert_int_equal(series_restore(other, saved.data, saved.len), 0);
	for (uint64_t s = 1; s <= 100; s++)
		assert_true(value(other, SERIES_5M, SERIES_success, BEGIN + s) == s);
	/* What went by in between is unknown. */
	tick(other, BEGIN + 110);
	tick(other, BEGIN + 111);
	assert_true(isnan(value(other, SERIES_5M, SERIES_success, BEGIN + 105)));
	assert_true(value(other, SERIES_5M, SERIES_success, BEGIN + 111) == 0);
	buffer_free(&saved);
	series_free(&series);
	series_free(&other);
}

/* The figure that docs/architecture.md states. */
static void a_cluster_takes_no_more_than_is_said(void **state)
{
	(void)state;
	assert_true(series_bytes() <= 240 * 1024);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_point_is_what_the_counters_grew_by_within_it),
	    cmocka_unit_test(coarser_points_hold_the_same_growth),
	    cmocka_unit_test(quantiles_are_of_the_point_alone),
	    cmocka_unit_test(time_without_a_tick_is_unknown_and_not_zero),
	    cmocka_unit_test(what_is_older_than_a_tier_reaches_is_gone),
	    cmocka_unit_test(a_clock_that_is_set_back_begins_anew),
	    cmocka_unit_test(counters_that_begin_anew_are_no_growth),
	    cmocka_unit_test(a_saved_series_is_the_same_when_restored),
	    cmocka_unit_test(a_cluster_takes_no_more_than_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
