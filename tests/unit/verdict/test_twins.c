/* SPDX-License-Identifier: MIT */
/* Pairs of answers become divergences and classes: what differs counts where it differs, once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "support/cluster_stand.h"

/* How one side answered. */
struct end {
	const char *sqlstate; /* "" = success */
	uint64_t rows;
	uint32_t result;
	uint64_t ms;
};

static void answered(struct cluster_stand *f, struct cluster_side *side, struct session_query *query,
		     const struct end *end)
{
	query->done_ns = query->sent_ns + end->ms * 1000000;
	query->rows = end->rows;
	query->result = end->result;
	query->outcome = *end->sqlstate ? OUTCOME_FAILURE : OUTCOME_SUCCESS;
	strcpy(query->sqlstate, end->sqlstate);
	f->sink.answered(f->sink.ctx, &side->view, query);
}

/* The same statement on both sides, answered so. */
static void pair(struct cluster_stand *f, const struct end *primary, const struct end *mirror)
{
	struct cluster_side sides[2];
	struct session_query first, second;

	cluster_side(&sides[0], TARGET_PRIMARY, 1);
	cluster_side(&sides[1], TARGET_MIRROR, 1);
	first = cluster_ask(f, &sides[0], f->serial + 1000, "SELECT 1");
	f->now += SECOND / 100;
	second = cluster_ask(f, &sides[1], f->serial - 1 + 1000, "SELECT 1");
	answered(f, &sides[0], &first, primary);
	answered(f, &sides[1], &second, mirror);
	f->sink.closed(f->sink.ctx, &sides[0].view);
	f->sink.closed(f->sink.ctx, &sides[1].view);
	f->now += 2 * SECOND;
	clusters_tick(f->clusters, f->now);
	clusters_sync(f->clusters);
}

static uint64_t divergences(const struct stats_DIVERGENCE *cells)
{
	return cells->primary_only_error + cells->mirror_only_error + cells->sqlstate + cells->rows +
	       cells->result;
}

static void what_differs_counts_where_it_differs(void **state)
{
	static const struct end good = {"", 3, 7, 2}, rows = {"", 4, 7, 2}, result = {"", 3, 8, 2},
				none = {"", 3, 0, 2}, error = {"42P01", 0, 0, 2}, other = {"23505", 0, 0, 2};
	struct cluster_stand *f = *state;
	const struct stats_DIVERGENCE *cells = &cluster_counters(f, 0)->divergences;
	const struct {
		const struct end *primary, *mirror;
		const __u64 *cell;
	} cases[] = {
	    {&good, &good, NULL},
	    {&good, &none, NULL},
	    {&none, &result, NULL},
	    {&good, &rows, &cells->rows},
	    {&rows, &good, &cells->rows},
	    {&good, &result, &cells->result},
	    {&good, &error, &cells->mirror_only_error},
	    {&error, &good, &cells->primary_only_error},
	    {&error, &error, NULL},
	    {&error, &other, &cells->sqlstate},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		uint64_t all = divergences(cells), one = cases[i].cell ? *cases[i].cell : 0;

		pair(f, cases[i].primary, cases[i].mirror);
		assert_int_equal(cluster_counters(f, 0)->compared.value, i + 1);
		assert_int_equal(divergences(cells), all + (cases[i].cell != NULL));
		if (cases[i].cell)
			assert_int_equal(*cases[i].cell, one + 1);
	}
}

static void the_time_of_pairs_that_both_succeed_is_compared(void **state)
{
	struct cluster_stand *f = *state;
	const struct stats_ratio *ratio = &cluster_counters(f, 0)->latency_ratio;

	pair(f, &(struct end){"", 1, 0, 20}, &(struct end){"", 1, 0, 50});
	assert_int_equal(ratio->count, 1);
	assert_int_equal(ratio->sum_ppm, 2500000);
	pair(f, &(struct end){"42P01", 0, 0, 20}, &(struct end){"", 1, 0, 50});
	pair(f, &(struct end){"", 1, 0, 20}, &(struct end){"42P01", 0, 0, 50});
	assert_int_equal(ratio->count, 1);
}

static void a_failure_that_both_sides_have_is_excused_but_for_a_server_that_goes(void **state)
{
	struct cluster_stand *f = *state;
	const struct stats_ERROR_TYPE *excused = &cluster_counters(f, 0)->excused_failures;

	pair(f, &(struct end){"23505", 0, 0, 2}, &(struct end){"23505", 0, 0, 2});
	assert_int_equal(excused->query_execution, 1);
	pair(f, &(struct end){"57014", 0, 0, 2}, &(struct end){"57014", 0, 0, 2});
	assert_int_equal(excused->timeout, 1);
	pair(f, &(struct end){"57P01", 0, 0, 2}, &(struct end){"57P01", 0, 0, 2});
	pair(f, &(struct end){"23505", 0, 0, 2}, &(struct end){"42P01", 0, 0, 2});
	pair(f, &(struct end){"", 0, 0, 2}, &(struct end){"42P01", 0, 0, 2});
	assert_int_equal(excused->query_execution + excused->timeout + excused->connection, 2);
}

static void the_lag_of_a_pair_is_in_the_histogram(void **state)
{
	struct cluster_stand *f = *state;
	const struct stats_cluster *stats = cluster_counters(f, 0);

	pair(f, &(struct end){"", 1, 0, 2}, &(struct end){"", 1, 0, 2});
	assert_int_equal(stats->lag.count, 1);
	assert_int_equal(stats->lag.sum_us, 10000);
	assert_int_equal(stats->matched.value, 1);
	assert_int_equal(stats->ambiguous.value, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CLUSTER_TEST(what_differs_counts_where_it_differs),
	    CLUSTER_TEST(the_time_of_pairs_that_both_succeed_is_compared),
	    CLUSTER_TEST(a_failure_that_both_sides_have_is_excused_but_for_a_server_that_goes),
	    CLUSTER_TEST(the_lag_of_a_pair_is_in_the_histogram),
	};

	return cmocka_run_group_tests_name("twins", tests, NULL, NULL);
}
