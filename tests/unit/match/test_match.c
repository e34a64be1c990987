/* SPDX-License-Identifier: MIT */
/* Which twin a statement finds, and what becomes of those without one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/match_stand.h"

static void a_twin_is_found_across_connections_and_its_lag_is_sampled(void **ctx)
{
	struct stand *s = *ctx;

	stand_send(s, &s->primary[1], 7, START);
	stand_send(s, &s->mirror[0], 7, START + 3 * MS);
	assert_int_equal(stand_counters(s)->matched, 1);
	assert_int_equal(stand_counters(s)->ambiguous, 0);
	assert_int_equal(s->lags, 1);
	assert_int_equal(s->lag, 3 * MS);
}

static void the_mirror_may_be_seen_first_and_its_lag_is_then_zero(void **ctx)
{
	struct stand *s = *ctx;

	stand_send(s, &s->mirror[0], 7, START);
	assert_int_equal(stand_counters(s)->matched, 0);
	stand_send(s, &s->primary[0], 7, START + MS);
	assert_int_equal(stand_counters(s)->matched, 1);
	assert_int_equal(stand_counters(s)->clamped, 1);
	assert_int_equal(s->lag, 0);
}

static void a_mirror_statement_seen_first_but_sent_later_has_its_true_lag(void **ctx)
{
	struct stand *s = *ctx;

	stand_send(s, &s->mirror[0], 7, START + 2 * MS);
	stand_send(s, &s->primary[0], 7, START);
	assert_int_equal(stand_counters(s)->clamped, 0);
	assert_int_equal(s->lag, 2 * MS);
}

static void a_mirror_statement_without_a_primary_is_counted_after_a_moment(void **ctx)
{
	struct stand *s = *ctx;

	stand_send(s, &s->mirror[0], 7, START);
	match_tick(s->match, START + 100 * MS);
	assert_int_equal(stand_counters(s)->unmatched[MATCH_MIRROR][MATCH_NO_PRIMARY], 0);
	match_tick(s->match, START + 300 * MS);
	assert_int_equal(stand_counters(s)->unmatched[MATCH_MIRROR][MATCH_NO_PRIMARY], 1);
	match_close(s->match, &s->mirror[0]);
	assert_int_equal(match_entries(s->match), 0);
}

static void control_and_ignored_statements_take_no_part(void **ctx)
{
	struct stand *s = *ctx;
	struct session_query query = stand_statement(s, 7, START);

	query.control = true;
	match_sent(s->match, &s->primary[0], &query, 0);
	query.control = false;
	query.ignored = true;
	match_sent(s->match, &s->primary[0], &query, 0);
	assert_int_equal(match_entries(s->match), 0);
}

static void an_unkeyed_statement_is_counted_for_its_side(void **ctx)
{
	struct stand *s = *ctx;
	struct session_query query = stand_statement(s, 7, START);

	query.keyed = false;
	match_sent(s->match, &s->primary[0], &query, 0);
	match_sent(s->match, &s->mirror[0], &query, 0);
	match_sent(s->match, &s->mirror[0], &query, 0);
	assert_int_equal(stand_counters(s)->unmatched[MATCH_PRIMARY][MATCH_UNKEYED], 1);
	assert_int_equal(stand_counters(s)->unmatched[MATCH_MIRROR][MATCH_UNKEYED], 2);
}

static void of_several_candidates_the_one_nearest_to_the_median_lag_is_taken(void **ctx)
{
	struct stand *s = *ctx;
	uint64_t t;

	stand_warm_up(s, 300, 5 * MS);
	t = s->now;
	for (unsigned i = 0; i < 10; i++)
		stand_send(s, &s->primary[0], 7, t + i * 2 * MS);
	stand_answer(s, &s->mirror[0], stand_send(s, &s->mirror[0], 7, t + 19 * MS), "", 1, MS);
	assert_int_equal(stand_counters(s)->ambiguous, 1);
	for (unsigned i = 0; i < 10; i++)
		match_close(s->match, &s->primary[0]);
	assert_false(s->last.certain);
	assert_int_equal(s->last.lag_ns, 5 * MS);
}

/* After 300 certain pairs of a millisecond; returns how many lags were told before it. */
static unsigned ambiguous_pair(struct stand *s)
{
	unsigned before;

	stand_warm_up(s, 300, MS);
	before = s->lags;
	stand_send(s, &s->primary[0], 7, s->now);
	stand_send(s, &s->primary[0], 7, s->now + MS);
	stand_send(s, &s->mirror[0], 7, s->now + 9 * MS);
	return before;
}

static void an_ambiguous_pair_counts_with_the_lag_of_the_certain_one_beside_it(void **ctx)
{
	struct stand *s = *ctx;
	unsigned before = ambiguous_pair(s);

	assert_int_equal(s->lags, before);
	stand_send(s, &s->primary[0], 8, s->now + 10 * MS);
	stand_send(s, &s->mirror[0], 8, s->now + 15 * MS);
	assert_int_equal(stand_counters(s)->ambiguous, 1);
	match_tick(s->match, s->now + 2 * SECOND);
	assert_int_equal(s->lags, before + 2);
	assert_int_equal(s->lag_sum, 300 * MS + 2 * 5 * MS);
}

