/* SPDX-License-Identifier: MIT */
#include "conn.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <uthash.h>

#include "stream.h"

#define HALF_CLOSED_NS  1000000000ull /* how long answers may still come after the proxy's FIN */
#define EVICTION_SAMPLE 16            /* oldest entries looked at when the table is full */

/* Which side ended the connection first, as far as TCP has told. */
enum closer { CLOSER_NONE, CLOSER_SERVER, CLOSER_CLIENT };

struct conn {
	UT_hash_handle hh;
	LIST_ENTRY(conn) awake_entry; /* while awake */
	struct conns *owner;
	struct conn_view view;
	struct stream *stream;
	struct session *session;
	char *database; /* of the start-up packet; NULL = not seen */
	char *path;     /* of a Unix-domain target */
	void *user;     /* the sink's */
	uint64_t last_ns;
	uint64_t closing_since_ns;
	enum closer closer;
	int counted;      /* enum conn_state in the gauge, -1 = not counted */
	bool established; /* or better: SYN answered */
	bool attempting;  /* this attempt's result is still open */
	bool asked;       /* the proxy has sent something */
	bool unix_domain;
	bool ended; /* the session is closed */
	bool awake; /* in the list of those that time may change */
};

struct conns {
	struct conn *table;
	struct conn *last;            /* of the last record: the next one is often the same */
	LIST_HEAD(, conn) awake_list; /* what had a record, and is not quiet since */
	struct conns_options options;
	struct conn_sink sink;
	struct conns_totals totals;
};

/* ------------------------------------------------------------------------------------------------ state and
 * attempts */

static void count_state(struct conn *conn)
{
	int now = CONN_PLAIN;

	if (conn->ended || !conn->established)
		now = -1;
	else if (session_transport(conn->session) == TRANSPORT_ENCRYPTED)
		now = CONN_ENCRYPTED;
	else if (session_resyncing(conn->session))
		now = CONN_RESYNCING;
	if (now == conn->counted)
		return;
	conn->owner->sink.state(conn->owner->sink.ctx, &conn->view, conn->counted, now);
	conn->counted = now;
}

static void settle_attempt(struct conn *conn, enum conn_attempt result)
{
	if (!conn->attempting)
		return;
	conn->attempting = false;
	conn->owner->sink.attempt(conn->owner->sink.ctx, &conn->view, result, conn->last_ns);
}

/* sk_err of a socket that left SYN_SENT for CLOSE; 0 and ECONNRESET (tcp_disconnect) are the proxy's own
 * doing. */
static enum conn_attempt attempt_of_error(int error)
{
	switch (error) {
	case ECONNREFUSED:
		return ATTEMPT_REFUSED;
	case ETIMEDOUT:
		return ATTEMPT_TIMEOUT;
	case 0:
	case ECONNRESET:
		return ATTEMPT_ABANDONED;
	default:
		return ATTEMPT_UNREACHABLE;
	}
}

/* ------------------------------------------------------------------------------------------ what the session
 * reports */

static void set_role(struct conn *conn, struct role role)
{
	struct conns *owner = conn->owner;
	int counted = conn->counted;

	if (role.target == conn->view.role.target && role.clusters == conn->view.role.clusters &&
	    role.ambiguous == conn->view.role.ambiguous)
		return;
	if (counted >= 0)
		owner->sink.state(owner->sink.ctx, &conn->view, counted, -1);
	conn->view.role = role;
	if (counted >= 0)
		owner->sink.state(owner->sink.ctx, &conn->view, -1, counted);
}

static void apply_options(struct conn *conn)
{
	struct conns *owner = conn->owner;
	struct session_options options = owner->options.session;

	options.request_timeout_ns = owner->sink.request_timeout_ns(owner->sink.ctx, &conn->view.role);
	options.results = owner->sink.results(owner->sink.ctx, &conn->view.role);
	session_set_options(conn->session, &options);
}

