/* SPDX-License-Identifier: MIT */
/* What the transcripts do not show: keys, bounds, time, loss. Messages are written by hand. */
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

/* Bytes of a string literal, without its NUL. */
#define SENT(text)     sent(text, sizeof(text) - 1)
#define RECEIVED(text) received(text, sizeof(text) - 1)

#define STARTUP  "\0\0\0\x12\0\3\0\0user\0joe\0\0"
#define GREETING "R\0\0\0\x08\0\0\0\0Z\0\0\0\5I"
#define SELECT_1 "Q\0\0\0\x0dSELECT 1\0"
#define BEGIN         \
	"Q\0\0\0\x0a" \
	"BEGIN\0"
#define EXECUTED "C\0\0\0\x0dSELECT 1\0Z\0\0\0\5I"
#define ANSWER_1 "T\0\0\0\6\0\0" EXECUTED
#define BEGUN         \
	"C\0\0\0\x0a" \
	"BEGIN\0Z\0\0\0\5T"
#define PARSE   "P\0\0\0\x11s\0SELECT 1\0\0\0"
#define BIND    "B\0\0\0\x0d\0s\0\0\0\0\0\0\0"
#define EXECUTE "E\0\0\0\x09\0\0\0\0\0"
#define SYNC    "S\0\0\0\4"
#define FAILED                        \
	"E\0\0\0\x1aSERROR\0VERROR\0" \
	"C42P01\0\0"

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

static void start(const struct session_options *options)
{
	tally_open(&tally, options, true);
	now_ns = SECOND;
	SENT(STARTUP);
	RECEIVED(GREETING);
	assert_int_equal(tally.notes[NOTE_STARTUP_DONE], 1);
}

static void finish(void)
{
	tally_close(&tally, SESSION_END_CLIENT, now_ns);
	assert_false(tally.broken);
}

static void a_query_and_an_execute_of_one_text_have_one_key(void **state)
{
	struct session_query query;

	(void)state;
	start(&tally_options);
	SENT("Q\0\0\0\x12  SELECT 1 ;\n\0");
	query = tally.last_sent;
	RECEIVED(ANSWER_1);
	SENT(PARSE BIND EXECUTE SYNC);
	assert_true(query.keyed && tally.last_sent.keyed);
	assert_memory_equal(query.key, tally.last_sent.key, sizeof(query.key));
	SENT("Q\0\0\0\x0dSELECT 2\0");
	assert_memory_not_equal(query.key, tally.last_sent.key, sizeof(query.key));
	finish();
}

static void parameters_change_the_key_and_names_do_not(void **state)
{
	struct session_query first;

	(void)state;
	start(&tally_options);
	SENT(PARSE "B\0\0\0\x12\0s\0\0\0\0\1\0\0\0\1a\0\0" EXECUTE SYNC);
	first = tally.last_sent;
	SENT("P\0\0\0\x12t2\0SELECT 1\0\0\0"
	     "B\0\0\0\x14p\0t2\0\0\0\0\1\0\0\0\1a\0\0"
	     "E\0\0\0\x0ap\0\0\0\0\0" SYNC);
	assert_memory_equal(first.key, tally.last_sent.key, sizeof(first.key));
	SENT("B\0\0\0\x12\0s\0\0\0\0\1\0\0\0\1b\0\0" EXECUTE SYNC);
	assert_memory_not_equal(first.key, tally.last_sent.key, sizeof(first.key));
	assert_int_equal(tally.keyed, 3);
	finish();
}

/* A Query longer than any buffer, whole or in pieces: one key, a cut text. */
static void a_long_text_is_cut_but_keyed_whole(void **state)
{
	size_t len = 200000;
	char *message = malloc(len + 6);
	struct session_query whole;

	(void)state;
	memset(message, 'x', len + 6);
	memcpy(message, "Q\0\3\x0d\x45", 5); /* 200005 */
	message[len + 5] = 0;
	start(&tally_options);
	sent(message, len + 6);
	whole = tally.last_sent;
	assert_true(whole.keyed && whole.text_cut);
	assert_int_equal(whole.text_len, SESSION_TEXT_MAX);
	for (size_t at = 0; at < len + 6; at += 7001)
		sent(message + at, len + 6 - at < 7001 ? len + 6 - at : 7001);
	assert_int_equal(tally.sent, 2);
	assert_memory_equal(whole.key, tally.last_sent.key, sizeof(whole.key));
	message[len] = 'y';
	sent(message, len + 6);
	assert_memory_not_equal(whole.key, tally.last_sent.key, sizeof(whole.key));
	free(message);
	finish();
}

