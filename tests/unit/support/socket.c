/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/tcp.h>
#include <string.h>

#include "support/socket.h"

static struct role classify_it(void *ctx, const struct address *remote, const char *path,
			       const char *database)
{
	struct told *told = ctx;

	(void)remote;
	told->path = path;
	strncpy(told->database, database ? database : "", sizeof(told->database) - 1);
	return told->role;
}

static const char *path_of(void *ctx, uint32_t target)
{
	(void)ctx;
	return target == 3 ? "/run/socket" : NULL;
}

static bool never(void *ctx, const struct role *role, const char *text, size_t len)
{
	(void)ctx, (void)role, (void)text, (void)len;
	return false;
}

static uint64_t timeout_ns(void *ctx, const struct role *role)
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
	struct told *told = ctx;

	(void)conn;
	if (was >= 0)
		told->open[was]--;
	if (now >= 0)
		told->open[now]++;
}

static void on_attempt(void *ctx, const struct conn_view *conn, enum conn_attempt result, uint64_t time_ns)
{
	struct told *told = ctx;

	(void)conn, (void)time_ns;
	told->attempts[result]++;
}

static void on_bytes(void *ctx, const struct conn_view *conn, enum event_direction direction, uint64_t count)
{
	struct told *told = ctx;

	(void)conn;
	told->bytes[direction] += count;
}

static void on_request(void *ctx, const struct conn_view *conn, const struct session_request *request)
{
	struct told *told = ctx;

	(void)conn;
	told->requests[request->outcome]++;
	told->failure = request->failure;
}

static void on_query(void *ctx, const struct conn_view *conn, const struct session_query *query)
{
	(void)ctx, (void)conn, (void)query;
}

static void on_statement(void *ctx, const struct conn_view *conn, const struct session_statement *statement)
{
	(void)ctx, (void)conn, (void)statement;
}

static void on_error(void *ctx, const struct conn_view *conn, const struct session_error *error)
{
	(void)ctx, (void)conn, (void)error;
}

static void on_note(void *ctx, const struct conn_view *conn, enum session_note note)
{
	(void)ctx, (void)conn, (void)note;
}

static void on_closed(void *ctx, const struct conn_view *conn)
{
	struct told *told = ctx;

	(void)conn;
	told->closed++;
}

int socket_set_up(void **state)
{
	static struct told told;
	const struct conns_options options = {
	    .max = 4,
	    .session = {.queue_max = 16, .prepared_max = 4, .prepared_bytes = 4096, .provisional_max = 16}};
	const struct conn_sink sink = {.ctx = &told,
				       .classify_ctx = &told,
				       .classify = classify_it,
				       .path = path_of,
				       .ignored = never,
				       .request_timeout_ns = timeout_ns,
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
				       .closed = on_closed};

	told = (struct told){.now = 100 * SECOND, .role = {.target = TARGET_MIRROR, .clusters = 1}};
	*state = &told;
	return conns_new(&told.conns, &options, &sink);
}

int socket_tear_down(void **state)
{
	struct told *told = *state;

	conns_free(&told->conns);
	return 0;
}

/* ------------------------------------------------------------------------------------------ records */

static struct event head(struct told *told, uint64_t sock, uint8_t kind)
{
	return (struct event){.sock = sock,
			      .time = told->now += 1000,
			      .kind = kind,
			      .send_pos = told->pos[DIRECTION_SEND],
			      .recv_pos = told->pos[DIRECTION_RECV]};
}

void socket_open(struct told *told, uint64_t sock, uint32_t state, uint8_t flags)
{
	struct event_open open = {.h = head(told, sock, EVENT_OPEN), .state = state, .target = 3};

	open.h.flags = flags;
	conns_event(told->conns, &open.h);
}

void socket_change(struct told *told, uint8_t from, uint8_t to, int error)
{
	struct event_state event = {
	    .h = head(told, SOCK, EVENT_STATE), .old_state = from, .new_state = to, .error = error};

	conns_event(told->conns, &event.h);
}

void socket_eof(struct told *told)
{
	struct event_state event = {
	    .h = head(told, SOCK, EVENT_EOF), .old_state = TCP_CLOSE_WAIT, .new_state = TCP_CLOSE_WAIT};

	event.h.direction = DIRECTION_RECV;
	conns_event(told->conns, &event.h);
}

void socket_destroyed(struct told *told)
{
	struct event_state event = {.h = head(told, SOCK, EVENT_END)};

	conns_event(told->conns, &event.h);
}

void socket_move(struct told *told, enum event_direction direction, const void *bytes, uint32_t len)
{
	union {
		struct event_data data;
		uint8_t room[sizeof(struct event_data) + 512];
	} record = {.data = {.pos = told->pos[direction], .len = len, .captured = len}};

	told->pos[direction] += len;
	record.data.h = head(told, SOCK, EVENT_DATA);
	record.data.h.direction = direction;
	record.data.h.flags = EVENT_F_LAST;
	memcpy(record.room + sizeof(struct event_data), bytes, len);
	conns_event(told->conns, &record.data.h);
}

void socket_connect(struct told *told)
{
	socket_open(told, SOCK, TCP_SYN_SENT, 0);
	socket_change(told, TCP_SYN_SENT, TCP_ESTABLISHED, 0);
}

void socket_start(struct told *told)
{
	socket_connect(told);
	SEND(told, STARTUP);
	RECEIVE(told, READY);
}

unsigned socket_attempts(const struct told *told)
{
	unsigned sum = 0;

	for (int i = 0; i < ATTEMPTS; i++)
		sum += told->attempts[i];
	return sum;
}

void assert_attempt(const struct told *told, enum conn_attempt result)
{
	assert_int_equal(socket_attempts(told), 1);
	assert_int_equal(told->attempts[result], 1);
}

uint64_t socket_known(const struct told *told)
{
	struct conns_totals totals;

	conns_totals(told->conns, &totals);
	return totals.open;
}