static void ask_role(struct conn *conn)
{
	struct conns *owner = conn->owner;

	set_role(conn, owner->sink.classify(owner->sink.classify_ctx, &conn->view.remote, conn->path,
					    conn->database));
	apply_options(conn);
}

static void on_startup(void *ctx, const struct session_startup *startup)
{
	struct conn *conn = ctx;

	free(conn->database);
	conn->database = strdup(startup->database);
	ask_role(conn);
}

static void on_note(void *ctx, enum session_note note)
{
	struct conn *conn = ctx;

	switch (note) {
	case NOTE_STARTUP_DONE:
	case NOTE_ENCRYPTED:
	case NOTE_CANCEL_REQUEST:
	case NOTE_REPLICATION:
		settle_attempt(conn, ATTEMPT_OK);
		break;
	case NOTE_STARTUP_ERROR:
		settle_attempt(conn, ATTEMPT_STARTUP_ERROR);
		break;
	default:
		break;
	}
	conn->owner->sink.note(conn->owner->sink.ctx, &conn->view, note);
}

static bool on_ignored(void *ctx, const char *text, size_t len)
{
	struct conn *conn = ctx;

	return conn->owner->sink.ignored(conn->owner->sink.ctx, &conn->view.role, text, len);
}

/* The rest goes on as it is, with the connection beside it. */
#define FORWARD(name, type)                                                        \
	static void on_##name(void *ctx, const struct type *value)                 \
	{                                                                          \
		struct conn *conn = ctx;                                           \
		conn->owner->sink.name(conn->owner->sink.ctx, &conn->view, value); \
	}

FORWARD(sent, session_query)
FORWARD(answered, session_query)
FORWARD(statement, session_statement)
FORWARD(request, session_request)
FORWARD(error, session_error)

/* ------------------------------------------------------------------------------------------- what the stream
 * reports */

static void on_bytes(void *ctx, enum event_direction direction, const uint8_t *data, size_t len,
		     uint64_t time_ns, bool last)
{
	struct conn *conn = ctx;

	conn->owner->sink.bytes(conn->owner->sink.ctx, &conn->view, direction, len);
	if (direction == DIRECTION_SEND) {
		conn->asked = true;
		session_sent(conn->session, data, len, time_ns, last);
	} else {
		session_received(conn->session, data, len, time_ns, last);
	}
}

static void on_gap(void *ctx, enum event_direction direction, uint64_t len, uint64_t time_ns,
		   enum event_loss why)
{
	struct conn *conn = ctx;

	if (why == LOSS_NONE)
		conn->owner->totals.unexplained_bytes += len;
	conn->owner->sink.bytes(conn->owner->sink.ctx, &conn->view, direction, len);
	if (direction == DIRECTION_SEND)
		session_sent_gap(conn->session, len, time_ns);
	else
		session_received_gap(conn->session, len, time_ns);
}

static void on_displaced(void *ctx)
{
	struct conn *conn = ctx;

	conn->owner->totals.displaced++;
}

/* -------------------------------------------------------------------------------------------------- birth
 * and death */

/* Nobody saw how its start-up went: as a failed connect is a failed request, so this is an unknown one. */
static void forget_attempt(struct conn *conn, uint64_t now_ns)
{
	const struct session_request unknown = {.sent_ns = now_ns,
						.done_ns = now_ns,
						.outcome = OUTCOME_UNKNOWN,
						.failure = FAILURE_NONE,
						.kind = REQUEST_MIRRORED};

	conn->attempting = false;
	conn->owner->sink.request(conn->owner->sink.ctx, &conn->view, &unknown);
}

