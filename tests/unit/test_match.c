/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "match.h"

#define MS     1000000ull
#define SECOND 1000000000ull
#define START  (1000 * SECOND)

/* A cluster with two connections on each side, and what it told. */
struct stand {
	struct match *match;
	struct match_connection primary[2], mirror[2];
	uint64_t serial;
	uint64_t now;
	unsigned pairs, lags;
	uint64_t lag;
	struct match_pair last;
};

static void on_lag(void *ctx, uint64_t lag)
{
	struct stand *s = ctx;

	s->lags++;
	s->lag = lag;
}

static void on_pair(void *ctx, const struct match_pair *pair)
{
	struct stand *s = ctx;

	s->pairs++;
	s->last = *pair;
}

static void stand_open(struct stand *s, const struct match_options *options)
{
	struct match_sink sink = {.ctx = s, .lag = on_lag, .pair = on_pair};

	memset(s, 0, sizeof(*s));
	s->now = START;
	assert_int_equal(match_new(&s->match, options, &sink), 0);
	for (uint8_t i = 0; i < 2; i++) {
		match_open(s->match, &s->primary[i], MATCH_PRIMARY, 0);
		match_open(s->match, &s->mirror[i], MATCH_MIRROR, i);
	}
}

static int set_up(void **ctx)
{
	static struct stand s;
	const struct match_options options = {.max_entries = 10000};

	stand_open(&s, &options);
	*ctx = &s;
	return 0;
}

static int tear_down(void **ctx)
{
	struct stand *s = *ctx;

	match_free(&s->match);
	assert_null(s->match);
	return 0;
}

static struct session_query statement(struct stand *s, uint64_t key, uint64_t at)
{
	return (struct session_query){.serial = ++s->serial, .sent_ns = at, .key = {key, 1}, .keyed = true};
}

static struct session_query send_to(struct stand *s, struct match_connection *c, uint64_t key, uint64_t at)
{
	struct session_query query = statement(s, key, at);

	match_sent(s->match, c, &query, (uint32_t)key);
	return query;
}

static struct session_query send_in_block(struct stand *s, struct match_connection *c, uint64_t key,
					  uint64_t at)
{
	struct session_query query = statement(s, key, at);

	query.in_block = true;
	match_sent(s->match, c, &query, (uint32_t)key);
	return query;
}

static void begin(struct stand *s, struct match_connection *c, uint64_t at)
{
	struct session_query query = statement(s, 0, at);

	query.control = true;
	match_sent(s->match, c, &query, 0);
}

static void answer(struct stand *s, struct match_connection *c, struct session_query query,
		   const char *sqlstate, uint64_t rows, uint64_t duration)
{
	query.done_ns = query.sent_ns + duration;
	query.outcome = sqlstate[0] ? OUTCOME_FAILURE : OUTCOME_SUCCESS;
	strcpy(query.sqlstate, sqlstate);
	query.rows = rows;
	match_answered(s->match, c, &query, (uint32_t)rows + 1);
}

static const struct match_counters *counters(struct stand *s)
{
	return match_counters(s->match);
}

/* Keys of their own, each mirrored `lag` later: what the module needs to know the lag. */
static void warm_up(struct stand *s, unsigned count, uint64_t lag)
{
	for (unsigned i = 0; i < count; i++) {
		uint64_t key = 1000000 + s->serial;

		answer(s, &s->primary[0], send_to(s, &s->primary[0], key, s->now), "", 1, MS);
		answer(s, &s->mirror[0], send_to(s, &s->mirror[0], key, s->now + lag), "", 1, MS);
		s->now += 2 * lag;
	}
	match_tick(s->match, s->now);
}

static void a_twin_is_found_across_connections_and_its_lag_is_sampled(void **ctx)
{
	struct stand *s = *ctx;

	send_to(s, &s->primary[1], 7, START);
	send_to(s, &s->mirror[0], 7, START + 3 * MS);
	assert_int_equal(counters(s)->matched, 1);
	assert_int_equal(counters(s)->ambiguous, 0);
	assert_int_equal(s->lags, 1);
	assert_int_equal(s->lag, 3 * MS);
}