static void an_ambiguous_pair_counts_by_itself_when_no_certain_one_follows(void **ctx)
{
	struct stand *s = *ctx;
	unsigned before = ambiguous_pair(s);

	match_tick(s->match, s->now + 2 * SECOND);
	assert_int_equal(s->lags, before + 1);
	assert_int_equal(s->lag, MS);
}

/* Two transactions of the primary share a hot statement; a unique one before it tells them apart. */
static void an_earlier_neighbour_in_the_transaction_decides(void **ctx)
{
	struct stand *s = *ctx;

	stand_begin(s, &s->primary[0], START);
	stand_send_in_block(s, &s->primary[0], 100, START + MS);
	stand_send_in_block(s, &s->primary[0], 7, START + 2 * MS);
	stand_begin(s, &s->primary[1], START + 3 * MS);
	stand_send_in_block(s, &s->primary[1], 200, START + 4 * MS);
	stand_send_in_block(s, &s->primary[1], 7, START + 5 * MS);
	stand_begin(s, &s->mirror[0], START + 10 * MS);
	stand_send_in_block(s, &s->mirror[0], 200, START + 11 * MS);
	stand_send_in_block(s, &s->mirror[0], 7, START + 12 * MS);
	assert_int_equal(stand_counters(s)->matched, 2);
	assert_int_equal(stand_counters(s)->ambiguous, 0);
	assert_int_equal(s->lag, 7 * MS);
}

static void a_later_neighbour_in_the_transaction_decides_too(void **ctx)
{
	struct stand *s = *ctx;

	stand_begin(s, &s->primary[0], START);
	stand_send_in_block(s, &s->primary[0], 7, START + 2 * MS);
	stand_send_in_block(s, &s->primary[0], 100, START + 3 * MS);
	stand_begin(s, &s->primary[1], START + 3 * MS);
	stand_send_in_block(s, &s->primary[1], 7, START + 5 * MS);
	stand_send_in_block(s, &s->primary[1], 200, START + 6 * MS);
	stand_begin(s, &s->mirror[0], START + 10 * MS);
	stand_send_in_block(s, &s->mirror[0], 7, START + 12 * MS);
	assert_int_equal(stand_counters(s)->matched, 0); /* put off */
	stand_send_in_block(s, &s->mirror[0], 200, START + 13 * MS);
	assert_int_equal(stand_counters(s)->matched, 2);
	assert_int_equal(stand_counters(s)->ambiguous, 0);
	assert_int_equal(s->lag, 7 * MS);
}

static void what_no_neighbour_decides_is_guessed_when_the_transaction_ends(void **ctx)
{
	struct stand *s = *ctx;

	stand_begin(s, &s->primary[0], START);
	stand_send_in_block(s, &s->primary[0], 7, START + MS);
	stand_begin(s, &s->primary[1], START + MS);
	stand_send_in_block(s, &s->primary[1], 7, START + 2 * MS);
	stand_begin(s, &s->mirror[0], START + 10 * MS);
	stand_send_in_block(s, &s->mirror[0], 7, START + 12 * MS);
	assert_int_equal(stand_counters(s)->matched, 0);
	stand_send(s, &s->mirror[0], 300, START + 13 * MS);
	assert_int_equal(stand_counters(s)->matched, 1);
	assert_int_equal(stand_counters(s)->ambiguous, 1);
}

static void further_copies_on_other_servers_count_as_fanout(void **ctx)
{
	struct stand *s = *ctx;

	for (unsigned i = 0; i < 1000; i++) {
		stand_send(s, &s->primary[0], 5000000 + i, s->now);
		stand_send(s, &s->mirror[0], 5000000 + i, s->now + MS);
		stand_send(s, &s->mirror[1], 5000000 + i, s->now + MS);
		s->now += 10 * MS;
		match_tick(s->match, s->now);
	}
	match_tick(s->match, s->now + SECOND);
	assert_int_equal(stand_counters(s)->matched, 1000);
	assert_int_equal(stand_counters(s)->unmatched[MATCH_MIRROR][MATCH_FANOUT], 1000);
	assert_int_equal(stand_counters(s)->unmatched[MATCH_MIRROR][MATCH_NO_PRIMARY], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    STAND_TEST(a_twin_is_found_across_connections_and_its_lag_is_sampled),
	    STAND_TEST(the_mirror_may_be_seen_first_and_its_lag_is_then_zero),
	    STAND_TEST(a_mirror_statement_seen_first_but_sent_later_has_its_true_lag),
	    STAND_TEST(a_mirror_statement_without_a_primary_is_counted_after_a_moment),
	    STAND_TEST(control_and_ignored_statements_take_no_part),
	    STAND_TEST(an_unkeyed_statement_is_counted_for_its_side),
	    STAND_TEST(of_several_candidates_the_one_nearest_to_the_median_lag_is_taken),
	    STAND_TEST(an_ambiguous_pair_counts_with_the_lag_of_the_certain_one_beside_it),
	    STAND_TEST(an_ambiguous_pair_counts_by_itself_when_no_certain_one_follows),
	    STAND_TEST(an_earlier_neighbour_in_the_transaction_decides),
	    STAND_TEST(a_later_neighbour_in_the_transaction_decides_too),
	    STAND_TEST(what_no_neighbour_decides_is_guessed_when_the_transaction_ends),
	    STAND_TEST(further_copies_on_other_servers_count_as_fanout),
	};

	return cmocka_run_group_tests_name("match", tests, NULL, NULL);
}