static void conn_end(struct conn *conn, enum session_end how, uint64_t now_ns)
{
	if (conn->ended)
		return;
	stream_flush(conn->stream, now_ns);
	if (conn->attempting && session_resyncing(conn->session))
		forget_attempt(conn, now_ns);
	if (conn->established && conn->attempting)
		settle_attempt(conn, how == SESSION_END_SERVER ? ATTEMPT_RESET
				     : conn->asked             ? ATTEMPT_ABANDONED
							       : ATTEMPT_OK);
	session_close(conn->session, how, now_ns);
	conn->ended = true;
	count_state(conn);
	conn->owner->sink.closed(conn->owner->sink.ctx, &conn->view);
}

static void wake(struct conn *conn)
{
	if (conn->awake)
		return;
	LIST_INSERT_HEAD(&conn->owner->awake_list, conn, awake_entry);
	conn->awake = true;
}

static void rest(struct conn *conn)
{
	if (!conn->awake)
		return;
	LIST_REMOVE(conn, awake_entry);
	conn->awake = false;
}

static void conn_free(struct conn *conn)
{
	rest(conn);
	if (conn->owner->last == conn)
		conn->owner->last = NULL;
	HASH_DEL(conn->owner->table, conn);
	conn->owner->totals.open--;
	session_free(&conn->session);
	stream_free(&conn->stream);
	free(conn->database);
	free(conn->path);
	free(conn);
}

static void evict_one(struct conns *conns, uint64_t now_ns)
{
	struct conn *conn = conns->table, *victim = conn;

	for (int i = 0; conn && i < EVICTION_SAMPLE; i++, conn = conn->hh.next)
		if (conn->last_ns < victim->last_ns)
			victim = conn;
	conn_end(victim, SESSION_END_UNKNOWN, now_ns);
	conn_free(victim);
	conns->totals.evicted++;
}

static int conn_parts(struct conn *conn, bool fresh)
{
	const struct session_sink session = {.ctx = conn,
					     .startup = on_startup,
					     .sent = on_sent,
					     .answered = on_answered,
					     .statement = on_statement,
					     .request = on_request,
					     .error = on_error,
					     .note = on_note};
	const struct stream_options options = {.hold_max = STREAM_HOLD_MAX, .gap_after_ns = STREAM_GAP_AFTER};
	const struct stream_sink stream = {
	    .ctx = conn, .bytes = on_bytes, .gap = on_gap, .displaced = on_displaced};
	int err = session_new(&conn->session, &conn->owner->options.session, &session, fresh);

	return err ? err : stream_new(&conn->stream, &options, &stream);
}

static struct conn *conn_new(struct conns *conns, uint64_t id, bool fresh)
{
	struct conn *conn = calloc(1, sizeof(*conn));

	if (!conn)
		return NULL;
	conn->owner = conns;
	conn->view.id = id;
	conn->view.user = &conn->user;
	conn->counted = -1;
	if (conn_parts(conn, fresh)) {
		session_free(&conn->session);
		free(conn);
		return NULL;
	}
	HASH_ADD(hh, conns->table, view.id, sizeof(conn->view.id), conn);
	conns->totals.open++;
	return conn;
}

/* ------------------------------------------------------------------------------------------------------- the
 * records */

/* Known from its first send on, when it has long been connected; or the record of a connect that failed. */
static void on_open_unix(struct conn *conn, const struct event_open *open)
{
	const struct conn_sink *sink = &conn->owner->sink;
	const char *path = sink->path ? sink->path(sink->classify_ctx, open->target) : NULL;

	conn->unix_domain = true;
	conn->established = open->state != TCP_SYN_SENT;
	if (path)
		conn->path = strdup(path);
}

