/* SPDX-License-Identifier: MIT */
/* What leaves before it is paired, and memory that does not grow. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "support/heap.h"
#include "support/match_stand.h"

static void what_outlives_the_horizon_of_matches_leaves_as_not_mirrored(void **ctx)
{
	struct stand *s = *ctx;

	stand_warm_up(s, 50, MS);
	stand_send(s, &s->primary[1], 7, s->now);
	s->now += MS;
	stand_warm_up(s, 1000, 10 * MS); /* 20 s */
	assert_int_equal(stand_counters(s)->unmatched[MATCH_PRIMARY][MATCH_NOT_MIRRORED], 0);
	stand_warm_up(s, 1000, 10 * MS);
	assert_int_equal(stand_counters(s)->unmatched[MATCH_PRIMARY][MATCH_NOT_MIRRORED], 1);
}

static void memory_is_bounded_and_evictions_are_counted(void **ctx)
{
	struct stand *s = *ctx;
	const struct match_options options = {.max_entries = 1000};
	size_t bytes;

	stand_reopen(s, &options);
	for (unsigned i = 0; i < 1000; i++)
		stand_answer(s, &s->primary[0], stand_send(s, &s->primary[0], i, START + i), "", 1, 1);
	bytes = match_bytes(s->match);
	for (unsigned i = 1000; i < 50000; i++)
		stand_answer(s, &s->primary[0], stand_send(s, &s->primary[0], i, START + i), "", 1, 1);
	assert_int_equal(match_entries(s->match), 1000);
	assert_int_equal(match_bytes(s->match), bytes);
	assert_int_equal(stand_counters(s)->unmatched[MATCH_PRIMARY][MATCH_EVICTED], 49000);
}

static void a_full_table_of_unanswered_statements_refuses_new_ones_and_says_so(void **ctx)
{
	struct stand *s = *ctx;
	const struct match_options options = {.max_entries = 100};

	stand_reopen(s, &options);
	for (unsigned i = 0; i < 300; i++)
		stand_send(s, &s->primary[0], i, START + i);
	assert_true(match_entries(s->match) <= 100);
	assert_true(stand_counters(s)->unmatched[MATCH_PRIMARY][MATCH_EVICTED] >= 200);
	match_close(s->match, &s->primary[0]);
	assert_true(match_entries(s->match) <= 100);
}

static void memory_does_not_grow_after_the_first_round(void **ctx)
{
	struct stand *s = *ctx;
	size_t bytes = 0;

	for (unsigned round = 0; round < 20; round++) {
		for (unsigned i = 0; i < 5000; i++) {
			stand_answer(s, &s->primary[0],
				     stand_send(s, &s->primary[0], s->serial % 7000, s->now), "", 1, 1);
			if (i % 2)
				stand_answer(s, &s->mirror[0],
					     stand_send(s, &s->mirror[0], s->serial % 7000 - 2, s->now), "",
					     1, 1);
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
	const struct match_options options = {.horizon_ns = 100 * MS, .answer_timeout_ns = 200 * MS};
	struct stand *s = *ctx;
	size_t bytes = 0;

	stand_reopen(s, &options);
	for (unsigned i = 0; i < 120 * 10000; i++, s->now += SECOND / 100000) {
		stand_answer(s, &s->primary[0], stand_send(s, &s->primary[0], 1000000 + i, s->now), "", 1, 1);
		if (i % 2 && i > 50)
			stand_answer(s, &s->mirror[0], stand_send(s, &s->mirror[0], 1000000 + i - 50, s->now),
				     "", 1, 1);
		if (i % 10000 == 0)
			match_tick(s->match, s->now);
		if (i == 5 * 10000)
			bytes = match_bytes(s->match);
	}
	assert_int_equal(match_bytes(s->match), bytes);
	assert_true(match_entries(s->match) < 3 * 10000);
	assert_true(stand_counters(s)->matched > 590000);
	assert_int_equal(stand_counters(s)->unmatched[MATCH_PRIMARY][MATCH_EVICTED], 0);
}

static void one_both_sides(struct stand *s, uint64_t i)
{
	uint64_t key = i % 4 ? 1000000 + i : i / 4 % 50; /* a quarter of them hot */

	stand_answer(s, &s->primary[i % 2], stand_send(s, &s->primary[i % 2], key, s->now), "", 1, MS);
	if (i % 2) /* 5 ms later, between two statements of the primary */
		stand_answer(s, &s->mirror[0], stand_send(s, &s->mirror[0], key, s->now + 5 * MS), "", 1, MS);
}

/*
 * An hour by the module's own clock with all defaults, half mirrored, a quarter hot: what depends on time,
 * not on the number of statements, shows here. RATE=100000 in the environment makes it the full rate.
 */
static void memory_after_an_hour_is_that_of_the_second_minute(void **ctx)
{
	const uint64_t rate = getenv("RATE") ? strtoull(getenv("RATE"), NULL, 10) : 1000;
	const struct match_options options = {0};
	struct stand *s = *ctx;
	size_t bytes = 0, allocated = 0;

	stand_reopen(s, &options);
	for (uint64_t i = 0; i < 3600 * rate; i++, s->now += SECOND / rate) {
		one_both_sides(s, i);
		if (i % (rate / 10) == 0)
			match_tick(s->match, s->now);
		if (i == 120 * rate) {
			bytes = match_bytes(s->match);
			allocated = heap_in_use();
		}
	}
	printf("%llu statements/s: %zu bytes after an hour, %u entries\n", (unsigned long long)rate,
	       match_bytes(s->match), match_entries(s->match));
	assert_int_equal(match_bytes(s->match), bytes);
	assert_int_equal(heap_in_use(), allocated);
	assert_true(match_bytes(s->match) < 200u << 20);
	assert_true(stand_counters(s)->matched > 3600 * rate / 2 * 99 / 100);
	assert_int_equal(stand_counters(s)->unmatched[MATCH_PRIMARY][MATCH_EVICTED], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    STAND_TEST(what_outlives_the_horizon_of_matches_leaves_as_not_mirrored),
	    STAND_TEST(memory_is_bounded_and_evictions_are_counted),
	    STAND_TEST(a_full_table_of_unanswered_statements_refuses_new_ones_and_says_so),
	    STAND_TEST(memory_does_not_grow_after_the_first_round),
	    STAND_TEST(memory_after_the_horizons_of_an_hour_is_that_after_the_first),
	    STAND_TEST(memory_after_an_hour_is_that_of_the_second_minute),
	};

	return cmocka_run_group_tests_name("match_bounds", tests, NULL, NULL);
}