static void an_execute_of_an_unseen_statement_has_no_key(void **state)
{
	(void)state;
	start(&tally_options);
	SENT(BIND EXECUTE SYNC);
	assert_false(tally.last_sent.keyed);
	assert_int_equal(tally.notes[NOTE_TEXT_UNKNOWN], 1);
	RECEIVED("2\0\0\0\4" EXECUTED);
	assert_string_equal(tally.log, "s+ r+ ");
	finish();
}

static void the_cache_of_statements_is_bounded_and_its_evictions_counted(void **state)
{
	struct session_options options = tally_options;
	char parse[] = "P\0\0\0\x11?\0SELECT 1\0\0\0";

	(void)state;
	options.prepared_max = 4;
	start(&options);
	for (int i = 0; i < 10; i++) {
		parse[5] = 'a' + i;
		sent(parse, sizeof(parse) - 1);
	}
	assert_int_equal(tally.notes[NOTE_PREPARED_EVICTED], 6);
	finish();
}

static void a_query_without_an_answer_is_settled_and_its_late_answer_counted_apart(void **state)
{
	(void)state;
	start(&tally_options);
	SENT(SELECT_1);
	session_tick(tally.session, now_ns + 29 * SECOND);
	assert_string_equal(tally.log, "");
	session_tick(tally.session, now_ns + 30 * SECOND);
	assert_string_equal(tally.log, "s-timeout r-timeout ");
	session_tick(tally.session, now_ns + 99 * SECOND);
	now_ns += 100 * SECOND;
	RECEIVED(ANSWER_1);
	assert_string_equal(tally.log, "s-timeout r-timeout ");
	assert_int_equal(tally.notes[NOTE_LATE_ANSWER], 1);
	SENT(SELECT_1);
	RECEIVED(ANSWER_1);
	assert_string_equal(tally.log, "s-timeout r-timeout s+ r+ ");
	finish();
}

static void a_block_that_times_out_is_one_failed_request_until_it_ends(void **state)
{
	(void)state;
	start(&tally_options);
	SENT(BEGIN);
	RECEIVED(BEGUN);
	SENT(SELECT_1);
	session_tick(tally.session, now_ns + 31 * SECOND);
	now_ns += 40 * SECOND;
	RECEIVED("C\0\0\0\x0dSELECT 1\0Z\0\0\0\5T");
	SENT("Q\0\0\0\x0b"
	     "COMMIT\0");
	RECEIVED("C\0\0\0\x0b"
		 "COMMIT\0Z\0\0\0\5I");
	assert_string_equal(tally.log, "s+ s-timeout r-timeout s+ ");
	finish();
}

static void copy_data_on_its_way_is_no_timeout(void **state)
{
	(void)state;
	start(&tally_options);
	SENT("Q\0\0\0\x16"
	     "COPY t FROM STDIN\0");
	RECEIVED("G\0\0\0\7\0\0\0");
	session_tick(tally.session, now_ns + 100 * SECOND);
	assert_string_equal(tally.log, "");
	SENT("c\0\0\0\4");
	session_tick(tally.session, now_ns + 100 * SECOND);
	assert_string_equal(tally.log, "s-timeout r-timeout ");
	finish();
}

static void a_server_that_ends_fails_each_outstanding_request_once(void **state)
{
	(void)state;
	start(&tally_options);
	SENT(SELECT_1 SELECT_1);
	SENT(BEGIN SELECT_1);
	tally_close(&tally, SESSION_END_SERVER, now_ns);
	assert_string_equal(tally.log,
			    "s-connection r-connection s-connection r-connection s-connection s-connection "
			    "r-connection ");
	assert_false(tally.broken);
}

static void an_idle_close_is_no_failure_and_an_open_block_is_one_only_when_the_server_ends_it(void **state)
{
	static const char *const logs[] = {"s+ r-connection ", "s+ r+ ", "s+ r? "};

	(void)state;
	for (enum session_end how = SESSION_END_SERVER; how <= SESSION_END_UNKNOWN; how++) {
		start(&tally_options);
		tally_close(&tally, how, now_ns);
		assert_string_equal(tally.log, "");
		start(&tally_options);
		SENT(BEGIN);
		RECEIVED(BEGUN);
		tally_close(&tally, how, now_ns);
		assert_string_equal(tally.log, logs[how]);
	}
}

