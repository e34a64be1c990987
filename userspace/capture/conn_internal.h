/* SPDX-License-Identifier: MIT */
/*
 * conn_internal - what the parts of conn share. Included by conn*.c only.
 *
 *   conn.c         the table of connections: birth and death of an entry, time; calls the others
 *   conn_record.c  what a record of the kernel changes in one connection; calls conn_report
 *   conn_tls.c     what stream finds: to the session, or by way of decrypt where it is TLS; calls conn_report
 *   conn_report.c  what the sink is told of it: state, attempt, role, end, and what the session finds
 */
#ifndef MO_CONN_INTERNAL_H
#define MO_CONN_INTERNAL_H

#include <sys/queue.h>
#include <uthash.h>

#include "capture/conn.h"
#include "capture/names.h"
#include "capture/stream.h"

/* Which side ended the connection first, as far as TCP has told. */
enum closer { CLOSER_NONE, CLOSER_SERVER, CLOSER_CLIENT };

struct conn {
	UT_hash_handle hh;
	LIST_ENTRY(conn) awake_entry; /* while awake */
	struct conns *owner;
	struct conn_view view;
	struct stream *stream;
	struct session *session;
	struct decrypt *decrypt; /* NULL: its bytes are plain, or nobody reads its TLS */
	char *database;          /* of the start-up packet; NULL = not seen */
	char *path;              /* of a Unix-domain target */
	void *user;              /* the sink's */
	uint32_t process;        /* of its last data, as in struct event.tgid */
	uint64_t last_ns;
	uint64_t closing_since_ns;
	enum closer closer;
	int counted;       /* enum conn_state in the gauge, -1 = not counted */
	bool established;  /* or better: SYN answered */
	bool attempting;   /* this attempt's result is still open */
	bool asked;        /* the proxy has sent something */
	uint8_t tls_turns; /* of the handshake: the client's, the server's, and so on */
	bool unix_domain;
	bool is_path;     /* of Multipath TCP, in a mode that sees nothing of it */
	bool unseen;      /* for this reason or another the mode does not see what it carries */
	bool half_closed; /* the proxy sends nothing more, and still reads */
	bool ended;       /* the session is closed */
	bool awake;       /* in the list of those that time may change */
};

struct conns {
	struct conn *table;
	struct conn *last;            /* of the last record: the next one is often the same */
	LIST_HEAD(, conn) awake_list; /* what had a record, and is not quiet since */
	struct conns_options options;
	struct conn_sink sink;
	struct conns_totals totals;
	struct names *names;
};

/* True for a connection that is about to begin, not one that existed before. */
bool record_is_fresh(const struct event_open *open);
void record_open(struct conn *conn, const struct event_open *open);
void record_state(struct conn *conn, const struct event_state *state);
void record_eof(struct conn *conn, const struct event_state *eof);
/* The last one: the entry may be freed. */
void record_end(struct conn *conn, const struct event *event);
void record_data(struct conn *conn, const struct event_data *data);

/* Brings the gauge of open connections up to date. */
void report_state(struct conn *conn);
/* Once for each attempt: further results are left out. */
void report_attempt(struct conn *conn, enum conn_attempt result);
/* Settles what is open and tells the sink; the entry stays. Harmless when it has ended. */
void report_end(struct conn *conn, enum session_end how, uint64_t now_ns);
/* It is nobody's, and not counted, until it is asked again whose it is. */
void report_no_role(struct conn *conn);
/* Asks whose connection it is, and with what options it is to be read. */
void report_role(struct conn *conn);
/* session_options.ignored, which is asked of the sink; ctx is the connection. */
bool report_ignored(void *ctx, const char *text, size_t len);
/* session_options.may_ignore, likewise. */
bool report_may_ignore(void *ctx, const char *text, size_t len, const char *tag);
/* session_options.prepared and text_of, of the process that has the connection. */
void report_prepared(void *ctx, const char *name, size_t len, struct querytext *text);
struct querytext *report_text_of(void *ctx, const char *name, size_t len);
struct session_sink report_session(struct conn *conn);
/* What stream has goes to the session, as it is or by way of decrypt. */
/* Both sides went on with a handshake that cannot be looked into. */
bool conn_tls_established(const struct conn *conn);
struct stream_sink report_stream(struct conn *conn);

#endif