static void the_mirror_may_be_seen_first_and_its_lag_is_then_zero(void **ctx)
{
	struct stand *s = *ctx;

	send_to(s, &s->mirror[0], 7, START);
	assert_int_equal(counters(s)->matched, 0);
	send_to(s, &s->primary[0], 7, START + MS);
	assert_int_equal(counters(s)->matched, 1);
	assert_int_equal(counters(s)->clamped, 1);
	assert_int_equal(s->lag, 0);
}

static void a_mirror_statement_seen_first_but_sent_later_has_its_true_lag(void **ctx)
{
	struct stand *s = *ctx;

	send_to(s, &s->mirror[0], 7, START + 2 * MS);
	send_to(s, &s->primary[0], 7, START);
	assert_int_equal(counters(s)->clamped, 0);
	assert_int_equal(s->lag, 2 * MS);
}

static void a_mirror_statement_without_a_primary_is_counted_after_a_moment(void **ctx)
{
	struct stand *s = *ctx;

	send_to(s, &s->mirror[0], 7, START);
	match_tick(s->match, START + 100 * MS);
	assert_int_equal(counters(s)->unmatched[MATCH_MIRROR][MATCH_NO_PRIMARY], 0);
	match_tick(s->match, START + 300 * MS);
	assert_int_equal(counters(s)->unmatched[MATCH_MIRROR][MATCH_NO_PRIMARY], 1);
	match_close(s->match, &s->mirror[0]);
	assert_int_equal(match_entries(s->match), 0);
}

static void control_and_ignored_statements_take_no_part(void **ctx)
{
	struct stand *s = *ctx;
	struct session_query query = statement(s, 7, START);

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
	struct session_query query = statement(s, 7, START);

	query.keyed = false;
	match_sent(s->match, &s->primary[0], &query, 0);
	match_sent(s->match, &s->mirror[0], &query, 0);
	match_sent(s->match, &s->mirror[0], &query, 0);
	assert_int_equal(counters(s)->unmatched[MATCH_PRIMARY][MATCH_UNKEYED], 1);
	assert_int_equal(counters(s)->unmatched[MATCH_MIRROR][MATCH_UNKEYED], 2);
}

static void of_several_candidates_the_one_nearest_to_the_median_lag_is_taken(void **ctx)
{
	struct stand *s = *ctx;
	uint64_t t;

	warm_up(s, 300, 5 * MS);
	t = s->now;
	for (unsigned i = 0; i < 10; i++)
		send_to(s, &s->primary[0], 7, t + i * 2 * MS);
	answer(s, &s->mirror[0], send_to(s, &s->mirror[0], 7, t + 19 * MS), "", 1, MS);
	assert_int_equal(counters(s)->ambiguous, 1);
	for (unsigned i = 0; i < 10; i++)
		match_close(s->match, &s->primary[0]);
	assert_false(s->last.certain);
	assert_int_equal(s->last.lag_ns, 5 * MS);
}

static void an_ambiguous_pair_is_no_lag_sample_while_certain_ones_abound(void **ctx)
{
	struct stand *s = *ctx;
	unsigned before;

	warm_up(s, 300, MS);
	before = s->lags;
	send_to(s, &s->primary[0], 7, s->now);
	send_to(s, &s->primary[0], 7, s->now + MS);
	send_to(s, &s->mirror[0], 7, s->now + 2 * MS);
	assert_int_equal(s->lags, before);
}

/* Two transactions of the primary share a hot statement; a unique one before it tells them apart. */
static void an_earlier_neighbour_in_the_transaction_decides(void **ctx)
{
	struct stand *s = *ctx;

	begin(s, &s->primary[0], START);
	send_in_block(s, &s->primary[0], 100, START + MS);
	send_in_block(s, &s->primary[0], 7, START + 2 * MS);
	begin(s, &s->primary[1], START + 3 * MS);
	send_in_block(s, &s->primary[1], 200, START + 4 * MS);
	send_in_block(s, &s->primary[1], 7, START + 5 * MS);
	begin(s, &s->mirror[0], START + 10 * MS);
	send_in_block(s, &s->mirror[0], 200, START + 11 * MS);
	send_in_block(s, &s->mirror[0], 7, START + 12 * MS);
	assert_int_equal(counters(s)->matched, 2);
	assert_int_equal(counters(s)->ambiguous, 0);
	assert_int_equal(s->lag, 7 * MS);
}

