/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "stats/stats.h"
#include "verdict/history.h"

#define SECOND 1000000000ull

static const struct history_losses none;

static void growth_within_the_window_is_what_counts(void **state)
{
	struct stats_cluster stats = {0};
	struct history_figures figures;
	struct history *history;

	(void)state;
	assert_int_equal(history_new(&history, 60 * 1000000ull), 0);
	stats.requests.failure = 1000; /* of before */
	for (uint64_t t = 1; t <= 300; t++) {
		history_tick(history, t * SECOND, &stats, &none, 0, 0);
		stats.requests.success += 10;
		*stats_cell(&stats.mirror.duration.buckets, 3) += 2;
		stats.mirror.connections.plain = t;
	}
	history_figures(history, 300 * SECOND, &stats, &none, &figures);
	assert_int_equal(figures.delta.requests.failure, 0);
	assert_in_range(figures.delta.requests.success, 600, 620); /* 60 s, one slot of slack */
	assert_in_range(*stats_cell(&figures.delta.mirror.duration.buckets, 3), 120, 124);
	assert_int_equal(figures.delta.mirror.connections.plain, 300); /* a gauge is as it is now */
	assert_true(figures.observed_s == 60);
	history_free(&history);
}

static void nothing_is_observed_before_the_first_copy_and_after_a_reset(void **state)
{
	struct stats_cluster stats = {.requests = {.success = 7}};
	struct history_figures figures;
	struct history *history;

	(void)state;
	assert_int_equal(history_new(&history, 60 * 1000000ull), 0);
	history_figures(history, 100 * SECOND, &stats, &(struct history_losses){.bytes = 5}, &figures);
	assert_int_equal(figures.delta.requests.success, 0);
	assert_true(figures.observed_s == 0);
	history_tick(history, 100 * SECOND, &stats, &(struct history_losses){.bytes = 5}, 0, 0);
	stats.requests.success = 10;
	history_figures(history, 130 * SECOND, &stats, &(struct history_losses){.bytes = 9}, &figures);
	assert_int_equal(figures.delta.requests.success, 3);
	assert_true(figures.losses.bytes == 4);
	assert_true(figures.observed_s == 30);
	history_reset(history);
	history_figures(history, 131 * SECOND, &stats, &(struct history_losses){.bytes = 9}, &figures);
	assert_int_equal(figures.delta.requests.success, 0);
	history_free(&history);
}

static void a_growing_queue_shows_as_its_fitted_growth(void **state)
{
	struct stats_cluster stats = {0};
	struct history_figures figures;
	struct history *history;

	(void)state;
	assert_int_equal(history_new(&history, 60 * 1000000ull), 0);
	for (uint64_t t = 0; t <= 60; t++)
		history_tick(history, t * SECOND, &stats, &none, 0, t < 2 ? NAN : 5.0 * t);
	history_figures(history, 60 * SECOND, &stats, &none, &figures);
	assert_true(fabs(figures.queue_growth - 300) < 1);
	history_free(&history);
}

/* 0, 4, 2 at 0, 1 and 2 s: the line of least squares rises by 1 a second. */
static void the_growth_is_that_of_the_line_nearest_to_all_samples(void **state)
{
	static const double depths[] = {0, 4, 2};
	struct stats_cluster stats = {0};
	struct history_figures figures;
	struct history *history;

	(void)state;
	assert_int_equal(history_new(&history, 60 * 1000000ull), 0);
	history_figures(history, 100 * SECOND, &stats, &none, &figures);
	assert_true(isnan(figures.queue_growth));
	for (uint64_t t = 0; t < 3; t++) {
		history_tick(history, (100 + t) * SECOND, &stats, &none, 0, depths[t]);
		history_figures(history, (100 + t) * SECOND, &stats, &none, &figures);
		assert_int_equal(isnan(figures.queue_growth), t < 2); /* two samples make no trend */
	}
	assert_true(fabs(figures.queue_growth - 2) < 1e-9);
	history_free(&history);
}

