/* SPDX-License-Identifier: MIT */
#include "capture/conn_internal.h"

#include <stdlib.h>
#include <string.h>

/* While the secret of a connection may still come, it does not count as encrypted. */
static bool is_unread(const struct conn *conn)
{
	if (conn->decrypt)
		return decrypt_state(conn->decrypt) == DECRYPT_BLIND;
	return session_transport(conn->session) == TRANSPORT_ENCRYPTED;
}

/* Its secret may still come: neither read nor known not to be. */
static bool awaits_secret(const struct conn *conn)
{
	return conn->decrypt && decrypt_state(conn->decrypt) != DECRYPT_READS;
}

void report_state(struct conn *conn)
{
	int now = CONN_PLAIN;

	if (conn->ended || !conn->established)
		now = -1;
	else if (is_unread(conn))
		now = CONN_ENCRYPTED;
	else if (conn->unseen || awaits_secret(conn) || session_resyncing(conn->session))
		now = CONN_RESYNCING;
	if (now == conn->counted)
		return;
	conn->owner->sink.state(conn->owner->sink.ctx, &conn->view, conn->counted, now);
	conn->counted = now;
}

void report_attempt(struct conn *conn, enum conn_attempt result)
{
	if (!conn->attempting)
		return;
	conn->attempting = false;
	conn->owner->sink.attempt(conn->owner->sink.ctx, &conn->view, result, conn->last_ns);
}

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

/* Of a start-up that was not seen to its end. TLS that ended before it could be read is no failure when both
 * sides had gone on with it. */
static enum conn_attempt unfinished(const struct conn *conn, enum session_end how)
{
	if (conn->decrypt && decrypt_state(conn->decrypt) != DECRYPT_READS &&
	    decrypt_established(conn->decrypt))
		return ATTEMPT_OK;
	if (how == SESSION_END_SERVER)
		return ATTEMPT_RESET;
	return conn->asked ? ATTEMPT_ABANDONED : ATTEMPT_OK;
}

void report_end(struct conn *conn, enum session_end how, uint64_t now_ns)
{
	if (conn->ended)
		return;
	stream_flush(conn->stream, now_ns);
	if (conn->decrypt)
		decrypt_flush(conn->decrypt, now_ns);
	if (conn->attempting && session_resyncing(conn->session))
		forget_attempt(conn, now_ns);
	if (conn->established && conn->attempting)
		report_attempt(conn, unfinished(conn, how));
	session_close(conn->session, how, now_ns);
	conn->ended = true;
	report_state(conn);
	conn->owner->sink.closed(conn->owner->sink.ctx, &conn->view);
}

/* ------------------------------------------------------------------------------------------ role */

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

void report_no_role(struct conn *conn)
{
	struct conns *owner = conn->owner;

	if (conn->counted >= 0)
		owner->sink.state(owner->sink.ctx, &conn->view, conn->counted, -1);
	conn->counted = -1;
	conn->view.role = (struct role){.target = TARGET_NONE};
}

static void apply_options(struct conn *conn)
{
	struct conns *owner = conn->owner;
	struct session_options options = owner->options.session;

	options.request_timeout_ns = owner->sink.request_timeout_ns(owner->sink.ctx, &conn->view.role);
	options.results = owner->sink.results(owner->sink.ctx, &conn->view.role);
	session_set_options(conn->session, &options);
}

void report_role(struct conn *conn)
{
	struct conns *owner = conn->owner;

	set_role(conn, owner->sink.classify(owner->sink.classify_ctx, &conn->view.remote, conn->path,
					    conn->database));
	apply_options(conn);
}

/* ---------------------------------------------------------------------------- session and stream */

static void on_startup(void *ctx, const struct session_startup *startup)
{
	struct conn *conn = ctx;

	free(conn->database);
	conn->database = strdup(startup->database);
	report_role(conn);
}

static void on_note(void *ctx, enum session_note note)
{
	struct conn *conn = ctx;

	switch (note) {
	case NOTE_ENCRYPTED:
		if (conn->owner->options.tls && conn->attempting)
			return; /* it will be told when it cannot be read */
		report_attempt(conn, ATTEMPT_OK);
		break;
	case NOTE_STARTUP_DONE:
	case NOTE_CANCEL_REQUEST:
	case NOTE_REPLICATION:
		report_attempt(conn, ATTEMPT_OK);
		break;
	case NOTE_STARTUP_ERROR:
		report_attempt(conn, ATTEMPT_STARTUP_ERROR);
		break;
	default:
		break;
	}
	conn->owner->sink.note(conn->owner->sink.ctx, &conn->view, note);
}

bool report_ignored(void *ctx, const char *text, size_t len)
{
	struct conn *conn = ctx;

	return conn->owner->sink.ignored(conn->owner->sink.ctx, &conn->view.role, text, len);
}

bool report_may_ignore(void *ctx, const char *text, size_t len, const char *tag)
{
	struct conn *conn = ctx;

	return conn->owner->sink.may_ignore(conn->owner->sink.ctx, &conn->view.role, text, len, tag);
}

void report_prepared(void *ctx, const char *name, size_t len, struct querytext *text)
{
	struct conn *conn = ctx;

	names_prepared(conn->owner->names, conn->process, conn->view.id, name, len, text);
}

struct querytext *report_text_of(void *ctx, const char *name, size_t len)
{
	struct conn *conn = ctx;

	return names_text(conn->owner->names, conn->process, name, len);
}

static void on_blind(void *ctx, uint64_t ns)
{
	struct conn *conn = ctx;

	conn->owner->sink.blind(conn->owner->sink.ctx, &conn->view, ns);
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

struct session_sink report_session(struct conn *conn)
{
	return SESSION_SINK(conn);
}
