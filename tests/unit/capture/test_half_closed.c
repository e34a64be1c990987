/* SPDX-License-Identifier: MIT */
/* A connection's end as the kernel's records tell it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#include "capture/conn.h"

#define SECOND  1000000000ull
#define SOCK    77
#define STARTUP "\0\0\0\x12\0\3\0\0user\0joe\0\0"
#define HELLO   "R\0\0\0\x08\0\0\0\0Z\0\0\0\5I"
#define ASKED   "Q\0\0\0\x0dSELECT 1\0"
#define ANSWER  "T\0\0\0\6\0\0C\0\0\0\x0dSELECT 1\0Z\0\0\0\5I"

static struct conns *conns;
static uint64_t now_ns, outcomes[OUTCOMES], closed;
static uint32_t positions[2];

/* ------------------------------------------------------------------------------------------ the sink */

static struct role role_of(void *ctx, const struct address *remote, const char *path, const char *database)
{
	(void)ctx, (void)remote, (void)path, (void)database;
	return (struct role){.target = TARGET_MIRROR, .clusters = 1};
}

static bool ignored(void *ctx, const struct role *role, const char *text, size_t len)
{
	(void)ctx, (void)role, (void)text, (void)len;
	return false;
}

static bool may_ignore(void *ctx, const struct role *role, const char *text, size_t len, const char *tag)
{
	(void)ctx, (void)role, (void)text, (void)len, (void)tag;
	return false;
}

static uint64_t request_timeout_ns(void *ctx, const struct role *role)
{
	(void)ctx, (void)role;
	return 30 * SECOND;
}

static enum session_results results(void *ctx, const struct role *role)
{
	(void)ctx, (void)role;
	return RESULTS_OFF;
}

static void on_state(void *ctx, const struct conn_view *conn, int was, int now)
{
	(void)ctx, (void)conn, (void)was, (void)now;
}

static void on_attempt(void *ctx, const struct conn_view *conn, enum conn_attempt result, uint64_t time_ns)
{
	(void)ctx, (void)conn, (void)result, (void)time_ns;
}

static void on_bytes(void *ctx, const struct conn_view *conn, enum event_direction direction, uint64_t count)
{
	(void)ctx, (void)conn, (void)direction, (void)count;
}

static void on_query(void *ctx, const struct conn_view *conn, const struct session_query *query)
{
	(void)ctx, (void)conn, (void)query;
}

static void on_statement(void *ctx, const struct conn_view *conn, const struct session_statement *statement)
{
	(void)ctx, (void)conn;
	outcomes[statement->outcome]++;
}

static void on_request(void *ctx, const struct conn_view *conn, const struct session_request *request)
{
	(void)ctx, (void)conn, (void)request;
}

static void on_error(void *ctx, const struct conn_view *conn, const struct session_error *error)
{
	(void)ctx, (void)conn, (void)error;
}

static void on_note(void *ctx, const struct conn_view *conn, enum session_note note)
{
	(void)ctx, (void)conn, (void)note;
}

static void on_blind(void *ctx, const struct conn_view *conn, uint64_t ns)
{
	(void)ctx, (void)conn, (void)ns;
}

static void on_closed(void *ctx, const struct conn_view *conn)
{
	(void)ctx, (void)conn;
	closed++;
}

/* ------------------------------------------------------------------------------------------ the kernel */

static struct event head(enum event_kind kind, enum event_direction direction)
{
	now_ns += 1000;
	return (struct event){.sock = SOCK,
			      .time = now_ns,
			      .kind = kind,
			      .direction = direction,
			      .send_pos = positions[DIRECTION_SEND],
			      .recv_pos = positions[DIRECTION_RECV]};
}

static void state(uint8_t was, uint8_t is, uint8_t shut)
{
	const struct event_state record = {
	    .h = head(EVENT_STATE, 0), .old_state = was, .new_state = is, .shut = shut};

	conns_event(conns, &record.h);
}

static void moved(enum event_direction direction, const char *bytes, size_t len)
{
	struct event_data *record = calloc(1, sizeof(*record) + len);

	assert_non_null(record);
	record->pos = positions[direction];
	positions[direction] += len;
	record->h = head(EVENT_DATA, direction);
	record->h.flags = EVENT_F_LAST;
	record->len = record->captured = len;
	memcpy(record->data, bytes, len);
	conns_event(conns, &record->h);
	free(record);
}

#define SENT(bytes)     moved(DIRECTION_SEND, bytes, sizeof(bytes) - 1)
#define RECEIVED(bytes) moved(DIRECTION_RECV, bytes, sizeof(bytes) - 1)

static void pass(uint64_t seconds)
{
	for (uint64_t i = 0; i < seconds * 10; i++) {
		now_ns += SECOND / 10;
		conns_tick(conns, now_ns, true);
	}
}

/* A query is sent, and then the proxy sends nothing more. */
static void ask_and_shut(uint8_t shut)
{
	const struct conns_options options = {
	    .max = 10,
	    .session = {.queue_max = 100, .prepared_max = 10, .prepared_bytes = 1000, .provisional_max = 10}};
	const struct conn_sink sink = {.classify = role_of,
				       .ignored = ignored,
				       .may_ignore = may_ignore,
				       .request_timeout_ns = request_timeout_ns,
				       .results = results,
				       .state = on_state,
				       .attempt = on_attempt,
				       .bytes = on_bytes,
				       .sent = on_query,
				       .answered = on_query,
				       .statement = on_statement,
				       .request = on_request,
				       .error = on_error,
				       .note = on_note,
				       .blind = on_blind,
				       .closed = on_closed};
	struct event_open open = {.state = TCP_CLOSE};

	now_ns = SECOND;
	closed = 0;
	memset(outcomes, 0, sizeof(outcomes));
	memset(positions, 0, sizeof(positions));
	assert_int_equal(conns_new(&conns, &options, &sink), 0);
	open.h = head(EVENT_OPEN, 0);
	conns_event(conns, &open.h);
	state(TCP_SYN_SENT, TCP_ESTABLISHED, 0);
	SENT(STARTUP);
	RECEIVED(HELLO);
	SENT(ASKED);
	state(TCP_ESTABLISHED, TCP_FIN_WAIT1, shut);
}

static void an_answer_to_one_who_sends_nothing_more_counts_however_late(void **ignored_state)
{
	(void)ignored_state;
	ask_and_shut(2);
	pass(20);
	assert_int_equal(closed, 0);
	RECEIVED(ANSWER);
	state(TCP_FIN_WAIT1, TCP_FIN_WAIT2, 2);
	state(TCP_FIN_WAIT2, TCP_CLOSE, 3);
	assert_int_equal(outcomes[OUTCOME_SUCCESS], 1);
	assert_int_equal(outcomes[OUTCOME_FAILURE], 0);
	conns_free(&conns);
}

static void one_who_sends_nothing_more_and_is_never_answered_times_out(void **ignored_state)
{
	(void)ignored_state;
	ask_and_shut(2);
	pass(31);
	assert_int_equal(outcomes[OUTCOME_FAILURE], 1);
	conns_free(&conns);
}

static void one_who_closes_waits_for_no_answer(void **ignored_state)
{
	(void)ignored_state;
	ask_and_shut(3);
	pass(2);
	assert_int_equal(closed, 1);
	assert_int_equal(outcomes[OUTCOME_FAILURE], 1);
	conns_free(&conns);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_answer_to_one_who_sends_nothing_more_counts_however_late),
	    cmocka_unit_test(one_who_sends_nothing_more_and_is_never_answered_times_out),
	    cmocka_unit_test(one_who_closes_waits_for_no_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
