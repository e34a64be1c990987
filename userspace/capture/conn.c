/* SPDX-License-Identifier: MIT */
#include "capture/conn.h"

#include <errno.h>
#include <stdlib.h>

#include "capture/conn_internal.h"

#define HALF_CLOSED_NS \
	1000000000ull      /* how long what the kernel had read may still come after the proxy's close */
#define EVICTION_SAMPLE 16 /* oldest entries looked at when the table is full */

/* ------------------------------------------------------------------------------- birth and death */

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
	decrypt_free(&conn->decrypt);
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
	report_end(victim, SESSION_END_UNKNOWN, now_ns);
	conn_free(victim);
	conns->totals.evicted++;
}

static int conn_parts(struct conn *conn, bool fresh)
{
	const struct stream_options options = {.hold_max = STREAM_HOLD_MAX, .gap_after_ns = STREAM_GAP_AFTER};
	const struct session_sink session = report_session(conn);
	const struct stream_sink stream = report_stream(conn);
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

static void open_conn(struct conns *conns, const struct event_open *open)
{
	struct conn *conn;

	if (conns->totals.open >= conns->options.max)
		evict_one(conns, open->h.time);
	conn = conn_new(conns, open->h.sock, record_is_fresh(open));
	if (conn)
		record_open(conn, open);
	else
		conns->totals.evicted++;
}

/* ------------------------------------------------------------------------------ records and time */

static struct conn *conn_find(struct conns *conns, uint64_t id)
{
	struct conn *conn = conns->last;

	if (!conn || conn->view.id != id)
		HASH_FIND(hh, conns->table, &id, sizeof(id), conn);
	conns->last = conn;
	return conn;
}

static void last_record(struct conn *conn, const struct event *event)
{
	record_end(conn, event);
	conn_free(conn);
}

void conns_event(struct conns *conns, const struct event *event)
{
	struct conn *conn = conn_find(conns, event->sock);

	if (event->kind == EVENT_OPEN && !conn) {
		open_conn(conns, (const struct event_open *)event);
		return;
	}
	if (!conn) {
		conns->totals.stray++;
		return;
	}
	conn->last_ns = event->time;
	wake(conn);
	if (event->kind == EVENT_STATE)
		record_state(conn, (const struct event_state *)event);
	else if (event->kind == EVENT_DATA)
		record_data(conn, (const struct event_data *)event);
	else if (event->kind == EVENT_EOF)
		record_eof(conn, (const struct event_state *)event);
	else if (event->kind == EVENT_END)
		last_record(conn, event);
}

/* Nothing is held back, outstanding or about to end: only a record changes it. */
static bool is_quiet(const struct conn *conn)
{
	if (conn->ended)
		return !conn->unix_domain;
	if (conn->decrypt && decrypt_waits(conn->decrypt))
		return false;
	return !stream_waits(conn->stream) && !session_waits(conn->session) && conn->closer != CLOSER_CLIENT;
}

static void conn_tick(struct conn *conn, uint64_t now_ns, bool complete)
{
	if (conn->ended)
		return;
	stream_tick(conn->stream, now_ns);
	if (conn->decrypt)
		decrypt_tick(conn->decrypt, now_ns);
	if (complete)
		session_tick(conn->session, now_ns);
	if (conn->closer == CLOSER_CLIENT && !conn->half_closed &&
	    now_ns > conn->closing_since_ns + HALF_CLOSED_NS)
		report_end(conn, SESSION_END_CLIENT, now_ns);
	report_state(conn);
}

/* Of a Unix-domain socket there need not come an EVENT_END. */
static bool is_over(const struct conn *conn, uint64_t now_ns)
{
	return conn->ended && conn->unix_domain && now_ns > conn->last_ns + HALF_CLOSED_NS;
}

void conns_tick(struct conns *conns, uint64_t now_ns, bool complete)
{
	struct conn *conn, *next;

	if (conns->options.tls)
		decrypt_room_tick(conns->options.tls, now_ns);
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
	report_end(conn, SESSION_END_UNKNOWN, now_ns);
	conn_free(conn);
}

void conns_leave_roles(struct conns *conns)
{
	struct conn *conn, *next;

	HASH_ITER (hh, conns->table, conn, next)
		report_no_role(conn);
}

void conns_reclassify(struct conns *conns)
{
	struct conn *conn, *next;

	HASH_ITER (hh, conns->table, conn, next) {
		report_role(conn);
		report_state(conn);
	}
}

void conns_totals(const struct conns *conns, struct conns_totals *out)
{
	*out = conns->totals;
}

int conns_new(struct conns **out, const struct conns_options *options, const struct conn_sink *sink)
{
	struct conns *conns = calloc(1, sizeof(*conns));

	if (conns)
		conns->names = names_new();
	if (!conns || !conns->names) {
		free(conns);
		return -ENOMEM;
	}
	conns->options = *options;
	conns->options.session.ignored = report_ignored;
	conns->options.session.may_ignore = report_may_ignore;
	conns->options.session.prepared = report_prepared;
	conns->options.session.text_of = report_text_of;
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
		report_end(conn, SESSION_END_UNKNOWN, conn->last_ns);
		conn_free(conn);
	}
	names_free(&(*conns)->names);
	free(*conns);
	*conns = NULL;
}