static void a_lost_reply_is_unknown_and_pairing_is_proven_again(void **state)
{
	(void)state;
	start(&tally_options);
	SENT(SELECT_1);
	session_received_gap(tally.session, 20, now_ns);
	assert_true(session_resyncing(tally.session));
	for (int i = 0; i < 9; i++) {
		SENT(SELECT_1);
		RECEIVED(ANSWER_1);
	}
	assert_false(session_resyncing(tally.session));
	/* The lost one, and a request of which a part may have been lost with it. */
	assert_int_equal(tally.statements[OUTCOME_SUCCESS], 9);
	assert_int_equal(tally.statements[OUTCOME_UNKNOWN], 1);
	assert_int_equal(tally.requests[OUTCOME_SUCCESS], 8);
	assert_int_equal(tally.requests[OUTCOME_UNKNOWN], 2);
	assert_int_equal(tally.notes[NOTE_RESYNC], 1);
	assert_int_equal(tally.notes[NOTE_RESYNC_CERTAIN], 1);
	finish();
}

static void a_surplus_reply_refutes_the_pairing_and_is_an_outcome_all_the_same(void **state)
{
	(void)state;
	start(&tally_options);
	session_sent_gap(tally.session, 28, now_ns); /* two queries */
	RECEIVED(ANSWER_1);
	SENT(SELECT_1);
	RECEIVED(ANSWER_1); /* of the second lost one */
	RECEIVED(ANSWER_1);
	assert_int_equal(tally.notes[NOTE_SURPLUS_REPLY], 1);
	assert_string_equal(tally.log, "s+ r+ s+ r+ s+ r+ ");
	assert_int_equal(tally.last_answered.outcome, OUTCOME_UNKNOWN);
	finish();
}

static void a_client_that_pipelines_is_counted_after_a_gap_and_paired_after_pauses(void **state)
{
	(void)state;
	start(&tally_options);
	SENT(SELECT_1);
	SENT(SELECT_1);
	RECEIVED(ANSWER_1 ANSWER_1);
	session_received_gap(tally.session, 20, now_ns);
	for (int i = 0; i < 20; i++) {
		SENT(SELECT_1);
		RECEIVED(ANSWER_1);
	}
	assert_true(session_resyncing(tally.session)); /* it may always keep one more on its way */
	assert_int_equal(tally.statements[OUTCOME_SUCCESS], 22);
	for (int i = 0; i < 2; i++) {
		now_ns += SECOND / 10;
		SENT(SELECT_1);
		RECEIVED(ANSWER_1);
	}
	assert_false(session_resyncing(tally.session));
	finish();
}

static void a_gap_inside_a_row_is_no_resync(void **state)
{
	(void)state;
	start(&tally_options);
	SENT(SELECT_1);
	RECEIVED("D\0\0\0\x68"
		 "abcd");
	session_received_gap(tally.session, 90, now_ns);
	RECEIVED("123456" ANSWER_1);
	assert_string_equal(tally.log, "s+ r+ ");
	assert_int_equal(tally.notes[NOTE_RESYNC], 0);
	finish();
}

static void provisional_pairs_are_bounded_and_then_unknown(void **state)
{
	struct session_options options = tally_options;

	(void)state;
	options.provisional_max = 4;
	start(&options);
	session_received_gap(tally.session, 20, now_ns);
	for (int i = 0; i < 12; i++) {
		SENT(SELECT_1);
		RECEIVED(ANSWER_1);
	}
	assert_false(session_resyncing(tally.session));
	assert_int_equal(tally.statements[OUTCOME_SUCCESS], 12);
	assert_int_equal(tally.notes[NOTE_OUTCOME_EVICTED], 4);
	finish();
}

static void more_than_the_queue_holds_is_counted_from_the_answers(void **state)
{
	struct session_options options = tally_options;

	(void)state;
	options.queue_max = 10;
	start(&options);
	for (int i = 0; i < 11; i++)
		SENT(SELECT_1);
	assert_int_equal(tally.notes[NOTE_QUEUE_OVERFLOW], 1);
	for (int i = 0; i < 11; i++)
		RECEIVED(ANSWER_1);
	assert_int_equal(tally.requests[OUTCOME_SUCCESS], 11);
	assert_int_equal(tally.statements[OUTCOME_SUCCESS], 11);
	finish();
	assert_int_equal(tally.requests[OUTCOME_UNKNOWN], 0);
}

