/* SPDX-License-Identifier: MIT */
/* What is on its way to the mirror: how much, since when, which share gets there. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/match_stand.h"

#define BATCH_TIME (25 * MS) /* in which a few certain pairs are looked at */

static const struct match_options queues_of_ten = {.max_entries = 10000, .queue_limit = 10};

static void the_share_that_is_mirrored_is_learned(void **ctx)
{
	struct stand *s = *ctx;

	assert_true(isnan(match_share(s->match)));
	for (unsigned i = 0; i < 8000; i++) {
		uint64_t key = 5000000 + i;

		stand_answer(s, &s->primary[0], stand_send(s, &s->primary[0], key, s->now), "", 1, 1000);
		if (i % 4 == 0)
			stand_answer(s, &s->mirror[0], stand_send(s, &s->mirror[0], key, s->now + MS), "", 1,
				     1000);
		s->now += 2 * MS;
		if (i % 100 == 0)
			match_tick(s->match, s->now);
	}
	assert_true(fabs(match_share(s->match) - 0.25) < 0.01);
}

/* A tenth is mirrored, a pause of two seconds is caught up with; then each statement takes a millisecond. */
static void a_backlog_that_is_gone_is_noticed_after_a_few_certain_pairs(void **ctx)
{
	struct stand *s = *ctx;
	uint64_t key = 6000000, begun, t;

	for (unsigned i = 0; i < 30000; i++, key++, s->now += MS / 2) {
		stand_answer(s, &s->primary[0], stand_send(s, &s->primary[0], key, s->now), "", 1, 1000);
		if (i % 10 == 0)
			stand_answer(s, &s->mirror[0], stand_send(s, &s->mirror[0], key, s->now + MS), "", 1,
				     1000);
		if (i % 200 == 0)
			match_tick(s->match, s->now);
	}
	begun = key;
	for (unsigned i = 0; i < 4000; i++, key++, s->now += MS / 2)
		stand_send(s, &s->primary[0], key, s->now);
	assert_in_range(lround(match_depth(s->match, s->now)), 360, 440);
	for (t = s->now; begun < key; begun += 10, t += MS / 10)
		stand_send(s, &s->mirror[0], begun, t);
	for (unsigned i = 0; i < 3; i++, key++, t += 10 * MS) {
		stand_send(s, &s->primary[0], key, t);
		stand_send(s, &s->mirror[0], key, t + MS);
	}
	assert_true(match_depth(s->match, t + BATCH_TIME) < 5);
}

static void the_depth_is_nan_before_the_first_match_and_counts_the_pending_after_it(void **ctx)
{
	struct stand *s = *ctx;

	stand_send(s, &s->primary[0], 7, START);
	assert_true(isnan(match_depth(s->match, START)));
	stand_send(s, &s->mirror[0], 7, START + MS);
	s->now = START + 2 * MS;
	stand_warm_up(s, 300, MS);
	for (unsigned i = 0; i < 50; i++)
		stand_send(s, &s->primary[0], 100 + i, s->now + i);
	assert_int_equal(lround(match_depth(s->match, s->now + MS)), 50);
}

static void a_put_off_statement_does_not_count_as_on_its_way(void **ctx)
{
	struct stand *s = *ctx;

	stand_warm_up(s, 300, MS);
	for (unsigned i = 0; i < 2; i++) {
		stand_begin(s, &s->primary[i], s->now);
		stand_send_in_block(s, &s->primary[i], 7, s->now);
	}
	assert_int_equal(lround(match_depth(s->match, s->now)), 2);
	stand_begin(s, &s->mirror[0], s->now);
	stand_send_in_block(s, &s->mirror[0], 7, s->now + MS / 10);
	assert_int_equal(lround(match_depth(s->match, s->now)), 1);
	match_close(s->match, &s->mirror[0]);
	assert_int_equal(lround(match_depth(s->match, s->now)), 1);
	assert_int_equal(stand_counters(s)->ambiguous, 1);
}

static void the_depth_grows_while_the_mirror_stands_still_and_nothing_is_given_up(void **ctx)
{
	struct stand *s = *ctx;

	stand_warm_up(s, 300, MS);
	for (unsigned i = 0; i < 4000; i++) {
		stand_send(s, &s->primary[0], 100000 + i, s->now + i * 15 * MS);
		if (i % 100 == 0)
			match_tick(s->match, s->now + i * 15 * MS);
	}
	s->now += 60 * SECOND;
	match_tick(s->match, s->now);
	assert_int_equal(lround(match_depth(s->match, s->now)), 4000);
	assert_int_equal(stand_counters(s)->unmatched[MATCH_PRIMARY][MATCH_NOT_MIRRORED], 0);
	/* and when it goes on after longer than the horizon, all are found */
	for (unsigned i = 0; i < 4000; i++)
		stand_send(s, &s->mirror[0], 100000 + i, s->now + i * MS / 10);
	assert_int_equal(stand_counters(s)->unmatched[MATCH_MIRROR][MATCH_NO_PRIMARY], 0);
	assert_int_equal(stand_counters(s)->matched, 4300);
	assert_int_equal(lround(match_depth(s->match, s->now + SECOND)), 0);
}