static void a_later_neighbour_in_the_transaction_decides_too(void **ctx)
{
	struct stand *s = *ctx;

	begin(s, &s->primary[0], START);
	send_in_block(s, &s->primary[0], 7, START + 2 * MS);
	send_in_block(s, &s->primary[0], 100, START + 3 * MS);
	begin(s, &s->primary[1], START + 3 * MS);
	send_in_block(s, &s->primary[1], 7, START + 5 * MS);
	send_in_block(s, &s->primary[1], 200, START + 6 * MS);
	begin(s, &s->mirror[0], START + 10 * MS);
	send_in_block(s, &s->mirror[0], 7, START + 12 * MS);
	assert_int_equal(counters(s)->matched, 0); /* put off */
	send_in_block(s, &s->mirror[0], 200, START + 13 * MS);
	assert_int_equal(counters(s)->matched, 2);
	assert_int_equal(counters(s)->ambiguous, 0);
	assert_int_equal(s->lag, 7 * MS);
}

static void what_no_neighbour_decides_is_guessed_when_the_transaction_ends(void **ctx)
{
	struct stand *s = *ctx;

	begin(s, &s->primary[0], START);
	send_in_block(s, &s->primary[0], 7, START + MS);
	begin(s, &s->primary[1], START + MS);
	send_in_block(s, &s->primary[1], 7, START + 2 * MS);
	begin(s, &s->mirror[0], START + 10 * MS);
	send_in_block(s, &s->mirror[0], 7, START + 12 * MS);
	assert_int_equal(counters(s)->matched, 0);
	send_to(s, &s->mirror[0], 300, START + 13 * MS);
	assert_int_equal(counters(s)->matched, 1);
	assert_int_equal(counters(s)->ambiguous, 1);
}

static void a_put_off_statement_does_not_count_as_on_its_way(void **ctx)
{
	struct stand *s = *ctx;

	warm_up(s, 300, MS);
	for (unsigned i = 0; i < 2; i++) {
		begin(s, &s->primary[i], s->now);
		send_in_block(s, &s->primary[i], 7, s->now);
	}
	assert_int_equal(lround(match_depth(s->match, s->now)), 2);
	begin(s, &s->mirror[0], s->now);
	send_in_block(s, &s->mirror[0], 7, s->now + MS / 10);
	assert_int_equal(lround(match_depth(s->match, s->now)), 1);
	match_close(s->match, &s->mirror[0]);
	assert_int_equal(lround(match_depth(s->match, s->now)), 1);
	assert_int_equal(counters(s)->ambiguous, 1);
}

static void the_share_that_is_mirrored_is_learned(void **ctx)
{
	struct stand *s = *ctx;

	assert_true(isnan(match_share(s->match)));
	for (unsigned i = 0; i < 8000; i++) {
		uint64_t key = 5000000 + i;

		answer(s, &s->primary[0], send_to(s, &s->primary[0], key, s->now), "", 1, 1000);
		if (i % 4 == 0)
			answer(s, &s->mirror[0], send_to(s, &s->mirror[0], key, s->now + MS), "", 1, 1000);
		s->now += 2 * MS;
		if (i % 100 == 0)
			match_tick(s->match, s->now);
	}
	assert_true(fabs(match_share(s->match) - 0.25) < 0.01);
}

static void the_depth_is_nan_before_the_first_match_and_counts_the_pending_after_it(void **ctx)
{
	struct stand *s = *ctx;

	send_to(s, &s->primary[0], 7, START);
	assert_true(isnan(match_depth(s->match, START)));
	send_to(s, &s->mirror[0], 7, START + MS);
	s->now = START + 2 * MS;
	warm_up(s, 300, MS);
	for (unsigned i = 0; i < 50; i++)
		send_to(s, &s->primary[0], 100 + i, s->now + i);
	assert_int_equal(lround(match_depth(s->match, s->now + MS)), 50);
}

