/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "serve/figures.h"
#include "stats/threshold.h"
#include "stats/window.h"

#define SECOND 1000000ull
#define SPAN   (300 * SECOND)
#define BUCKET (SPAN / WINDOW_BUCKETS)
#define NOW    clock_us() /* a scrape reads it too */

static uint64_t total(struct window *w, uint64_t now)
{
	struct window_bucket sum = window_sum(w, now);

	return sum.success + sum.failure;
}

static void test_a_count_stays_until_the_span_is_nearly_over(void **state)
{
	uint64_t start = 1000 * SPAN;
	struct window w;

	(void)state;
	window_init(&w, SPAN);
	window_add(&w, start, 2, 1);
	assert_int_equal(total(&w, start + SPAN - BUCKET), 3);
	assert_int_equal(total(&w, start + SPAN - 1), 3);
	assert_int_equal(total(&w, start + SPAN), 0);
}

static void test_a_count_late_in_its_bucket_leaves_with_the_bucket(void **state)
{
	uint64_t start = 1000 * SPAN;
	struct window w;

	(void)state;
	window_init(&w, SPAN);
	window_add(&w, start + BUCKET - 1, 1, 0);
	assert_int_equal(total(&w, start + SPAN - 1), 1);
	assert_int_equal(total(&w, start + SPAN), 0);
}

static void test_counts_of_different_buckets_leave_one_after_the_other(void **state)
{
	struct window w;

	(void)state;
	window_init(&w, SPAN);
	for (uint64_t i = 0; i < WINDOW_BUCKETS; i++)
		window_add(&w, i * BUCKET, 1, 0);
	assert_int_equal(total(&w, SPAN - 1), WINDOW_BUCKETS);
	assert_int_equal(total(&w, SPAN), WINDOW_BUCKETS - 1);
	assert_int_equal(total(&w, SPAN + 10 * BUCKET), WINDOW_BUCKETS - 11);
}

static void test_time_that_jumps_back_counts_as_the_latest_time_seen(void **state)
{
	struct window w;

	(void)state;
	window_init(&w, SPAN);
	window_add(&w, 1000 * SPAN, 1, 0);
	window_add(&w, 10 * SPAN, 0, 1);
	assert_int_equal(total(&w, 1000 * SPAN), 2);
}

static void test_a_long_silence_empties_the_window(void **state)
{
	struct window w;

	(void)state;
	window_init(&w, SPAN);
	window_add(&w, SPAN, 1, 0);
	assert_int_equal(total(&w, UINT64_MAX / 2), 0);
	window_add(&w, UINT64_MAX / 2, 1, 0);
	assert_int_equal(total(&w, UINT64_MAX / 2), 1);
}

static void test_a_span_shorter_than_its_buckets_does_not_divide_by_zero(void **state)
{
	struct window w;

	(void)state;
	window_init(&w, 1);
	window_add(&w, 100, 1, 0);
	assert_int_equal(total(&w, 100), 1);
}

/* --------------------------------------------------------------------------------------------- threshold */

struct reports {
	int count;
	bool exceeded;
	uint64_t success, failure;
};

static void report(void *ctx, const struct threshold_crossing *crossing)
{
	struct reports *r = ctx;

	r->count++;
	r->exceeded = crossing->exceeded;
	r->success = crossing->success;
	r->failure = crossing->failure;
}

static const char *const names[] = {"a", "b"};

static struct threshold *with_threshold(double percent, struct reports *reports)
{
	struct threshold *t;

	memset(reports, 0, sizeof(*reports));
	assert_int_equal(threshold_new(&t, report, reports), 0);
	assert_int_equal(threshold_configure(t, names, 2, percent, SPAN), 0);
	return t;
}

static void requests(struct threshold *t, const char *cluster, int success, int failure, uint64_t now)
{
	while (success-- > 0)
		threshold_request(t, cluster, true, now);
	while (failure-- > 0)
		threshold_request(t, cluster, false, now);
}

/* What a scrape shows of that cluster; -1 where it has no series. */
static double shown(struct threshold *t, const char *cluster)
{
	struct buffer text = {0};
	struct exposition x;
	char series[96], *at;
	double value;

	exposition_begin(&x, &text, EXPOSITION_PROMETHEUS);
	figures_write_threshold(t, &x);
	snprintf(series, sizeof(series), "\npgdog_mirror_failure_threshold_exceeded{cluster=\"%s\"} ",
		 cluster);
	at = strstr(text.data, series);
	value = at ? strtod(at + strlen(series), NULL) : -1;
	buffer_free(&text);
	return value;
}