static void attached_late_it_learns_at_a_ready_for_query(void **state)
{
	(void)state;
	tally_open(&tally, &tally_options, false);
	now_ns = SECOND;
	assert_true(session_resyncing(tally.session));
	RECEIVED("garbage of a row" ANSWER_1);
	for (int i = 0; i < 8; i++) {
		SENT(SELECT_1);
		RECEIVED(ANSWER_1);
	}
	assert_false(session_resyncing(tally.session));
	assert_int_equal(tally.requests[OUTCOME_UNKNOWN], 1); /* what was in flight */
	assert_int_equal(tally.requests[OUTCOME_SUCCESS], 8);
	finish();
}

static void a_start_up_packet_ends_blindness_at_once(void **state)
{
	(void)state;
	tally_open(&tally, &tally_options, true);
	now_ns = SECOND;
	session_sent_gap(tally.session, 8, now_ns); /* an SSLRequest */
	RECEIVED("N");
	SENT(STARTUP);
	assert_string_equal(tally.user, "joe");
	RECEIVED(GREETING);
	SENT(SELECT_1);
	RECEIVED(ANSWER_1);
	assert_string_equal(tally.log, "s+ r+ ");
	finish();
}

static void an_encrypted_connection_attached_late_is_recognised(void **state)
{
	(void)state;
	tally_open(&tally, &tally_options, false);
	now_ns = SECOND;
	for (int i = 0; i < 3; i++) {
		SENT("\x17\3\3\0\3abc");
		RECEIVED("\x17\3\3\0\3xyz");
	}
	assert_int_equal(session_transport(tally.session), TRANSPORT_ENCRYPTED);
	assert_int_equal(tally.notes[NOTE_ENCRYPTED], 1);
	finish();
	assert_int_equal(tally.notes[NOTE_DECODE_ERROR], 0);
}

static void what_is_not_postgresql_is_said_once(void **state)
{
	(void)state;
	tally_open(&tally, &tally_options, true);
	now_ns = SECOND;
	SENT("GET / HTTP/1.1\r\n\r\n");
	RECEIVED("HTTP/1.1 400 Bad Request\r\n\r\n");
	SENT("GET / HTTP/1.1\r\n\r\n");
	assert_int_equal(tally.notes[NOTE_DECODE_ERROR], 1);
	finish();
	assert_string_equal(tally.log, "");
}

static void an_error_in_an_idle_block_fails_the_request(void **state)
{
	(void)state;
	start(&tally_options);
	SENT(BEGIN);
	RECEIVED(BEGUN);
	RECEIVED("E\0\0\0\x1aSERROR\0VERROR\0"
		 "C40001\0\0Z\0\0\0\5E"); /* recovery conflict on a standby */
	SENT("Q\0\0\0\x0dROLLBACK\0");
	RECEIVED("C\0\0\0\x0dROLLBACK\0Z\0\0\0\5I");
	assert_string_equal(tally.log, "s+ s+ r-query_execution ");
	assert_int_equal(tally.notes[NOTE_RESYNC], 0);
	finish();
}

static void a_failed_parse_of_a_batch_without_execute_is_a_failed_statement(void **state)
{
	(void)state;
	start(&tally_options);
	SENT(PARSE SYNC);
	RECEIVED(FAILED "Z\0\0\0\5I");
	assert_string_equal(tally.log, "s-query_execution r-query_execution ");
	assert_int_equal(tally.last_statement.query_serial, 0);
	SENT(BIND EXECUTE SYNC); /* what s means now, nobody knows */
	assert_false(tally.last_sent.keyed);
	finish();
}