static void the_depth_grows_while_the_mirror_stands_still_and_nothing_is_given_up(void **ctx)
{
	struct stand *s = *ctx;

	warm_up(s, 300, MS);
	for (unsigned i = 0; i < 4000; i++) {
		send_to(s, &s->primary[0], 100000 + i, s->now + i * 15 * MS);
		if (i % 100 == 0)
			match_tick(s->match, s->now + i * 15 * MS);
	}
	s->now += 60 * SECOND;
	match_tick(s->match, s->now);
	assert_int_equal(lround(match_depth(s->match, s->now)), 4000);
	assert_int_equal(counters(s)->unmatched[MATCH_PRIMARY][MATCH_NOT_MIRRORED], 0);
	/* and when it goes on after longer than the horizon, all are found */
	for (unsigned i = 0; i < 4000; i++)
		send_to(s, &s->mirror[0], 100000 + i, s->now + i * MS / 10);
	assert_int_equal(counters(s)->unmatched[MATCH_MIRROR][MATCH_NO_PRIMARY], 0);
	assert_int_equal(counters(s)->matched, 4300);
	assert_int_equal(lround(match_depth(s->match, s->now + SECOND)), 0);
}

static void the_depth_is_capped_by_the_proxys_queues_where_they_are_known(void **ctx)
{
	struct stand *s = *ctx, other;
	struct match_options options = {.max_entries = 10000, .queue_limit = 4};

	(void)s;
	stand_open(&other, &options);
	warm_up(&other, 300, MS);
	for (unsigned i = 0; i < 50; i++)
		send_to(&other, &other.primary[0], 100 + i, other.now + i);
	assert_int_equal(lround(match_depth(other.match, other.now)), 50);
	match_set_clients(other.match, 3);
	assert_int_equal(lround(match_depth(other.match, other.now)), 12);
	match_free(&other.match);
}

static void the_end_of_an_overflow_is_followed_by_what_arrives(void **ctx)
{
	struct stand *s = *ctx, other;
	struct match_options options = {.max_entries = 10000, .queue_limit = 10};

	(void)s;
	stand_open(&other, &options);
	warm_up(&other, 300, MS);
	match_set_clients(other.match, 10);
	for (unsigned i = 0; i < 500; i++)
		send_to(&other, &other.primary[0], 1000 + i, other.now + i);
	assert_int_equal(lround(match_depth(other.match, other.now + MS)), 100);
	for (unsigned i = 0; i < 40; i++)
		send_to(&other, &other.mirror[0], 1000 + i, other.now + 2 * MS);
	assert_int_equal(lround(match_depth(other.match, other.now + 3 * MS)), 60);
	match_free(&other.match);
}

static void a_queue_outlives_its_clients(void **ctx)
{
	struct stand *s = *ctx, other;
	struct match_options options = {.max_entries = 10000, .queue_limit = 10};

	(void)s;
	stand_open(&other, &options);
	warm_up(&other, 300, MS);
	match_set_clients(other.match, 10);
	for (unsigned i = 0; i < 100; i++)
		send_to(&other, &other.primary[0], 1000 + i, other.now + i);
	match_set_clients(other.match, 1);
	assert_true(match_depth(other.match, other.now + MS) >= 90);
	match_free(&other.match);
}

static void a_request_of_two_statements_takes_one_place_in_the_queue(void **ctx)
{
	struct stand *s = *ctx, other;
	struct match_options options = {.max_entries = 10000, .queue_limit = 10};

	(void)s;
	stand_open(&other, &options);
	warm_up(&other, 300, MS);
	for (unsigned i = 0; i < 8000; i++) {
		struct session_query query = {.serial = ++other.serial,
					      .sent_ns = other.now + i,
					      .key = {100000 + i, 0},
					      .keyed = true,
					      .in_block = i % 2};

		match_sent(other.match, &other.primary[0], &query, 0);
	}
	match_set_clients(other.match, 10);
	assert_in_range(lround(match_depth(other.match, other.now + MS)), 190, 210);
	match_free(&other.match);
}