/* Somebody else has written the map: what was copied before is of another count. */
static void a_counter_that_falls_begins_the_history_anew(void **state)
{
	struct stats_cluster stats = {0};
	struct history_losses losses = {.bytes = 50, .records = 5, .unclassified_failures = 3};
	struct history_figures figures;
	struct history *history;

	(void)state;
	assert_int_equal(history_new(&history, 60 * 1000000ull), 0);
	stats.requests.success = 100;
	history_tick(history, 100 * SECOND, &stats, &losses, 0, 0);
	stats.requests.success = 130;
	history_tick(history, 110 * SECOND, &stats, &losses, 0, 0);
	history_figures(history, 115 * SECOND, &stats, &losses, &figures);
	assert_int_equal(figures.delta.requests.success, 30);
	assert_true(figures.observed_s == 15);
	stats.requests.success = 110; /* still above the oldest copy */
	history_figures(history, 116 * SECOND, &stats, &losses, &figures);
	assert_int_equal(figures.delta.requests.success, 0);
	assert_true(figures.observed_s == 0);
	history_tick(history, 120 * SECOND, &stats, &losses, 0, 0);
	stats.requests.success = 117;
	history_figures(history, 124 * SECOND, &stats, &losses, &figures);
	assert_int_equal(figures.delta.requests.success, 7);
	assert_true(figures.observed_s == 4);
	losses.unclassified_failures = 2;
	history_figures(history, 124 * SECOND, &stats, &losses, &figures);
	assert_true(figures.observed_s == 0);
	history_free(&history);
}

static void a_window_of_another_length_begins_anew(void **state)
{
	struct stats_cluster stats = {0};
	struct history_figures figures;
	struct history *history;

	(void)state;
	assert_int_equal(history_new(&history, 60 * 1000000ull), 0);
	for (uint64_t t = 100; t <= 200; t++)
		history_tick(history, t * SECOND, &stats, &none, 0, 0);
	history_figures(history, 200 * SECOND, &stats, &none, &figures);
	assert_true(figures.observed_s == 60); /* never more than the window */
	history_resize(history, 10 * 1000000ull);
	history_figures(history, 200 * SECOND, &stats, &none, &figures);
	assert_true(figures.observed_s == 0);
	for (uint64_t t = 201; t <= 230; t++)
		history_tick(history, t * SECOND, &stats, &none, 0, 0);
	history_figures(history, 230 * SECOND, &stats, &none, &figures);
	assert_true(figures.observed_s == 10);
	history_free(&history);
}

static void what_stood_open_between_two_copies_is_remembered_for_the_window(void **state)
{
	struct stats_cluster stats = {0};
	struct history_figures figures;
	struct history *history;

	(void)state;
	assert_int_equal(history_new(&history, 3600 * 1000000ull), 0);
	for (uint64_t t = 1; t <= 3600; t++) {
		stats.mirror.connections.encrypted =
		    t == 100; /* a copy is taken each minute, at 1, 61, 121 */
		history_tick(history, t * SECOND, &stats, &none, t == 200 ? 2 : 0, 0);
	}
	history_figures(history, 3600 * SECOND, &stats, &none, &figures);
	assert_true(figures.encrypted == 1);
	assert_true(figures.unclassified == 2);
	for (uint64_t t = 3601; t <= 4000; t++)
		history_tick(history, t * SECOND, &stats, &none, t == 4000 ? 5 : 0, 0);
	history_figures(history, 4000 * SECOND, &stats, &none, &figures);
	assert_true(figures.encrypted == 0);
	assert_true(figures.unclassified == 5); /* since the last copy */
	history_reset(history);
	history_figures(history, 4000 * SECOND, &stats, &none, &figures);
	assert_true(figures.unclassified == 0);
	history_free(&history);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(growth_within_the_window_is_what_counts),
	    cmocka_unit_test(nothing_is_observed_before_the_first_copy_and_after_a_reset),
	    cmocka_unit_test(a_growing_queue_shows_as_its_fitted_growth),
	    cmocka_unit_test(what_stood_open_between_two_copies_is_remembered_for_the_window),
	    cmocka_unit_test(the_growth_is_that_of_the_line_nearest_to_all_samples),
	    cmocka_unit_test(a_counter_that_falls_begins_the_history_anew),
	    cmocka_unit_test(a_window_of_another_length_begins_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
