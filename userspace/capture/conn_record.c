/* SPDX-License-Identifier: MIT */
#include "capture/conn_internal.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>

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

#define SHUT_SEND 2u /* SEND_SHUTDOWN alone: shutdown(SHUT_WR), where close() sets both */

bool record_is_fresh(const struct event_open *open)
{
	/* Announced when its state turns from CLOSE to SYN_SENT; any other state: that record had found no
	 * room. */
	return !(open->h.flags & EVENT_F_BEFORE) &&
	       (open->state == TCP_CLOSE || open->state == TCP_SYN_SENT || (open->h.flags & EVENT_F_UNIX));
}

/* Known from its first send on, when it has long been connected; or the record of a connect that failed. */
static void open_unix(struct conn *conn, const struct event_open *open)
{
	const struct conn_sink *sink = &conn->owner->sink;
	const char *path = sink->path ? sink->path(sink->classify_ctx, open->target) : NULL;

	conn->unix_domain = true;
	conn->established = open->state != TCP_SYN_SENT;
	if (path)
		conn->path = strdup(path);
}

void record_open(struct conn *conn, const struct event_open *open)
{
	conn->last_ns = open->h.time;
	memcpy(conn->view.remote.ip, open->remote, sizeof(open->remote));
	conn->view.remote.port = open->remote_port;
	conn->attempting = record_is_fresh(open);
	conn->established = !conn->attempting;
	conn->is_path = conn->unseen = open->h.flags & EVENT_F_UNSEEN;
	if (open->h.flags & EVENT_F_UNIX)
		open_unix(conn, open);
	if (conn->established) /* of a new connection ESTABLISHED gives the positions: before it they are not
				  set */
		stream_base(conn->stream, open->h.send_pos, open->h.recv_pos);
	report_role(conn);
	report_state(conn);
}

/* Its ESTABLISHED was lost, and who knows what else: go on as with a connection that existed before. */
static void begin_late(struct conn *conn, uint64_t time_ns)
{
	conn->established = true;
	session_sent_gap(conn->session, 1, time_ns);
}

static void connecting(struct conn *conn, const struct event_state *state)
{
	if (state->new_state == TCP_ESTABLISHED) {
		conn->established = true;
		if (state->old_state == state->new_state)
			begin_late(conn, state->h.time);
		stream_base(conn->stream, state->h.send_pos, state->h.recv_pos);
	} else if (state->new_state == TCP_CLOSE) {
		report_attempt(conn, attempt_of_error(state->error));
		report_end(conn, SESSION_END_CLIENT, state->h.time);
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

void record_state(struct conn *conn, const struct event_state *state)
{
	conn->unseen |= !!(state->h.flags & EVENT_F_UNSEEN);
	if (!conn->established) {
		connecting(conn, state);
		return;
	}
	if (state->old_state != TCP_CLOSE) /* after it, a disconnect changes the positions */
		stream_state(conn->stream, state);
	if (conn->closer == CLOSER_NONE) {
		conn->closer = closer_of(state);
		conn->half_closed = state->new_state == TCP_FIN_WAIT1 && state->shut == SHUT_SEND;
		conn->closing_since_ns = state->h.time;
	}
	/* The server's bytes may still lie unread in the socket: only the proxy's own close or EVENT_EOF ends
	 * it. */
	if (state->new_state == TCP_LAST_ACK ||
	    (conn->closer == CLOSER_CLIENT &&
	     (state->new_state == TCP_CLOSE || !session_busy(conn->session))))
		report_end(conn, end_of(conn), state->h.time);
}

void record_eof(struct conn *conn, const struct event_state *eof)
{
	if (conn->closer == CLOSER_NONE)
		conn->closer = CLOSER_SERVER;
	if (!conn->established)
		return;
	if (eof->old_state != TCP_CLOSE)
		stream_state(conn->stream, eof);
	report_end(conn, end_of(conn), eof->h.time);
}

void record_end(struct conn *conn, const struct event *event)
{
	if (!conn->established)
		report_attempt(conn, ATTEMPT_ABANDONED);
	report_end(conn, end_of(conn), event->time);
}

void record_data(struct conn *conn, const struct event_data *data)
{
	if (conn->ended)
		return;
	conn->process = data->h.tgid;
	if (!conn->established)
		begin_late(conn, data->h.time);
	stream_data(conn->stream, data);
	report_state(conn);
	/* Nothing may tell of a Unix-domain socket's close: Terminate is its end. */
	if (conn->unix_domain && session_terminated(conn->session))
		report_end(conn, SESSION_END_CLIENT, data->h.time);
}