static void a_long_silence_without_backlog_ends_at_zero_when_part_is_sampled(void **ctx)
{
	struct stand *s = *ctx;

	for (unsigned i = 0; i < 2000; i++) {
		send_to(s, &s->primary[0], 5000000 + i, s->now);
		if (i % 2 == 0)
			send_to(s, &s->mirror[0], 5000000 + i, s->now + MS);
		s->now += 2 * MS;
		if (i % 100 == 0)
			match_tick(s->match, s->now);
	}
	send_to(s, &s->primary[0], 7, s->now);
	assert_true(match_depth(s->match, s->now) > 0.4);
	assert_true(match_depth(s->match, s->now + 60 * SECOND) < 0.1);
}

static void what_outlives_the_horizon_of_matches_leaves_as_not_mirrored(void **ctx)
{
	struct stand *s = *ctx;

	warm_up(s, 50, MS);
	send_to(s, &s->primary[1], 7, s->now);
	s->now += MS;
	warm_up(s, 1000, 10 * MS); /* 20 s */
	assert_int_equal(counters(s)->unmatched[MATCH_PRIMARY][MATCH_NOT_MIRRORED], 0);
	warm_up(s, 1000, 10 * MS);
	assert_int_equal(counters(s)->unmatched[MATCH_PRIMARY][MATCH_NOT_MIRRORED], 1);
}

static void memory_is_bounded_and_evictions_are_counted(void **ctx)
{
	struct stand *s = *ctx, other;
	struct match_options options = {.max_entries = 1000};
	size_t bytes;

	(void)s;
	stand_open(&other, &options);
	for (unsigned i = 0; i < 1000; i++)
		answer(&other, &other.primary[0], send_to(&other, &other.primary[0], i, START + i), "", 1, 1);
	bytes = match_bytes(other.match);
	for (unsigned i = 1000; i < 50000; i++)
		answer(&other, &other.primary[0], send_to(&other, &other.primary[0], i, START + i), "", 1, 1);
	assert_int_equal(match_entries(other.match), 1000);
	assert_int_equal(match_bytes(other.match), bytes);
	assert_int_equal(counters(&other)->unmatched[MATCH_PRIMARY][MATCH_EVICTED], 49000);
	match_free(&other.match);
}

static void a_full_table_of_unanswered_statements_refuses_new_ones_and_says_so(void **ctx)
{
	struct stand *s = *ctx, other;
	struct match_options options = {.max_entries = 100};

	(void)s;
	stand_open(&other, &options);
	for (unsigned i = 0; i < 300; i++)
		send_to(&other, &other.primary[0], i, START + i);
	assert_true(match_entries(other.match) <= 100);
	assert_true(counters(&other)->unmatched[MATCH_PRIMARY][MATCH_EVICTED] >= 200);
	match_close(other.match, &other.primary[0]);
	assert_true(match_entries(other.match) <= 100);
	match_free(&other.match);
}

static void further_copies_on_other_servers_count_as_fanout(void **ctx)
{
	struct stand *s = *ctx;

	for (unsigned i = 0; i < 1000; i++) {
		send_to(s, &s->primary[0], 5000000 + i, s->now);
		send_to(s, &s->mirror[0], 5000000 + i, s->now + MS);
		send_to(s, &s->mirror[1], 5000000 + i, s->now + MS);
		s->now += 10 * MS;
		match_tick(s->match, s->now);
	}
	match_tick(s->match, s->now + SECOND);
	assert_int_equal(counters(s)->matched, 1000);
	assert_int_equal(counters(s)->unmatched[MATCH_MIRROR][MATCH_FANOUT], 1000);
	assert_int_equal(counters(s)->unmatched[MATCH_MIRROR][MATCH_NO_PRIMARY], 0);
}

static void a_pair_is_told_once_both_are_answered(void **ctx)
{
	struct stand *s = *ctx;
	struct session_query primary = send_to(s, &s->primary[0], 7, START), mirror;

	answer(s, &s->primary[0], primary, "", 3, 5 * MS);
	mirror = send_to(s, &s->mirror[0], 7, START + MS);
	assert_int_equal(s->pairs, 0);
	answer(s, &s->mirror[0], mirror, "0A000", 0, 7 * MS);
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
	struct session_query primary = send_to(s, &s->primary[0], 7, START);
	struct session_query mirror = send_to(s, &s->mirror[0], 7, START);

	answer(s, &s->mirror[0], mirror, "42P01", 0, MS);
	answer(s, &s->primary[0], primary, "ZZZZZ", 0, MS);
	assert_int_equal(s->pairs, 1);
	assert_string_equal(s->last.mirror.sqlstate, "42P01");
	assert_string_equal(s->last.primary.sqlstate, "ZZZZZ");
}