static void a_suspended_portal_counts_once_when_committed_and_not_when_rolled_back(void **state)
{
	static const char *const ends[2][2] = {{"Q\0\0\0\x0b"
						"COMMIT\0",
						"C\0\0\0\x0b"
						"COMMIT\0Z\0\0\0\5I"},
					       {"Q\0\0\0\x0dROLLBACK\0", "C\0\0\0\x0dROLLBACK\0Z\0\0\0\5I"}};
	static const size_t sizes[2][2] = {{12, 18}, {14, 20}};

	(void)state;
	for (int i = 0; i < 2; i++) {
		start(&tally_options);
		SENT(BEGIN);
		RECEIVED(BEGUN);
		SENT(PARSE "B\0\0\0\x0ep\0s\0\0\0\0\0\0\0"
			   "E\0\0\0\x0ap\0\0\0\0\0" SYNC);
		RECEIVED("1\0\0\0\0042\0\0\0\4D\0\0\0\6\0\0s\0\0\0\4Z\0\0\0\5T");
		assert_int_equal(tally.statements[OUTCOME_SUCCESS], 1);
		sent(ends[i][0], sizes[i][0]);
		received(ends[i][1], sizes[i][1]);
		assert_int_equal(tally.statements[OUTCOME_SUCCESS], i ? 2 : 3);
		assert_int_equal(tally.requests[OUTCOME_SUCCESS], 1);
		finish();
	}
}

static void a_simple_query_replaces_the_unnamed_suspended_portal_which_then_counts(void **state)
{
	(void)state;
	start(&tally_options);
	SENT(BEGIN);
	RECEIVED(BEGUN);
	SENT(PARSE BIND EXECUTE SYNC);
	RECEIVED("1\0\0\0\0042\0\0\0\4D\0\0\0\6\0\0s\0\0\0\4Z\0\0\0\5T");
	SENT("Q\0\0\0\x0dROLLBACK\0");
	RECEIVED("C\0\0\0\x0dROLLBACK\0Z\0\0\0\5I");
	assert_int_equal(tally.statements[OUTCOME_SUCCESS], 3);
	finish();
}

static void control_and_ignored_are_told_at_send_time(void **state)
{
	(void)state;
	start(&tally_options);
	SENT(BEGIN);
	assert_true(tally.last_sent.control);
	assert_false(tally.last_sent.in_block);
	SENT("Q\0\0\0\6;\0");
	assert_true(tally.last_sent.ignored);
	assert_true(tally.last_sent.in_block);
	SENT("Q\0\0\0\x18"
	     "COMMIT; SELECT 1;  \0");
	assert_false(tally.last_sent.control);
	SENT(SELECT_1);
	assert_false(tally.last_sent.in_block);
	finish();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_query_and_an_execute_of_one_text_have_one_key),
	    cmocka_unit_test(parameters_change_the_key_and_names_do_not),
	    cmocka_unit_test(a_long_text_is_cut_but_keyed_whole),
	    cmocka_unit_test(an_execute_of_an_unseen_statement_has_no_key),
	    cmocka_unit_test(the_cache_of_statements_is_bounded_and_its_evictions_counted),
	    cmocka_unit_test(a_query_without_an_answer_is_settled_and_its_late_answer_counted_apart),
	    cmocka_unit_test(a_block_that_times_out_is_one_failed_request_until_it_ends),
	    cmocka_unit_test(copy_data_on_its_way_is_no_timeout),
	    cmocka_unit_test(a_server_that_ends_fails_each_outstanding_request_once),
	    cmocka_unit_test(
		an_idle_close_is_no_failure_and_an_open_block_is_one_only_when_the_server_ends_it),
	    cmocka_unit_test(a_lost_reply_is_unknown_and_pairing_is_proven_again),
	    cmocka_unit_test(a_surplus_reply_refutes_the_pairing_and_is_an_outcome_all_the_same),
	    cmocka_unit_test(a_client_that_pipelines_is_counted_after_a_gap_and_paired_after_pauses),
	    cmocka_unit_test(a_gap_inside_a_row_is_no_resync),
	    cmocka_unit_test(provisional_pairs_are_bounded_and_then_unknown),
	    cmocka_unit_test(more_than_the_queue_holds_is_counted_from_the_answers),
	    cmocka_unit_test(attached_late_it_learns_at_a_ready_for_query),
	    cmocka_unit_test(a_start_up_packet_ends_blindness_at_once),
	    cmocka_unit_test(an_encrypted_connection_attached_late_is_recognised),
	    cmocka_unit_test(what_is_not_postgresql_is_said_once),
	    cmocka_unit_test(an_error_in_an_idle_block_fails_the_request),
	    cmocka_unit_test(a_failed_parse_of_a_batch_without_execute_is_a_failed_statement),
	    cmocka_unit_test(a_suspended_portal_counts_once_when_committed_and_not_when_rolled_back),
	    cmocka_unit_test(a_simple_query_replaces_the_unnamed_suspended_portal_which_then_counts),
	    cmocka_unit_test(control_and_ignored_are_told_at_send_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
