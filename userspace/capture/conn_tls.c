/* SPDX-License-Identifier: MIT */
/* The seam between stream and session: where a connection goes over to TLS, its bytes take the way through
 * decrypt, and a session of their own begins with the first plain byte. */
#include <stdlib.h>

#include "capture/conn_internal.h"
#include "tls/decrypt.h"

#define CLIENT_HELLO_RECORD 0x16
#define GSSAPI_ACCEPTED     'G' /* to GSSENCRequest */
/* ClientHello, the server's part, Finished, and what the server says to that: a client that refuses the
 * server's certificate ends with the third. */
#define TURNS_OF_HANDSHAKE 4

_Static_assert((int)DECRYPT_CLIENT == DIRECTION_SEND && (int)DECRYPT_SERVER == DIRECTION_RECV,
	       "directions are numbered alike");

/* ------------------------------------------------------------------------------------ what comes out */

/* What the session of before has seen was a request for TLS and nothing else: it is done with. */
static void on_proven(void *ctx)
{
	struct conn *conn = ctx;
	const struct session_sink sink = report_session(conn);
	struct session *fresh;

	if (session_new(&fresh, &conn->owner->options.session, &sink, true))
		return; /* without memory it stays encrypted */
	session_free(&conn->session);
	conn->session = fresh;
	report_role(conn);
}

static void on_plain(void *ctx, enum decrypt_direction direction, const uint8_t *data, size_t len,
		     uint64_t time_ns, bool last)
{
	struct conn *conn = ctx;

	if (direction == DECRYPT_CLIENT)
		session_sent(conn->session, data, len, time_ns, last);
	else
		session_received(conn->session, data, len, time_ns, last);
}

static void on_plain_gap(void *ctx, enum decrypt_direction direction, uint64_t len, uint64_t time_ns)
{
	struct conn *conn = ctx;

	if (direction == DECRYPT_CLIENT)
		session_sent_gap(conn->session, len, time_ns);
	else
		session_received_gap(conn->session, len, time_ns);
}

static void on_unread(void *ctx, uint64_t len, enum decrypt_reason reason)
{
	struct conn *conn = ctx;

	conn->owner->totals.unread_bytes[reason] += len;
}

bool conn_tls_established(const struct conn *conn)
{
	return conn->tls_turns >= TURNS_OF_HANDSHAKE || decrypt_established(conn->decrypt);
}

/* A handshake that cannot be looked into is taken to have succeeded when both sides went on with it. */
static void on_given_up(void *ctx, enum decrypt_reason reason)
{
	struct conn *conn = ctx;

	if (reason == DECRYPT_CIPHER || conn_tls_established(conn))
		report_attempt(conn, ATTEMPT_OK);
	conn->owner->sink.note(conn->owner->sink.ctx, &conn->view, NOTE_ENCRYPTED);
	if (session_transport(conn->session) == TRANSPORT_ENCRYPTED)
		return;
	session_sent_gap(conn->session, UINT32_MAX, conn->last_ns);
	session_received_gap(conn->session, UINT32_MAX, conn->last_ns);
}

static void on_alert(void *ctx, enum decrypt_direction direction, uint8_t description)
{
	(void)ctx, (void)direction, (void)description;
}

/* ------------------------------------------------------------------------------------------ the seam */

static bool begin(struct conn *conn)
{
	const struct decrypt_sink sink = {.ctx = conn,
					  .proven = on_proven,
					  .given_up = on_given_up,
					  .bytes = on_plain,
					  .gap = on_plain_gap,
					  .unread = on_unread,
					  .alert = on_alert};

	if (conn->owner->sink.tls_begins)
		conn->owner->sink.tls_begins(conn->owner->sink.tls_ctx);
	return conn->attempting && decrypt_new(&conn->decrypt, conn->owner->options.tls, &sink) == 0;
}

static void through_tls(struct conn *conn, enum event_direction direction, const uint8_t *data, size_t len,
			uint64_t time_ns, bool last)
{
	if (conn->tls_turns < TURNS_OF_HANDSHAKE &&
	    (conn->tls_turns % 2 ? DIRECTION_RECV : DIRECTION_SEND) == direction)
		conn->tls_turns++;
	decrypt_bytes(conn->decrypt, (enum decrypt_direction)direction, data, len, time_ns, last,
		      conn->process);
}