static void answers_of_pipelined_statements_find_their_own(void **ctx)
{
	struct stand *s = *ctx;
	struct session_query first = send_to(s, &s->primary[0], 1, START);
	struct session_query second = send_to(s, &s->primary[0], 2, START + 1);

	answer(s, &s->mirror[0], send_to(s, &s->mirror[0], 2, START + MS), "", 2, MS);
	answer(s, &s->primary[0], first, "", 1, MS);
	assert_int_equal(s->pairs, 0);
	answer(s, &s->primary[0], second, "", 2, MS);
	assert_int_equal(s->pairs, 1);
	assert_int_equal(s->last.primary.rows, 2);
}

static void a_skipped_statement_is_told_as_such(void **ctx)
{
	struct stand *s = *ctx;
	struct session_query primary = send_to(s, &s->primary[0], 7, START);
	struct session_query mirror = send_to(s, &s->mirror[0], 7, START);

	primary.skipped = true;
	answer(s, &s->primary[0], primary, "", 0, MS);
	answer(s, &s->mirror[0], mirror, "", 0, MS);
	assert_true(s->last.primary.skipped);
	assert_true(s->last.primary.answered);
	assert_int_equal(s->last.primary.outcome, OUTCOME_UNKNOWN);
	assert_false(s->last.mirror.skipped);
}

static void a_pair_whose_answers_do_not_come_is_given_up(void **ctx)
{
	struct stand *s = *ctx;

	answer(s, &s->primary[0], send_to(s, &s->primary[0], 7, START), "", 1, MS);
	send_to(s, &s->mirror[0], 7, START + MS);
	match_tick(s->match, START + 119 * SECOND);
	assert_int_equal(s->pairs, 0);
	match_tick(s->match, START + 121 * SECOND);
	assert_int_equal(s->pairs, 1);
	assert_true(s->last.primary.answered);
	assert_false(s->last.mirror.answered);
	assert_int_equal(counters(s)->unanswered, 1);
	match_close(s->match, &s->mirror[0]);
	assert_int_equal(match_entries(s->match), 0);
}

static void a_closed_connection_leaves_its_pairs_unanswered(void **ctx)
{
	struct stand *s = *ctx;

	send_to(s, &s->primary[0], 7, START);
	send_to(s, &s->mirror[0], 7, START + MS);
	match_close(s->match, &s->primary[0]);
	assert_int_equal(s->pairs, 0);
	match_close(s->match, &s->mirror[0]);
	assert_int_equal(s->pairs, 1);
	assert_int_equal(counters(s)->unanswered, 1);
	assert_int_equal(match_entries(s->match), 0);
}

static void the_oldest_on_its_way_is_told_by_age(void **ctx)
{
	struct stand *s = *ctx;

	warm_up(s, 300, MS);
	assert_int_equal(match_oldest(s->match, s->now), 0);
	send_to(s, &s->primary[0], 7, s->now);
	send_to(s, &s->primary[0], 8, s->now + SECOND);
	assert_in_range(match_oldest(s->match, s->now + 2 * SECOND), 1980 * MS, 2020 * MS);
}

static void memory_does_not_grow_after_the_first_round(void **ctx)
{
	struct stand *s = *ctx;
	size_t bytes = 0;

	for (unsigned round = 0; round < 20; round++) {
		for (unsigned i = 0; i < 5000; i++) {
			answer(s, &s->primary[0], send_to(s, &s->primary[0], s->serial % 7000, s->now), "", 1,
			       1);
			if (i % 2)
				answer(s, &s->mirror[0],
				       send_to(s, &s->mirror[0], s->serial % 7000 - 2, s->now), "", 1, 1);
			s->now += 7 * MS;
		}
		match_tick(s->match, s->now);
		if (round == 1)
			bytes = match_bytes(s->match);
	}
	assert_int_equal(match_bytes(s->match), bytes);
}