static void test_exactly_the_threshold_is_not_exceeded(void **state)
{
	struct reports r;
	struct threshold *t = with_threshold(5, &r);

	(void)state;
	requests(t, "a", 95, 5, NOW);
	assert_true(shown(t, "a") == 0);
	requests(t, "a", 0, 1, NOW);
	assert_true(shown(t, "a") == 1);
	threshold_free(&t);
}

static void test_a_fractional_threshold_is_compared_exactly(void **state)
{
	struct reports r;
	struct threshold *t = with_threshold(0.07, &r);

	(void)state;
	requests(t, "a", 9993, 7, NOW); /* 0.07 * 10000 > 7 in binary floating point */
	assert_true(shown(t, "a") == 0);
	threshold_free(&t);
}

static void test_without_threshold_or_data_there_is_no_answer(void **state)
{
	struct reports r;
	struct threshold *t = with_threshold(NAN, &r);

	(void)state;
	requests(t, "a", 0, 10, NOW);
	assert_true(isnan(shown(t, "a")));
	assert_int_equal(threshold_configure(t, names, 2, 5, SPAN), 0);
	assert_true(isnan(shown(t, "b")));
	threshold_free(&t);
}

static void test_each_crossing_is_reported_once(void **state)
{
	struct reports r;
	struct threshold *t = with_threshold(50, &r);

	(void)state;
	requests(t, "a", 1, 2, NOW);
	for (int i = 0; i < 5; i++)
		threshold_tick(t, NOW + i * SECOND);
	assert_int_equal(r.count, 1);
	assert_true(r.exceeded);
	assert_int_equal(r.success, 1);
	assert_int_equal(r.failure, 2);
	requests(t, "a", 10, 0, NOW + 5 * SECOND);
	threshold_tick(t, NOW + 6 * SECOND);
	threshold_tick(t, NOW + 7 * SECOND);
	assert_int_equal(r.count, 2);
	assert_false(r.exceeded);
	threshold_free(&t);
}

static void test_a_crossing_by_the_passing_of_time_is_reported(void **state)
{
	struct reports r;
	struct threshold *t = with_threshold(50, &r);

	(void)state;
	requests(t, "a", 0, 2, NOW);
	threshold_tick(t, NOW);
	threshold_tick(t, NOW + 2 * SPAN);
	assert_int_equal(r.count, 2);
	assert_false(r.exceeded);
	assert_true(isnan(shown(t, "a")));
	threshold_free(&t);
}

static void test_a_reload_keeps_the_window_of_clusters_that_stay(void **state)
{
	static const char *const others[] = {"c", "a"};
	struct reports r;
	struct threshold *t = with_threshold(50, &r);

	(void)state;
	requests(t, "a", 0, 2, NOW);
	assert_int_equal(threshold_configure(t, others, 2, 10, SPAN), 0);
	assert_true(shown(t, "a") == 1);
	assert_true(isnan(shown(t, "c")));
	assert_true(shown(t, "b") == -1);
	assert_int_equal(threshold_configure(t, others, 2, 10, 2 * SPAN), 0);
	assert_true(isnan(shown(t, "a")));
	threshold_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_count_stays_until_the_span_is_nearly_over),
	    cmocka_unit_test(test_a_count_late_in_its_bucket_leaves_with_the_bucket),
	    cmocka_unit_test(test_counts_of_different_buckets_leave_one_after_the_other),
	    cmocka_unit_test(test_time_that_jumps_back_counts_as_the_latest_time_seen),
	    cmocka_unit_test(test_a_long_silence_empties_the_window),
	    cmocka_unit_test(test_a_span_shorter_than_its_buckets_does_not_divide_by_zero),
	    cmocka_unit_test(test_exactly_the_threshold_is_not_exceeded),
	    cmocka_unit_test(test_a_fractional_threshold_is_compared_exactly),
	    cmocka_unit_test(test_without_threshold_or_data_there_is_no_answer),
	    cmocka_unit_test(test_each_crossing_is_reported_once),
	    cmocka_unit_test(test_a_crossing_by_the_passing_of_time_is_reported),
	    cmocka_unit_test(test_a_reload_keeps_the_window_of_clusters_that_stay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
