/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "wire/session.h"

static const char startup[] = "\0\0\0\x12\0\3\0\0user\0app\0"; /* the literal's own NUL ends it */
static const char greeting[] = "R\0\0\0\x08\0\0\0\0Z\0\0\0\5I";
static const char query[] = "Q\0\0\0\xdSELECT x"; /* and its NUL */
static const char row_one[] = "D\0\0\0\xb\0\1\0\0\0\1"
			      "1";
static const char row_two[] = "D\0\0\0\xb\0\1\0\0\0\1"
			      "2";
static const char end_of_two[] = "C\0\0\0\xdSELECT 2\0Z\0\0\0\5I";
#define BYTES(literal) (const uint8_t *)(literal), sizeof(literal) - 1

static uint32_t answered;

static void on_answered(void *ctx, const struct session_query *done)
{
	(void)ctx;
	assert_int_equal(done->outcome, OUTCOME_SUCCESS);
	assert_int_equal(done->rows, 2);
	answered = done->result;
}

static void on_startup(void *ctx, const struct session_startup *it)
{
	(void)ctx, (void)it;
}

static void on_sent(void *ctx, const struct session_query *it)
{
	(void)ctx, (void)it;
}

static void on_statement(void *ctx, const struct session_statement *it)
{
	(void)ctx, (void)it;
}

static void on_request(void *ctx, const struct session_request *it)
{
	(void)ctx, (void)it;
}

static void on_error(void *ctx, const struct session_error *it)
{
	(void)ctx, (void)it;
}

static void on_note(void *ctx, enum session_note it)
{
	(void)ctx, (void)it;
}

/* The server's bytes in pieces of that size. */
static void receive(struct session *session, const uint8_t *data, size_t len, size_t piece)
{
	for (size_t at = 0; at < len; at += piece)
		session_received(session, data + at, at + piece < len ? piece : len - at, 1000,
				 at + piece >= len);
}

/* The checksum of a result of two rows. lost: bytes of the first that are missing, from its end. */
static uint32_t checksum(enum session_results results, const char *first, const char *second, size_t piece,
			 size_t lost)
{
	const struct session_sink sink = {NULL,       on_startup, on_sent, on_answered, on_statement,
					  on_request, on_error,   on_note, NULL};
	const struct session_options options = {.queue_max = 100,
						.prepared_max = 10,
						.prepared_bytes = 1000,
						.provisional_max = 10,
						.results = results};
	struct session *session;

	answered = 0xdead;
	assert_int_equal(session_new(&session, &options, &sink, true), 0);
	session_sent(session, (const uint8_t *)startup, sizeof(startup), 1, true);
	receive(session, BYTES(greeting), 100);
	session_sent(session, (const uint8_t *)query, sizeof(query), 900, true);
	receive(session, (const uint8_t *)first, 12 - lost, piece);
	if (lost)
		session_received_gap(session, lost, 1000);
	receive(session, (const uint8_t *)second, 12, piece);
	receive(session, BYTES(end_of_two), piece);
	session_free(&session);
	return answered;
}

static void without_being_asked_for_there_is_no_checksum(void **state)
{
	(void)state;
	assert_int_equal(checksum(RESULTS_OFF, row_one, row_two, 100, 0), 0);
	assert_int_equal(checksum(RESULTS_OFF, row_one, row_two, 1, 0), 0);
}

static void the_order_of_rows_counts_only_where_it_is_asked_for(void **state)
{
	uint32_t ordered = checksum(RESULTS_ORDERED, row_one, row_two, 100, 0);
	uint32_t set = checksum(RESULTS_SET, row_one, row_two, 100, 0);

	(void)state;
	assert_int_not_equal(ordered, 0);
	assert_int_not_equal(set, 0);
	assert_int_equal(checksum(RESULTS_ORDERED, row_one, row_two, 100, 0), ordered);
	assert_int_not_equal(checksum(RESULTS_ORDERED, row_two, row_one, 100, 0), ordered);
	assert_int_equal(checksum(RESULTS_SET, row_two, row_one, 100, 0), set);
	assert_int_not_equal(checksum(RESULTS_SET, row_one, row_one, 100, 0), set);
}

static void the_checksum_does_not_depend_on_how_the_bytes_were_cut(void **state)
{
	uint32_t whole = checksum(RESULTS_ORDERED, row_one, row_two, 100, 0);

	(void)state;
	for (size_t piece = 1; piece < 13; piece++)
		assert_int_equal(checksum(RESULTS_ORDERED, row_one, row_two, piece, 0), whole);
}

static void a_result_that_was_not_seen_whole_has_none(void **state)
{
	(void)state;
	for (size_t lost = 1; lost <= 7; lost++)
		assert_int_equal(checksum(RESULTS_SET, row_one, row_two, 100, lost), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(without_being_asked_for_there_is_no_checksum),
	    cmocka_unit_test(the_order_of_rows_counts_only_where_it_is_asked_for),
	    cmocka_unit_test(the_checksum_does_not_depend_on_how_the_bytes_were_cut),
	    cmocka_unit_test(a_result_that_was_not_seen_whole_has_none),
	};

	return cmocka_run_group_tests_name("result", tests, NULL, NULL);
}