/* The session has just found out by these bytes that the connection goes over to TLS (or GSSAPI). */
static void go_over(struct conn *conn, enum event_direction direction, const uint8_t *data, size_t len,
		    uint64_t time_ns, bool last)
{
	bool gssapi = direction == DIRECTION_RECV && data[0] == GSSAPI_ACCEPTED;

	if (!conn->owner->options.tls)
		return;
	if (gssapi && conn->attempting)
		conn->owner->sink.note(conn->owner->sink.ctx, &conn->view, NOTE_ENCRYPTED);
	if (gssapi || !begin(conn)) {
		report_attempt(conn, ATTEMPT_OK);
		return;
	}
	if (direction == DIRECTION_SEND && data[0] == CLIENT_HELLO_RECORD) /* without asking first */
		through_tls(conn, direction, data, len, time_ns, last);
}

static void on_bytes(void *ctx, enum event_direction direction, const uint8_t *data, size_t len,
		     uint64_t time_ns, bool last)
{
	struct conn *conn = ctx;

	bool encrypted = session_transport(conn->session) == TRANSPORT_ENCRYPTED;

	conn->owner->sink.bytes(conn->owner->sink.ctx, &conn->view, direction, len);
	if (direction == DIRECTION_SEND)
		conn->asked = true;
	if (conn->decrypt) {
		through_tls(conn, direction, data, len, time_ns, last);
		return;
	}
	if (direction == DIRECTION_SEND)
		session_sent(conn->session, data, len, time_ns, last);
	else
		session_received(conn->session, data, len, time_ns, last);
	if (!encrypted && session_transport(conn->session) == TRANSPORT_ENCRYPTED)
		go_over(conn, direction, data, len, time_ns, last);
}

static void on_gap(void *ctx, enum event_direction direction, uint64_t len, uint64_t time_ns,
		   enum event_loss why)
{
	struct conn *conn = ctx;

	if (why == LOSS_NONE && conn->is_path)
		conn->owner->totals.mptcp_bytes += len;
	else if (why == LOSS_NONE)
		conn->owner->totals.unexplained_bytes += len;
	conn->owner->sink.bytes(conn->owner->sink.ctx, &conn->view, direction, len);
	if (conn->decrypt)
		decrypt_gap(conn->decrypt, (enum decrypt_direction)direction, len, time_ns);
	else if (direction == DIRECTION_SEND)
		session_sent_gap(conn->session, len, time_ns);
	else
		session_received_gap(conn->session, len, time_ns);
}

static void on_displaced(void *ctx)
{
	struct conn *conn = ctx;

	conn->owner->totals.displaced++;
}

struct stream_sink report_stream(struct conn *conn)
{
	return (struct stream_sink){.ctx = conn, .bytes = on_bytes, .gap = on_gap, .displaced = on_displaced};
}

/* ---------------------------------------------------------------------------------- what is shown */

static enum conn_tls state_of(const struct decrypt *decrypt)
{
	if (decrypt && decrypt_state(decrypt) == DECRYPT_READS)
		return CONN_TLS_READ;
	if (decrypt && decrypt_state(decrypt) == DECRYPT_BLIND && decrypt_reason(decrypt) == DECRYPT_CIPHER)
		return CONN_TLS_UNSUPPORTED;
	return CONN_TLS_NO_KEY;
}

void conns_each_tls(const struct conns *conns,
		    void (*each)(void *ctx, const struct role *role, int library, enum conn_tls state),
		    void *ctx)
{
	const struct conn *conn, *next;

	HASH_ITER (hh, conns->table, conn, next) {
		bool proven = conn->decrypt && decrypt_state(conn->decrypt) == DECRYPT_READS;

		if (!conn->ended &&
		    (conn->decrypt || session_transport(conn->session) == TRANSPORT_ENCRYPTED))
			each(ctx, &conn->view.role, proven ? (int)decrypt_library(conn->decrypt) : -1,
			     state_of(conn->decrypt));
	}
}
