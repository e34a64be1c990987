/* SPDX-License-Identifier: MIT */
#include "support/match_stand.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void on_lag(void *ctx, uint64_t lag)
{
	struct stand *s = ctx;

	s->lags++;
	s->lag = lag;
	s->lag_sum += lag;
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

void stand_reopen(struct stand *s, const struct match_options *options)
{
	match_free(&s->match);
	stand_open(s, options);
}

int stand_set_up(void **ctx)
{
	static struct stand s;
	const struct match_options options = {.max_entries = 10000};

	stand_open(&s, &options);
	*ctx = &s;
	return 0;
}

int stand_tear_down(void **ctx)
{
	struct stand *s = *ctx;

	match_free(&s->match);
	assert_null(s->match);
	return 0;
}

struct session_query stand_statement(struct stand *s, uint64_t key, uint64_t at)
{
	return (struct session_query){.serial = ++s->serial, .sent_ns = at, .key = {key, 1}, .keyed = true};
}

struct session_query stand_send(struct stand *s, struct match_connection *c, uint64_t key, uint64_t at)
{
	struct session_query query = stand_statement(s, key, at);

	match_sent(s->match, c, &query, (uint32_t)key);
	return query;
}

struct session_query stand_send_in_block(struct stand *s, struct match_connection *c, uint64_t key,
					 uint64_t at)
{
	struct session_query query = stand_statement(s, key, at);

	query.in_block = true;
	match_sent(s->match, c, &query, (uint32_t)key);
	return query;
}

void stand_begin(struct stand *s, struct match_connection *c, uint64_t at)
{
	struct session_query query = stand_statement(s, 0, at);

	query.control = true;
	match_sent(s->match, c, &query, 0);
}

void stand_answer(struct stand *s, struct match_connection *c, struct session_query query,
		  const char *sqlstate, uint64_t rows, uint64_t duration)
{
	query.done_ns = query.sent_ns + duration;
	query.outcome = sqlstate[0] ? OUTCOME_FAILURE : OUTCOME_SUCCESS;
	strcpy(query.sqlstate, sqlstate);
	query.rows = rows;
	match_answered(s->match, c, &query, (uint32_t)rows + 1);
}

const struct match_counters *stand_counters(struct stand *s)
{
	return match_counters(s->match);
}

void stand_warm_up(struct stand *s, unsigned count, uint64_t lag)
{
	for (unsigned i = 0; i < count; i++) {
		uint64_t key = 1000000 + s->serial;

		stand_answer(s, &s->primary[0], stand_send(s, &s->primary[0], key, s->now), "", 1, MS);
		stand_answer(s, &s->mirror[0], stand_send(s, &s->mirror[0], key, s->now + lag), "", 1, MS);
		s->now += 2 * lag;
	}
	match_tick(s->match, s->now);
}
