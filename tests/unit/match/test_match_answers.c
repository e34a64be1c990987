/* SPDX-License-Identifier: MIT */
/* When a pair is told, with which answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/match_stand.h"

static void a_pair_is_told_once_both_are_answered(void **ctx)
{
	struct stand *s = *ctx;
	struct session_query primary = stand_send(s, &s->primary[0], 7, START), mirror;

	stand_answer(s, &s->primary[0], primary, "", 3, 5 * MS);
	mirror = stand_send(s, &s->mirror[0], 7, START + MS);
	assert_int_equal(s->pairs, 0);
	stand_answer(s, &s->mirror[0], mirror, "0A000", 0, 7 * MS);
	assert_int_equal(s->pairs, 1);
	assert_int_equal(s->last.key, 7);
	assert_int_equal(s->last.primary.outcome, OUTCOME_SUCCESS);
	assert_int_equal(s->last.primary.rows, 3);
	assert_int_equal(s->last.primary.result, 4);
	assert_int_equal(s->last.primary.duration_ns, 5 * MS);
	assert_int_equal(s->last.primary.tag, 7);
	assert_string_equal(s->last.primary.sqlstate, "");
	assert_int_equal(s->last.mirror.outcome, OUTCOME_FAILURE);
	assert_string_equal(s->last.mirror.sqlstate, "0A000");
	assert_int_equal(s->last.mirror.duration_ns, 7 * MS);
	assert_int_equal(match_entries(s->match), 0);
}

static void the_primarys_answer_may_come_last(void **ctx)
{
	struct stand *s = *ctx;
	struct session_query primary = stand_send(s, &s->primary[0], 7, START);
	struct session_query mirror = stand_send(s, &s->mirror[0], 7, START);

	stand_answer(s, &s->mirror[0], mirror, "42P01", 0, MS);
	stand_answer(s, &s->primary[0], primary, "ZZZZZ", 0, MS);
	assert_int_equal(s->pairs, 1);
	assert_string_equal(s->last.mirror.sqlstate, "42P01");
	assert_string_equal(s->last.primary.sqlstate, "ZZZZZ");
}

static void answers_of_pipelined_statements_find_their_own(void **ctx)
{
	struct stand *s = *ctx;
	struct session_query first = stand_send(s, &s->primary[0], 1, START);
	struct session_query second = stand_send(s, &s->primary[0], 2, START + 1);

	stand_answer(s, &s->mirror[0], stand_send(s, &s->mirror[0], 2, START + MS), "", 2, MS);
	stand_answer(s, &s->primary[0], first, "", 1, MS);
	assert_int_equal(s->pairs, 0);
	stand_answer(s, &s->primary[0], second, "", 2, MS);
	assert_int_equal(s->pairs, 1);
	assert_int_equal(s->last.primary.rows, 2);
}

static void a_skipped_statement_is_told_as_such(void **ctx)
{
	struct stand *s = *ctx;
	struct session_query primary = stand_send(s, &s->primary[0], 7, START);
	struct session_query mirror = stand_send(s, &s->mirror[0], 7, START);

	primary.skipped = true;
	stand_answer(s, &s->primary[0], primary, "", 0, MS);
	stand_answer(s, &s->mirror[0], mirror, "", 0, MS);
	assert_true(s->last.primary.skipped);
	assert_true(s->last.primary.answered);
	assert_int_equal(s->last.primary.outcome, OUTCOME_UNKNOWN);
	assert_false(s->last.mirror.skipped);
}

static void a_pair_whose_answers_do_not_come_is_given_up(void **ctx)
{
	struct stand *s = *ctx;

	stand_answer(s, &s->primary[0], stand_send(s, &s->primary[0], 7, START), "", 1, MS);
	stand_send(s, &s->mirror[0], 7, START + MS);
	match_tick(s->match, START + 119 * SECOND);
	assert_int_equal(s->pairs, 0);
	match_tick(s->match, START + 121 * SECOND);
	assert_int_equal(s->pairs, 1);
	assert_true(s->last.primary.answered);
	assert_false(s->last.mirror.answered);
	assert_int_equal(stand_counters(s)->unanswered, 1);
	match_close(s->match, &s->mirror[0]);
	assert_int_equal(match_entries(s->match), 0);
}

static void a_closed_connection_leaves_its_pairs_unanswered(void **ctx)
{
	struct stand *s = *ctx;

	stand_send(s, &s->primary[0], 7, START);
	stand_send(s, &s->mirror[0], 7, START + MS);
	match_close(s->match, &s->primary[0]);
	assert_int_equal(s->pairs, 0);
	match_close(s->match, &s->mirror[0]);
	assert_int_equal(s->pairs, 1);
	assert_int_equal(stand_counters(s)->unanswered, 1);
	assert_int_equal(match_entries(s->match), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    STAND_TEST(a_pair_is_told_once_both_are_answered),
	    STAND_TEST(the_primarys_answer_may_come_last),
	    STAND_TEST(answers_of_pipelined_statements_find_their_own),
	    STAND_TEST(a_skipped_statement_is_told_as_such),
	    STAND_TEST(a_pair_whose_answers_do_not_come_is_given_up),
	    STAND_TEST(a_closed_connection_leaves_its_pairs_unanswered),
	};

	return cmocka_run_group_tests_name("match_answers", tests, NULL, NULL);
}
