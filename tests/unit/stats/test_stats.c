/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "stats/stats.h"

static struct stats *open_stats(uint32_t max_clusters)
{
	struct stats_options options = {.max_clusters = max_clusters};
	struct stats *stats = NULL;

	assert_int_equal(stats_open(&stats, &options), 0);
	return stats;
}

static void test_a_cluster_is_found_again_by_name(void **state)
{
	struct stats *stats = open_stats(4);
	struct stats_cluster *c = stats_cluster(stats, "app");

	(void)state;
	assert_non_null(c);
	assert_string_equal(c->name, "app");
	assert_int_equal(c->size, sizeof(*c));
	c->requests.success = 5;
	assert_ptr_equal(stats_cluster(stats, "app"), c);
	assert_ptr_not_equal(stats_cluster(stats, "ap"), c);
	assert_int_equal(c->requests.success, 5);
	stats_free(&stats);
	assert_null(stats);
}

static void test_more_clusters_than_elements_are_refused(void **state)
{
	struct stats *stats = open_stats(2);

	(void)state;
	assert_non_null(stats_cluster(stats, "a"));
	assert_non_null(stats_cluster(stats, "b"));
	assert_null(stats_cluster(stats, "c"));
	stats_free(&stats);
}

static void test_names_that_do_not_fit_are_refused(void **state)
{
	struct stats *stats = open_stats(2);
	char name[65];

	(void)state;
	memset(name, 'x', sizeof(name));
	name[64] = 0;
	assert_null(stats_cluster(stats, ""));
	assert_null(stats_cluster(stats, name));
	name[63] = 0;
	assert_non_null(stats_cluster(stats, name));
	stats_free(&stats);
}

static void test_a_dropped_cluster_starts_at_zero_when_it_comes_back(void **state)
{
	static const char *const names[] = {"a"};
	struct stats *stats = open_stats(1);

	(void)state;
	stats_cluster(stats, "a")->requests.failure = 3;
	stats_keep_only(stats, names, 1);
	assert_int_equal(stats_cluster(stats, "a")->requests.failure, 3);
	stats_keep_only(stats, NULL, 0);
	assert_int_equal(stats_cluster(stats, "a")->requests.failure, 0);
	stats_free(&stats);
}

static void test_keep_only_forgets_the_others_and_makes_room(void **state)
{
	static const char *const names[] = {"b", "new"};
	struct stats *stats = open_stats(2);

	(void)state;
	stats_cluster(stats, "a");
	stats_cluster(stats, "b")->requests.success = 7;
	stats_keep_only(stats, names, 2);
	assert_non_null(stats_cluster(stats, "new"));
	assert_int_equal(stats_cluster(stats, "b")->requests.success, 7);
	stats_free(&stats);
}

static void test_a_bound_belongs_to_its_own_bucket(void **state)
{
	struct stats_histogram h = {0};

	(void)state;
	stats_histogram_add(&h, 0);
	stats_histogram_add(&h, 100);
	stats_histogram_add(&h, 101);
	stats_histogram_add(&h, 600000000);
	stats_histogram_add(&h, 600000001);
	assert_int_equal(h.buckets.le_100_us, 2);
	assert_int_equal(h.buckets.le_200_us, 1);
	assert_int_equal(h.buckets.le_600000000_us, 1);
	assert_int_equal(h.buckets.le_inf, 1);
	assert_int_equal(h.count, 5);
	assert_int_equal(h.sum_us, 1200000202);
}

static void test_bucket_bounds_rise_in_steps_of_1_2_5(void **state)
{
	(void)state;
	assert_int_equal(stats_bucket_bound(0), 100);
	assert_int_equal(stats_bucket_bound(STATS_BUCKET_COUNT - 1), 600000000);
	for (size_t i = 1; i < STATS_BUCKET_COUNT; i++)
		assert_true(stats_bucket_bound(i) > stats_bucket_bound(i - 1));
}

static void test_sqlstates_past_the_bound_are_other(void **state)
{
	struct stats_sqlstates table = {0};
	char code[16];

	(void)state;
	for (int i = 0; i < STATS_SQLSTATES + 3; i++) {
		snprintf(code, sizeof(code), "%05d", i);
		stats_sqlstate_add(&table, code);
		stats_sqlstate_add(&table, code);
	}
	assert_string_equal(table.known[STATS_SQLSTATES - 1].sqlstate, "00031");
	assert_int_equal(table.known[STATS_SQLSTATES - 1].count, 2);
	assert_int_equal(table.other, 6);
}

static void test_what_is_no_sqlstate_is_other(void **state)
{
	struct stats_sqlstates table = {0};

	(void)state;
	stats_sqlstate_add(&table, "");
	stats_sqlstate_add(&table, "42P0");
	stats_sqlstate_add(&table, "much too long");
	stats_sqlstate_add(&table, "42\"01");
	stats_sqlstate_add(&table, "42p01");
	assert_int_equal(table.other, 5);
	assert_string_equal(table.known[0].sqlstate, "");
}

static void test_command_tags_have_kinds(void **state)
{
	(void)state;
	assert_int_equal(stats_kind("SELECT"), STATS_KIND_select);
	assert_int_equal(stats_kind("SELECT INTO"), STATS_KIND_select);
	assert_int_equal(stats_kind("CREATE TABLE"), STATS_KIND_definition);
	assert_int_equal(stats_kind("ROLLBACK"), STATS_KIND_transaction);
	assert_int_equal(stats_kind("VACUUM"), STATS_KIND_other);
	assert_int_equal(stats_kind("SELECTED"), STATS_KIND_other);
	assert_int_equal(stats_kind(""), STATS_KIND_other);
}

static void test_impossible_sizes_are_refused(void **state)
{
	struct stats_options options = {.max_clusters = 0};
	struct stats *stats = NULL;

	(void)state;
	assert_int_equal(stats_open(&stats, &options), -EINVAL);
	options.max_clusters = STATS_MAX_CLUSTERS + 1;
	assert_int_equal(stats_open(&stats, &options), -EINVAL);
	assert_null(stats);
	assert_non_null(strstr(stats_error(), "max_clusters"));
}

static void test_a_pin_outside_of_a_bpffs_is_refused_with_the_remedy(void **state)
{
	struct stats_options options = {.max_clusters = 1, .pin = "/dev/shm/mirror_observer"};
	struct stats *stats = NULL;

	(void)state;
	assert_int_equal(stats_open(&stats, &options), -EINVAL);
	assert_non_null(strstr(stats_error(), "/sys/fs/bpf"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_cluster_is_found_again_by_name),
	    cmocka_unit_test(test_more_clusters_than_elements_are_refused),
	    cmocka_unit_test(test_names_that_do_not_fit_are_refused),
	    cmocka_unit_test(test_a_dropped_cluster_starts_at_zero_when_it_comes_back),
	    cmocka_unit_test(test_keep_only_forgets_the_others_and_makes_room),
	    cmocka_unit_test(test_a_bound_belongs_to_its_own_bucket),
	    cmocka_unit_test(test_bucket_bounds_rise_in_steps_of_1_2_5),
	    cmocka_unit_test(test_sqlstates_past_the_bound_are_other),
	    cmocka_unit_test(test_what_is_no_sqlstate_is_other),
	    cmocka_unit_test(test_command_tags_have_kinds),
	    cmocka_unit_test(test_impossible_sizes_are_refused),
	    cmocka_unit_test(test_a_pin_outside_of_a_bpffs_is_refused_with_the_remedy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