static void on_open(struct conns *conns, const struct event_open *open)
{
	/* Announced when its state turns from CLOSE to SYN_SENT; any other state: that record had found no
	 * room. */
	bool fresh =
	    !(open->h.flags & EVENT_F_BEFORE) &&
	    (open->state == TCP_CLOSE || open->state == TCP_SYN_SENT || (open->h.flags & EVENT_F_UNIX));
	struct conn *conn;

	if (conns->totals.open >= conns->options.max)
		evict_one(conns, open->h.time);
	conn = conn_new(conns, open->h.sock, fresh);
	if (!conn) {
		conns->totals.evicted++;
		return;
	}
	conn->last_ns = open->h.time;
	memcpy(conn->view.remote.ip, open->remote, sizeof(open->remote));
	conn->view.remote.port = open->remote_port;
	conn->attempting = fresh;
	conn->established = !fresh;
	if (open->h.flags & EVENT_F_UNIX)
		on_open_unix(conn, open);
	if (conn->established) /* of a new connection ESTABLISHED gives the positions: before it they are not
				  set */
		stream_base(conn->stream, open->h.send_pos, open->h.recv_pos);
	ask_role(conn);
	count_state(conn);
}

/* Its ESTABLISHED was lost, and who knows what else: go on as with a connection that existed before. */
static void begin_late(struct conn *conn, uint64_t time_ns)
{
	conn->established = true;
	session_sent_gap(conn->session, 1, time_ns);
}

static void on_connecting(struct conn *conn, const struct event_state *state)
{
	if (state->new_state == TCP_ESTABLISHED) {
		conn->established = true;
		if (state->old_state == state->new_state)
			begin_late(conn, state->h.time);
		stream_base(conn->stream, state->h.send_pos, state->h.recv_pos);
	} else if (state->new_state == TCP_CLOSE) {
		settle_attempt(conn, attempt_of_error(state->error));
		conn_end(conn, SESSION_END_CLIENT, state->h.time);
	}
}

/*
 * CLOSE straight from an open state is a reset: with sk_err it came from the server (or from the kernel
 * giving up on it), without it the proxy closed with unread data or SO_LINGER 0.
 */
static enum closer closer_of(const struct event_state *state)
{
	switch (state->new_state) {
	case TCP_CLOSE_WAIT:
		return CLOSER_SERVER;
	case TCP_FIN_WAIT1:
		return CLOSER_CLIENT;
	case TCP_CLOSE:
		return state->error ? CLOSER_SERVER : CLOSER_CLIENT;
	default:
		return CLOSER_NONE;
	}
}

static enum session_end end_of(const struct conn *conn)
{
	return conn->closer == CLOSER_SERVER ? SESSION_END_SERVER : SESSION_END_CLIENT;
}

static void on_state(struct conn *conn, const struct event_state *state)
{
	if (!conn->established) {
		on_connecting(conn, state);
		return;
	}
	if (state->old_state != TCP_CLOSE) /* after it, a disconnect changes the positions */
		stream_state(conn->stream, state);
	if (conn->closer == CLOSER_NONE) {
		conn->closer = closer_of(state);
		conn->closing_since_ns = state->h.time;
	}
	/* The server's bytes may still lie unread in the socket: only the proxy's own close or EVENT_EOF ends
	 * it. */
	if (state->new_state == TCP_LAST_ACK ||
	    (conn->closer == CLOSER_CLIENT &&
	     (state->new_state == TCP_CLOSE || !session_busy(conn->session))))
		conn_end(conn, end_of(conn), state->h.time);
}

static void on_eof(struct conn *conn, const struct event_state *eof)
{
	if (conn->closer == CLOSER_NONE)
		conn->closer = CLOSER_SERVER;
	if (!conn->established)
		return;
	if (eof->old_state != TCP_CLOSE)
		stream_state(conn->stream, eof);
	conn_end(conn, end_of(conn), eof->h.time);
}

static void on_end(struct conn *conn, const struct event *event)
{
	if (!conn->established)
		settle_attempt(conn, ATTEMPT_ABANDONED);
	conn_end(conn, end_of(conn), event->time);
	conn_free(conn);
}

static void on_data(struct conn *conn, const struct event_data *data)
{
	if (conn->ended)
		return;
	if (!conn->established)
		begin_late(conn, data->h.time);
	stream_data(conn->stream, data);
	count_state(conn);
	/* Nothing may tell of a Unix-domain socket's close: Terminate is its end. */
	if (conn->unix_domain && session_terminated(conn->session))
		conn_end(conn, SESSION_END_CLIENT, data->h.time);
}

