/* SPDX-License-Identifier: MIT */
/* Ways in which a connection once went blind, or its statements vanished: each is counted, and found again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "support/tally.h"

#define SECOND 1000000000ull

static struct tally tally;
static uint64_t now_ns;

#define SENT(text)     sent(text, sizeof(text) - 1)
#define RECEIVED(text) received(text, sizeof(text) - 1)

#define STARTUP  "\0\0\0\x12\0\3\0\0user\0joe\0\0"
#define GREETING "R\0\0\0\x08\0\0\0\0Z\0\0\0\5I"
#define SELECT_1 "Q\0\0\0\x0dSELECT 1\0"
#define ANSWER_1 "T\0\0\0\6\0\0D\0\0\0\6\0\0C\0\0\0\x0dSELECT 1\0Z\0\0\0\5I"
#define FAILED                        \
	"E\0\0\0\x1aSERROR\0VERROR\0" \
	"C42P01\0\0"
#define BEGIN         \
	"Q\0\0\0\x0a" \
	"BEGIN\0"
#define BEGUN         \
	"C\0\0\0\x0a" \
	"BEGIN\0Z\0\0\0\5T"
#define PARSE   "P\0\0\0\x11s\0SELECT 1\0\0\0"
#define BIND    "B\0\0\0\x0d\0s\0\0\0\0\0\0\0"
#define EXECUTE "E\0\0\0\x09\0\0\0\0\0"
#define SYNC    "S\0\0\0\4"

static void sent(const char *data, size_t len)
{
	now_ns += 1000;
	session_sent(tally.session, (const uint8_t *)data, len, now_ns, true);
}

static void received(const char *data, size_t len)
{
	now_ns += 1000;
	session_received(tally.session, (const uint8_t *)data, len, now_ns, true);
}

static void start(void)
{
	tally_open(&tally, &tally_options, true);
	now_ns = SECOND;
	SENT(STARTUP);
	RECEIVED(GREETING);
}

static void ask(size_t times)
{
	for (size_t i = 0; i < times; i++) {
		SENT(SELECT_1);
		RECEIVED(ANSWER_1);
	}
}

static void finish(void)
{
	tally_close(&tally, SESSION_END_CLIENT, now_ns);
	assert_false(tally.broken);
	assert_int_equal(tally.answered, tally.sent);
}

static uint64_t known(void)
{
	return tally.statements[OUTCOME_SUCCESS] + tally.statements[OUTCOME_FAILURE];
}

static void one_lost_answer_while_another_is_outstanding_blinds_nobody(void **state)
{
	(void)state;
	start();
	SENT(SELECT_1);
	SENT(SELECT_1);
	session_received_gap(tally.session, sizeof(ANSWER_1) - 1, now_ns);
	RECEIVED(ANSWER_1);
	ask(20);
	assert_int_equal(session_state(tally.session), SESSION_ALIGNED);
	ask(980);
	assert_int_equal(tally.statements[OUTCOME_SUCCESS], 1001);
	assert_int_equal(tally.statements[OUTCOME_UNKNOWN], 1);
	finish();
}

/* Two requests are on their way at first; it goes on pipelining, with pauses now and then. */
static void a_client_that_pipelines_is_paired_again_in_mid_traffic(void **state)
{
	(void)state;
	tally_open(&tally, &tally_options, false);
	now_ns = SECOND;
	for (int i = 0; i < 400; i++) {
		SENT(SELECT_1);
		SENT(SELECT_1);
		RECEIVED(ANSWER_1);
		SENT(SELECT_1);
		RECEIVED(ANSWER_1);
		RECEIVED(ANSWER_1);
		now_ns += 2000000; /* not busy for two milliseconds */
	}
	assert_int_equal(session_state(tally.session), SESSION_ALIGNED);
	assert_int_equal(tally.statements[OUTCOME_FAILURE], 0);
	assert_in_range(tally.statements[OUTCOME_SUCCESS], 1198, 1200);
	finish();
}

static void a_client_that_is_always_busy_is_counted_though_never_paired(void **state)
{
	(void)state;
	start();
	SENT(SELECT_1);
	SENT(SELECT_1);
	for (int i = 0; i < 50; i++) {
		SENT(SELECT_1);
		RECEIVED(ANSWER_1);
	}
	session_received_gap(tally.session, sizeof(ANSWER_1) - 1, now_ns);
	for (int i = 0; i < 1000; i++) {
		SENT(SELECT_1);
		RECEIVED(ANSWER_1);
	}
	assert_int_not_equal(session_state(tally.session), SESSION_ALIGNED);
	assert_int_equal(tally.statements[OUTCOME_SUCCESS], 1050);
	finish();
	assert_int_equal(tally.statements[OUTCOME_FAILURE], 0);
}

