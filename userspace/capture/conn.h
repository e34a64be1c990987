/* SPDX-License-Identifier: MIT */
/*
 * conn - the tracked sockets: one entry each, with endpoints, role, byte streams and PostgreSQL session.
 *
 * Turns the records of bpf/event.h into what a connection did: how its connect and start-up ended, and
 * (through session.h) which statements and requests it carried. A connection's role - primary of some
 * clusters, mirror of one, or not known - is asked of the sink by address first, and again with the database
 * once the start-up packet is seen.
 *
 * Owns all entries; the table is bounded, and an eviction ends the connection as unknown and is counted.
 */
#ifndef MO_CONN_H
#define MO_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "bpf/event.h"
#include "tls/decrypt.h"
#include "watch/classify.h"
#include "wire/session.h"

/* Label values of `state`; the order is that of STATE in counters.def. */
enum conn_state { CONN_PLAIN, CONN_ENCRYPTED, CONN_RESYNCING, CONN_STATES };

/* Label values of `result`; the order is that of RESULT in counters.def. One of which too much was lost to
 * know has none: it is an unknown request. */
enum conn_attempt {
	ATTEMPT_OK, /* first ReadyForQuery, an accepted encryption request, or a CancelRequest handed over */
	ATTEMPT_REFUSED,       /* ECONNREFUSED */
	ATTEMPT_TIMEOUT,       /* ETIMEDOUT of the kernel's connect */
	ATTEMPT_UNREACHABLE,   /* EHOSTUNREACH, ENETUNREACH and the like */
	ATTEMPT_RESET,         /* connected, then closed or reset by the server before start-up ended */
	ATTEMPT_ABANDONED,     /* given up by the proxy before start-up ended */
	ATTEMPT_STARTUP_ERROR, /* ErrorResponse during start-up */
	ATTEMPTS,
};

/* What the sink sees of a connection. Valid during a call. */
struct conn_view {
	uint64_t id; /* struct event.sock */
	struct role role;
	struct address remote;
	void **user; /* one pointer for the sink, NULL at first; the sink frees it in `closed` */
};

struct conn_sink {
	void *ctx;
	void *classify_ctx;
	/* database is NULL while the start-up packet was not seen; path is that of a Unix-domain target, else
	 * NULL. */
	struct role (*classify)(void *ctx, const struct address *remote, const char *path,
				const char *database);
	/* The path of a Unix-domain target, by event_open.target; with classify_ctx. */
	const char *(*path)(void *ctx, uint32_t target);
	bool (*ignored)(void *ctx, const struct role *role, const char *text, size_t len);
	/* As session_options.may_ignore. */
	bool (*may_ignore)(void *ctx, const struct role *role, const char *text, size_t len, const char *tag);
	uint64_t (*request_timeout_ns)(void *ctx, const struct role *role);
	enum session_results (*results)(void *ctx, const struct role *role);
	/* The gauge of open connections: one more in state now (was < 0: newly counted; now < 0: gone). */
	void (*state)(void *ctx, const struct conn_view *conn, int was, int now);
	void (*attempt)(void *ctx, const struct conn_view *conn, enum conn_attempt result, uint64_t time_ns);
	void (*bytes)(void *ctx, const struct conn_view *conn, enum event_direction direction,
		      uint64_t count);
	void (*sent)(void *ctx, const struct conn_view *conn, const struct session_query *query);
	void (*answered)(void *ctx, const struct conn_view *conn, const struct session_query *query);
	void (*statement)(void *ctx, const struct conn_view *conn, const struct session_statement *statement);
	void (*request)(void *ctx, const struct conn_view *conn, const struct session_request *request);
	void (*error)(void *ctx, const struct conn_view *conn, const struct session_error *error);
	void (*note)(void *ctx, const struct conn_view *conn, enum session_note note);
	/* As session_sink.blind. */
	void (*blind)(void *ctx, const struct conn_view *conn, uint64_t ns);
	/* A connection goes over to TLS; with tls_ctx; may be NULL. */
	void *tls_ctx;
	void (*tls_begins)(void *ctx);
	void (*closed)(void *ctx, const struct conn_view *conn);
};

struct conns_options {
	struct decrypt_room *tls;       /* of the connections that use TLS; NULL: it is not read */
	uint32_t max;                   /* entries; at the bound the longest idle one is evicted */
	struct session_options session; /* `ignored`, `may_ignore`, `request_timeout_ns` and `results` are
					   asked of the sink instead, `prepared` and `text_of` are our own */
};

struct conns_totals {
	uint64_t open;                          /* entries now */
	uint64_t evicted;                       /* entries dropped at the bound */
	uint64_t displaced;                     /* records held back no longer: too many were waiting */
	uint64_t stray;                         /* records of sockets that were never announced */
	uint64_t unread_bytes[DECRYPT_REASONS]; /* of TLS, captured and not read */
	uint64_t unexplained_bytes; /* gap bytes that no record and no counter accounts for (splice from a
				       socket) */
	uint64_t mptcp_bytes;       /* of Multipath TCP, where the attach mode does not follow it */
};

struct conns;

/* Returns 0 or -ENOMEM. The sink and options are copied. */
int conns_new(struct conns **out, const struct conns_options *options, const struct conn_sink *sink);
/* Ends every connection as unknown. */
void conns_free(struct conns **conns);

void conns_event(struct conns *conns, const struct event *event);
/*
 * Time passes: request_timeout, late pieces, half-closed connections. Call about ten times a second, after
 * all records up to now_ns were given. complete: of none of them is it known that it was lost; else no
 * request is held to be overdue, since its answer may be what was lost.
 */
void conns_tick(struct conns *conns, uint64_t now_ns, bool complete);
/* The end of a connection (struct event.sock) whose EVENT_END was lost. */
void conns_lost(struct conns *conns, uint64_t sock, uint64_t now_ns);
/*
 * A role names clusters by their place in the sink's list. Before that list changes every connection leaves
 * its role, and the gauge of open connections with it, until conns_reclassify, before which nothing else may
 * be called.
 */
void conns_leave_roles(struct conns *conns);
/* Asks every role and timeout again: after that, or when the answers may have changed. */
void conns_reclassify(struct conns *conns);
/* Calls each for every open connection that uses TLS; library: enum tls_library, or -1 while it is not known.
 */
enum conn_tls { CONN_TLS_READ, CONN_TLS_NO_KEY, CONN_TLS_UNSUPPORTED, CONN_TLS_STATES };
void conns_each_tls(const struct conns *conns,
		    void (*each)(void *ctx, const struct role *role, int library, enum conn_tls state),
		    void *ctx);
void conns_totals(const struct conns *conns, struct conns_totals *out);

#endif