static void the_depth_is_capped_by_the_proxys_queues_where_they_are_known(void **ctx)
{
	struct stand *s = *ctx;

	stand_reopen(s, &queues_of_ten);
	stand_warm_up(s, 300, MS);
	for (unsigned i = 0; i < 50; i++)
		stand_send(s, &s->primary[0], 100 + i, s->now + i);
	assert_int_equal(lround(match_depth(s->match, s->now)), 50);
	match_set_clients(s->match, 3);
	assert_int_equal(lround(match_depth(s->match, s->now)), 30);
}

static void the_end_of_an_overflow_is_followed_by_what_arrives(void **ctx)
{
	struct stand *s = *ctx;

	stand_reopen(s, &queues_of_ten);
	stand_warm_up(s, 300, MS);
	match_set_clients(s->match, 10);
	for (unsigned i = 0; i < 500; i++)
		stand_send(s, &s->primary[0], 1000 + i, s->now + i);
	assert_int_equal(lround(match_depth(s->match, s->now + MS)), 100);
	for (unsigned i = 0; i < 40; i++)
		stand_send(s, &s->mirror[0], 1000 + i, s->now + 2 * MS);
	assert_int_equal(lround(match_depth(s->match, s->now + 3 * MS)), 60);
}

static void a_queue_outlives_its_clients(void **ctx)
{
	struct stand *s = *ctx;

	stand_reopen(s, &queues_of_ten);
	stand_warm_up(s, 300, MS);
	match_set_clients(s->match, 10);
	for (unsigned i = 0; i < 100; i++)
		stand_send(s, &s->primary[0], 1000 + i, s->now + i);
	match_set_clients(s->match, 1);
	assert_true(match_depth(s->match, s->now + MS) >= 90);
}

static void a_request_of_two_statements_takes_one_place_in_the_queue(void **ctx)
{
	struct stand *s = *ctx;

	stand_reopen(s, &queues_of_ten);
	stand_warm_up(s, 300, MS);
	for (unsigned i = 0; i < 8000; i++) {
		struct session_query query = {.serial = ++s->serial,
					      .sent_ns = s->now + i,
					      .key = {100000 + i, 0},
					      .keyed = true,
					      .in_block = i % 2};

		match_sent(s->match, &s->primary[0], &query, 0);
	}
	match_set_clients(s->match, 10);
	assert_in_range(lround(match_depth(s->match, s->now + MS)), 190, 210);
}

static void a_long_silence_without_backlog_ends_at_zero_when_part_is_sampled(void **ctx)
{
	struct stand *s = *ctx;

	for (unsigned i = 0; i < 2000; i++) {
		stand_send(s, &s->primary[0], 5000000 + i, s->now);
		if (i % 2 == 0)
			stand_send(s, &s->mirror[0], 5000000 + i, s->now + MS);
		s->now += 2 * MS;
		if (i % 100 == 0)
			match_tick(s->match, s->now);
	}
	stand_send(s, &s->primary[0], 7, s->now);
	assert_true(match_depth(s->match, s->now) > 0.4);
	assert_true(match_depth(s->match, s->now + 60 * SECOND) < 0.1);
}

static void the_oldest_on_its_way_is_told_by_age(void **ctx)
{
	struct stand *s = *ctx;

	stand_warm_up(s, 300, MS);
	assert_int_equal(match_oldest(s->match, s->now), 0);
	stand_send(s, &s->primary[0], 7, s->now);
	stand_send(s, &s->primary[0], 8, s->now + SECOND);
	assert_in_range(match_oldest(s->match, s->now + 2 * SECOND), 1980 * MS, 2020 * MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    STAND_TEST(the_share_that_is_mirrored_is_learned),
	    STAND_TEST(a_backlog_that_is_gone_is_noticed_after_a_few_certain_pairs),
	    STAND_TEST(the_depth_is_nan_before_the_first_match_and_counts_the_pending_after_it),
	    STAND_TEST(a_put_off_statement_does_not_count_as_on_its_way),
	    STAND_TEST(the_depth_grows_while_the_mirror_stands_still_and_nothing_is_given_up),
	    STAND_TEST(the_depth_is_capped_by_the_proxys_queues_where_they_are_known),
	    STAND_TEST(the_end_of_an_overflow_is_followed_by_what_arrives),
	    STAND_TEST(a_queue_outlives_its_clients),
	    STAND_TEST(a_request_of_two_statements_takes_one_place_in_the_queue),
	    STAND_TEST(a_long_silence_without_backlog_ends_at_zero_when_part_is_sampled),
	    STAND_TEST(the_oldest_on_its_way_is_told_by_age),
	};

	return cmocka_run_group_tests_name("match_depth", tests, NULL, NULL);
}