static struct conn *conn_find(struct conns *conns, uint64_t id)
{
	struct conn *conn = conns->last;

	if (!conn || conn->view.id != id)
		HASH_FIND(hh, conns->table, &id, sizeof(id), conn);
	conns->last = conn;
	return conn;
}

void conns_event(struct conns *conns, const struct event *event)
{
	struct conn *conn = conn_find(conns, event->sock);

	if (event->kind == EVENT_OPEN && !conn) {
		on_open(conns, (const struct event_open *)event);
		return;
	}
	if (!conn) {
		conns->totals.stray++;
		return;
	}
	conn->last_ns = event->time;
	wake(conn);
	if (event->kind == EVENT_STATE)
		on_state(conn, (const struct event_state *)event);
	else if (event->kind == EVENT_DATA)
		on_data(conn, (const struct event_data *)event);
	else if (event->kind == EVENT_EOF)
		on_eof(conn, (const struct event_state *)event);
	else if (event->kind == EVENT_END)
		on_end(conn, event);
}

/* Nothing is held back, outstanding or about to end: only a record changes it. */
static bool is_quiet(const struct conn *conn)
{
	if (conn->ended)
		return !conn->unix_domain;
	return !stream_waits(conn->stream) && !session_waits(conn->session) && conn->closer != CLOSER_CLIENT;
}

static void conn_tick(struct conn *conn, uint64_t now_ns, bool complete)
{
	if (conn->ended)
		return;
	stream_tick(conn->stream, now_ns);
	if (complete)
		session_tick(conn->session, now_ns);
	if (conn->closer == CLOSER_CLIENT && now_ns > conn->closing_since_ns + HALF_CLOSED_NS)
		conn_end(conn, SESSION_END_CLIENT, now_ns);
	count_state(conn);
}

/* Of a Unix-domain socket there need not come an EVENT_END. */
static bool is_over(const struct conn *conn, uint64_t now_ns)
{
	return conn->ended && conn->unix_domain && now_ns > conn->last_ns + HALF_CLOSED_NS;
}

void conns_tick(struct conns *conns, uint64_t now_ns, bool complete)
{
	struct conn *conn, *next;

	for (conn = LIST_FIRST(&conns->awake_list); conn; conn = next) {
		next = LIST_NEXT(conn, awake_entry);
		conn_tick(conn, now_ns, complete);
		if (is_over(conn, now_ns))
			conn_free(conn);
		else if (is_quiet(conn))
			rest(conn);
	}
}

void conns_lost(struct conns *conns, uint64_t sock, uint64_t now_ns)
{
	struct conn *conn;

	HASH_FIND(hh, conns->table, &sock, sizeof(sock), conn);
	if (!conn)
		return;
	conn_end(conn, SESSION_END_UNKNOWN, now_ns);
	conn_free(conn);
}

void conns_reclassify(struct conns *conns)
{
	struct conn *conn, *next;

	HASH_ITER (hh, conns->table, conn, next)
		ask_role(conn);
}

void conns_totals(const struct conns *conns, struct conns_totals *out)
{
	*out = conns->totals;
}

int conns_new(struct conns **out, const struct conns_options *options, const struct conn_sink *sink)
{
	struct conns *conns = calloc(1, sizeof(*conns));

	if (!conns)
		return -ENOMEM;
	conns->options = *options;
	conns->options.session.ignored = on_ignored;
	conns->sink = *sink;
	*out = conns;
	return 0;
}

void conns_free(struct conns **conns)
{
	struct conn *conn, *next;

	if (!*conns)
		return;
	HASH_ITER (hh, (*conns)->table, conn, next) {
		conn_end(conn, SESSION_END_UNKNOWN, conn->last_ns);
		conn_free(conn);
	}
	free(*conns);
	*conns = NULL;
}