/*
 * 100,000 statements a second, each text once, half of them mirrored. An hour is 120 horizons of 30 s; here
 * as many of 100 ms, since what could pile up does so with each horizon.
 */
static void memory_after_the_horizons_of_an_hour_is_that_after_the_first(void **ctx)
{
	struct match_options options = {.horizon_ns = 100 * MS, .answer_timeout_ns = 200 * MS};
	struct stand *s = *ctx;
	size_t bytes = 0;

	match_free(&s->match);
	assert_int_equal(match_new(&s->match, &options, &(struct match_sink){0}), 0);
	for (unsigned i = 0; i < 120 * 10000; i++, s->now += SECOND / 100000) {
		answer(s, &s->primary[0], send_to(s, &s->primary[0], 1000000 + i, s->now), "", 1, 1);
		if (i % 2 && i > 50)
			answer(s, &s->mirror[0], send_to(s, &s->mirror[0], 1000000 + i - 50, s->now), "", 1,
			       1);
		if (i % 10000 == 0)
			match_tick(s->match, s->now);
		if (i == 5 * 10000)
			bytes = match_bytes(s->match);
	}
	assert_int_equal(match_bytes(s->match), bytes);
	assert_true(match_entries(s->match) < 3 * 10000);
	assert_true(counters(s)->matched > 590000);
	assert_int_equal(counters(s)->unmatched[MATCH_PRIMARY][MATCH_EVICTED], 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(a_twin_is_found_across_connections_and_its_lag_is_sampled),
	    CASE(the_mirror_may_be_seen_first_and_its_lag_is_then_zero),
	    CASE(a_mirror_statement_seen_first_but_sent_later_has_its_true_lag),
	    CASE(a_mirror_statement_without_a_primary_is_counted_after_a_moment),
	    CASE(control_and_ignored_statements_take_no_part),
	    CASE(an_unkeyed_statement_is_counted_for_its_side),
	    CASE(of_several_candidates_the_one_nearest_to_the_median_lag_is_taken),
	    CASE(an_ambiguous_pair_is_no_lag_sample_while_certain_ones_abound),
	    CASE(an_earlier_neighbour_in_the_transaction_decides),
	    CASE(a_later_neighbour_in_the_transaction_decides_too),
	    CASE(what_no_neighbour_decides_is_guessed_when_the_transaction_ends),
	    CASE(a_put_off_statement_does_not_count_as_on_its_way),
	    CASE(the_share_that_is_mirrored_is_learned),
	    CASE(the_depth_is_nan_before_the_first_match_and_counts_the_pending_after_it),
	    CASE(the_depth_grows_while_the_mirror_stands_still_and_nothing_is_given_up),
	    CASE(the_depth_is_capped_by_the_proxys_queues_where_they_are_known),
	    CASE(the_end_of_an_overflow_is_followed_by_what_arrives),
	    CASE(a_queue_outlives_its_clients),
	    CASE(a_request_of_two_statements_takes_one_place_in_the_queue),
	    CASE(a_long_silence_without_backlog_ends_at_zero_when_part_is_sampled),
	    CASE(what_outlives_the_horizon_of_matches_leaves_as_not_mirrored),
	    CASE(memory_is_bounded_and_evictions_are_counted),
	    CASE(a_full_table_of_unanswered_statements_refuses_new_ones_and_says_so),
	    CASE(further_copies_on_other_servers_count_as_fanout),
	    CASE(a_pair_is_told_once_both_are_answered),
	    CASE(the_primarys_answer_may_come_last),
	    CASE(answers_of_pipelined_statements_find_their_own),
	    CASE(a_skipped_statement_is_told_as_such),
	    CASE(a_pair_whose_answers_do_not_come_is_given_up),
	    CASE(a_closed_connection_leaves_its_pairs_unanswered),
	    CASE(the_oldest_on_its_way_is_told_by_age),
	    CASE(memory_does_not_grow_after_the_first_round),
	    CASE(memory_after_the_horizons_of_an_hour_is_that_after_the_first),
	};

	return cmocka_run_group_tests_name("match", tests, NULL, NULL);
}