static void a_batch_of_more_messages_than_the_pipeline_holds_is_counted(void **state)
{
	enum { BATCH = 30000 };
	static const char one[] = PARSE BIND EXECUTE;
	static const char answer[] = "1\0\0\0\0042\0\0\0\4D\0\0\0\6\0\0C\0\0\0\x0dSELECT 1\0";
	char *batch = malloc(BATCH * (sizeof(one) - 1) + 5);

	(void)state;
	assert_non_null(batch);
	start();
	for (size_t i = 0; i < BATCH; i++)
		memcpy(batch + i * (sizeof(one) - 1), one, sizeof(one) - 1);
	memcpy(batch + BATCH * (sizeof(one) - 1), SYNC, 5);
	sent(batch, BATCH * (sizeof(one) - 1) + 5);
	free(batch);
	for (size_t i = 0; i < BATCH; i++)
		received(answer, sizeof(answer) - 1);
	RECEIVED("Z\0\0\0\5I");
	assert_int_equal(tally.statements[OUTCOME_SUCCESS], BATCH);
	assert_int_equal(tally.requests[OUTCOME_SUCCESS], 1);
	ask(1000);
	assert_int_equal(tally.statements[OUTCOME_SUCCESS], BATCH + 1000);
	assert_int_equal(session_state(tally.session), SESSION_ALIGNED);
	finish();
	assert_int_equal(tally.statements[OUTCOME_UNKNOWN], 0);
}

/* Its calls are no whole messages, so its framing stays lost. */
static void a_client_whose_framing_stays_lost_is_counted_from_its_answers(void **state)
{
	static const char query[] = SELECT_1;

	(void)state;
	start();
	session_sent_gap(tally.session, 7, now_ns);
	for (int i = 0; i < 3000; i++) {
		sent(query, 3);
		sent(query + 3, sizeof(query) - 4);
		if (i % 2)
			RECEIVED(FAILED "Z\0\0\0\5I");
		else
			RECEIVED(ANSWER_1);
	}
	assert_int_equal(session_state(tally.session), SESSION_FRONT_LOST);
	assert_int_equal(tally.statements[OUTCOME_SUCCESS], 1500);
	assert_int_equal(tally.statements[OUTCOME_FAILURE], 1500);
	assert_int_equal(tally.requests[OUTCOME_FAILURE], 1500);
	finish();
}

static void a_copy_too_long_for_a_record_loses_no_statement(void **state)
{
	(void)state;
	start();
	SENT("Q\0\0\0\x16"
	     "COPY t FROM STDIN\0");
	RECEIVED("G\0\0\0\7\0\0\0");
	SENT("d\0\0\x10\0some of it");
	session_sent_gap(tally.session, 8 << 20, now_ns);
	RECEIVED("C\0\0\0\x0c"
		 "COPY 99\0Z\0\0\0\5I");
	ask(300);
	assert_int_equal(tally.statements[OUTCOME_SUCCESS], 301);
	assert_int_equal(session_state(tally.session), SESSION_ALIGNED);
	finish();
}

static void a_query_of_which_enough_was_seen_is_not_held_to_be_ignored(void **state)
{
	static char query[5 + 100000] = "Q\0\x98\x96\x84INSERT INTO t VALUES"; /* 10,000,000 bytes */

	(void)state;
	memset(query + 25, 'x', sizeof(query) - 25);
	start();
	session_sent(tally.session, (const uint8_t *)query, sizeof(query), ++now_ns, false);
	session_sent_gap(tally.session, 10000000 - 100000, ++now_ns);
	RECEIVED("C\0\0\0\x0fINSERT 0 1\0Z\0\0\0\5I");
	assert_string_equal(tally.log, "s+ r+ ");
	finish();
}

static void a_block_that_failed_and_does_not_end_is_a_failed_request_all_the_same(void **state)
{
	(void)state;
	start();
	SENT(BEGIN);
	RECEIVED(BEGUN);
	for (int i = 0; i < 100; i++) {
		SENT(SELECT_1);
		RECEIVED(FAILED "Z\0\0\0\5E");
		now_ns += SECOND;
		session_tick(tally.session, now_ns);
	}
	assert_int_equal(tally.statements[OUTCOME_FAILURE], 100);
	assert_int_equal(tally.requests[OUTCOME_FAILURE], 1);
	SENT("Q\0\0\0\x0dROLLBACK\0");
	RECEIVED("C\0\0\0\x0dROLLBACK\0Z\0\0\0\5I");
	assert_int_equal(tally.requests[OUTCOME_FAILURE], 1);
	assert_int_equal(tally.notes[NOTE_LATE_ANSWER], 0);
	ask(1);
	assert_int_equal(tally.requests[OUTCOME_SUCCESS], 1);
	finish();
}

