/* SPDX-License-Identifier: MIT */
/*
 * match_stand - a matcher between two connections on each side, and what it told; statements are made up, a
 * key stands for text and parameters.
 */
#ifndef MO_MATCH_STAND_H
#define MO_MATCH_STAND_H

#include "match/match.h"

#define MS     1000000ull
#define SECOND 1000000000ull
#define START  (1000 * SECOND)

struct stand {
	struct match *match;
	struct match_connection primary[2], mirror[2];
	uint64_t serial;
	uint64_t now;
	unsigned pairs, lags;
	uint64_t lag, lag_sum;
	struct match_pair last;
};

/* A test gets a stand with room for 10,000 entries. */
#define STAND_TEST(name) cmocka_unit_test_setup_teardown(name, stand_set_up, stand_tear_down)
int stand_set_up(void **ctx);
int stand_tear_down(void **ctx);
/* Begins anew with these options. */
void stand_reopen(struct stand *stand, const struct match_options *options);

struct session_query stand_statement(struct stand *stand, uint64_t key, uint64_t at);
struct session_query stand_send(struct stand *stand, struct match_connection *connection, uint64_t key,
				uint64_t at);
struct session_query stand_send_in_block(struct stand *stand, struct match_connection *connection,
					 uint64_t key, uint64_t at);
/* BEGIN. */
void stand_begin(struct stand *stand, struct match_connection *connection, uint64_t at);
/* sqlstate "" is a success. */
void stand_answer(struct stand *stand, struct match_connection *connection, struct session_query query,
		  const char *sqlstate, uint64_t rows, uint64_t duration);
const struct match_counters *stand_counters(struct stand *stand);
/* Keys of their own, each mirrored `lag` later: what the module needs to know the lag. */
void stand_warm_up(struct stand *stand, unsigned count, uint64_t lag);

#endif