static void three_hundred_portals_suspended_and_resumed_are_three_hundred_statements(void **state)
{
	(void)state;
	start();
	SENT(BEGIN);
	RECEIVED(BEGUN);
	for (int round = 0; round < 2; round++)
		for (int i = 0; i < 300; i++) {
			char bind[] = "B\0\0\0\x0fppp\0\0\0\0\0\0\0\0",
			     execute[] = "E\0\0\0\x0cppp\0\0\0\0\1";

			memcpy(bind + 5, (char[]){'a' + i / 100, 'a' + i / 10 % 10, 'a' + i % 10}, 3);
			memcpy(execute + 5, bind + 5, 3);
			if (round == 0) {
				sent(bind, 16);
				RECEIVED("2\0\0\0\4");
			}
			sent(execute, 13);
			RECEIVED("D\0\0\0\6\0\0");
			if (round == 0)
				RECEIVED("s\0\0\0\4");
			else
				RECEIVED("C\0\0\0\x0dSELECT 1\0");
		}
	SENT(SYNC);
	RECEIVED("Z\0\0\0\5T");
	SENT("Q\0\0\0\x0b"
	     "COMMIT\0");
	RECEIVED("C\0\0\0\x0b"
		 "COMMIT\0Z\0\0\0\5I");
	assert_int_equal(tally.statements[OUTCOME_SUCCESS], 302);
	assert_int_equal(tally.statements[OUTCOME_UNKNOWN], 0);
	finish();
}

static void both_directions_lost_is_time_that_is_told(void **state)
{
	(void)state;
	start();
	ask(3);
	now_ns += 5 * SECOND;
	session_sent_gap(tally.session, 1000, now_ns);
	session_received_gap(tally.session, 1000, now_ns);
	assert_in_range(tally.blind_ns, 5 * SECOND, 6 * SECOND);
	ask(20);
	assert_int_equal(session_state(tally.session), SESSION_ALIGNED);
	assert_in_range(known(), 22, 23);
	finish();
}

/* After a loss the client's next message may come before anything tells of what the server sent meanwhile. */
static void the_two_gaps_of_one_loss_may_be_told_with_bytes_between_them(void **state)
{
	(void)state;
	start();
	ask(3);
	now_ns += 5 * SECOND;
	session_sent_gap(tally.session, 1000, now_ns);
	SENT(SELECT_1);
	now_ns += SECOND / 1000;
	session_received_gap(tally.session, 1000, now_ns);
	assert_in_range(tally.blind_ns, 5 * SECOND - SECOND / 100, 5 * SECOND);
	RECEIVED(ANSWER_1);
	ask(20);
	assert_int_equal(session_state(tally.session), SESSION_ALIGNED);
	assert_in_range(tally.blind_ns, 5 * SECOND - SECOND / 100, 5 * SECOND + SECOND / 100);
	finish();
}

/* One direction's gap is over before the other's begins. */
static void gaps_of_other_times_are_no_blindness(void **state)
{
	(void)state;
	start();
	ask(3);
	now_ns += 5 * SECOND;
	session_sent_gap(tally.session, sizeof(SELECT_1) - 1, now_ns);
	RECEIVED(ANSWER_1);
	SENT(SELECT_1);
	now_ns += SECOND;
	session_received_gap(tally.session, sizeof(ANSWER_1) - 1, now_ns);
	assert_in_range(tally.blind_ns, 0, SECOND / 100);
	finish();
}

static void what_a_silent_connection_waits_for_is_unknown_in_the_end(void **state)
{
	(void)state;
	start();
	SENT(SELECT_1);
	session_received_gap(tally.session, sizeof(ANSWER_1) - 1, now_ns);
	SENT(SELECT_1);
	RECEIVED(ANSWER_1);
	session_tick(tally.session, now_ns + 31 * SECOND);
	assert_int_equal(tally.statements[OUTCOME_SUCCESS] + tally.statements[OUTCOME_UNKNOWN], 2);
	finish();
	assert_int_equal(tally.statements[OUTCOME_SUCCESS] + tally.statements[OUTCOME_UNKNOWN], 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(one_lost_answer_while_another_is_outstanding_blinds_nobody),
	    cmocka_unit_test(a_client_that_pipelines_is_paired_again_in_mid_traffic),
	    cmocka_unit_test(a_client_that_is_always_busy_is_counted_though_never_paired),
	    cmocka_unit_test(a_batch_of_more_messages_than_the_pipeline_holds_is_counted),
	    cmocka_unit_test(a_client_whose_framing_stays_lost_is_counted_from_its_answers),
	    cmocka_unit_test(a_copy_too_long_for_a_record_loses_no_statement),
	    cmocka_unit_test(a_query_of_which_enough_was_seen_is_not_held_to_be_ignored),
	    cmocka_unit_test(a_block_that_failed_and_does_not_end_is_a_failed_request_all_the_same),
	    cmocka_unit_test(three_hundred_portals_suspended_and_resumed_are_three_hundred_statements),
	    cmocka_unit_test(both_directions_lost_is_time_that_is_told),
	    cmocka_unit_test(the_two_gaps_of_one_loss_may_be_told_with_bytes_between_them),
	    cmocka_unit_test(gaps_of_other_times_are_no_blindness),
	    cmocka_unit_test(what_a_silent_connection_waits_for_is_unknown_in_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
