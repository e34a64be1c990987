/* SPDX-License-Identifier: MIT */
/*
 * session - one PostgreSQL connection as its two byte streams tell it: start-up, what was asked, how it
 * ended.
 *
 * Pairs what the client (the proxy) sent with what the server answered through one FIFO per connection, as
 * the PostgreSQL manual's "Message Flow" lays down, and hands finished statements and requests to a sink.
 * Knows nothing of sockets, clusters or metrics. It never guesses: what it could not see ends as
 * OUTCOME_UNKNOWN. Where it stands is one of the states in session_state.h.
 *
 * After a loss outcomes come from the answers alone, each CommandComplete and each ErrorResponse is one,
 * until pairing is proven again; they then have neither query_serial nor sent_ns, and their queries are
 * answered as unknown. Requests that were seen and whose answers were lost are unknown once it is known how
 * many.
 *
 * Words (one meaning each, here and in the metrics):
 *   query      one Query, Execute or FunctionCall message of the client; "sent" when the send with its last
 *              byte returned
 *   statement  one command that the server answered: one portal run to its end, one function call, or each
 *              command of a simple Query
 *   cycle      what one ReadyForQuery ends
 *   request    from idle to the ReadyForQuery that reports idle again: one autocommit cycle or a whole
 *              transaction block
 *
 * Where the definitions leave room:
 *   - Statements count as pg_stat_statements counts calls. An empty query is none, so a request may have
 *     none. A suspended portal that is closed, replaced or dropped by a commit is one successful statement;
 *     dropped by a rollback, whole or to a savepoint before it, or closed by SQL's CLOSE, it is none. A
 * cursor of DECLARE that Execute runs to its end is one, which pg_stat_statements has not.
 *   - Each ErrorResponse to what was asked is one failed statement, also to a Parse or to the commit that a
 *     Sync asks for, so that failures compare with the server's log. The error of a Parse, Bind or Describe
 *     belongs to the next Execute of its batch; without one, query_serial is 0. What it skips besides is
 *     `skipped` and no statement.
 *   - A transaction that the client leaves by Terminate or close while idle in it was rolled back by intent:
 *     the request is a success unless one of its statements failed.
 *   - Unanswered queries of a connection that ends or times out belong to as many requests as their texts
 *     (BEGIN, COMMIT) tell.
 *   - A connection that ends before NOTE_STARTUP_DONE yields no request: whoever counts connects counts it.
 *
 * Times are CLOCK_MONOTONIC nanoseconds. Bounded: memory per connection is limited by struct session_options;
 * what is past a bound is counted through session_sink.note and never lost in silence.
 */
#ifndef MO_SESSION_H
#define MO_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/context.h"
#include "wire/failure.h"
#include "wire/querytext.h"
#include "wire/session_state.h"

/* Label values of `status`; the order is that of STATUS in counters.def. */
enum outcome { OUTCOME_SUCCESS, OUTCOME_FAILURE, OUTCOME_UNKNOWN, OUTCOMES };

enum transport { TRANSPORT_PLAIN, TRANSPORT_ENCRYPTED };

/* The client's start-up packet. Strings are valid during the call. */
struct session_startup {
	const char *database; /* as PostgreSQL resolves it: the user name when not given; "" when neither */
	const char *user;
	bool replication; /* a walsender connection: not decoded any further */
};

/*
 * A Query, Execute or FunctionCall that was sent. `key` identifies it across connections: statement text,
 * bound parameters and their formats, but no prepared-statement or portal names.
 */
struct session_query {
	uint64_t serial;  /* 1, 2, ... within the connection; also names it in struct session_statement */
	uint64_t sent_ns; /* when the send with its last byte returned */
	uint64_t key[2];  /* XXH3-128; valid when keyed */
	bool keyed; /* false: text or parameters were not seen whole (gap, prepared before attach, evicted) */
	bool ignored;     /* the whole text is in ignore_statements */
	bool control;     /* transaction control or session SET/RESET/DISCARD/SHOW etc.: not matched */
	bool in_block;    /* sent inside an open transaction block */
	const char *text; /* the statement, NUL-terminated, cut at SESSION_TEXT_MAX; valid during the call; ""
			     if unknown; only in session_sink.sent, "" in answered */
	size_t text_len;  /* bytes of text that are there */
	bool text_cut;    /* text is longer than what is there */
	bool resumed;     /* a further part of a portal that was executed before */
	struct context_digest context; /* what it ran in; only in session_sink.sent */

	/* below: only in session_sink.answered */
	uint64_t begun_ns; /* sent_ns, or the end of its predecessor on the connection where that is later */
	uint64_t done_ns;  /* last byte of its answer read by the proxy */
	enum outcome outcome; /* its first error, or unknown, else success */
	bool skipped;     /* never executed: an error earlier in its extended batch; outcome is then failure
			     without SQLSTATE, and there is no statement */
	char sqlstate[6]; /* of the first error, or "" */
	uint32_t statements; /* commands that were answered */
	uint64_t rows;       /* sum of the row counts in its CommandComplete tags */
	uint32_t result;     /* checksum of the rows (session_options.results); 0 = none */
};

/*
 * Checksums of results: none; of the rows in their order; of the rows as a multiset. A row's hash is XXH3 of
 * its DataRow message as the server sent it. A result that was not seen whole, or failed, has none. Costs one
 * pass over the bytes of the rows, which are skipped by their length otherwise.
 */
enum session_results { RESULTS_OFF, RESULTS_ORDERED, RESULTS_SET };

#define SESSION_TEXT_MAX 16384

struct session_statement {
	uint64_t query_serial; /* 0: which it was is not known */
	uint64_t sent_ns;      /* 0: not known */
	uint64_t begun_ns;     /* as of struct session_query */
	uint64_t done_ns;
	enum outcome outcome;
	enum failure_type failure; /* FAILURE_NONE unless outcome is OUTCOME_FAILURE */
	char sqlstate[6];          /* "" where there is none */
	bool ignored;
	bool control;
	bool function_call;
	char
	    tag[32]; /* CommandComplete tag without counts ("SELECT", "INSERT", "CREATE TABLE"); "" if none */
	bool utility_plan; /* SQL-level PREPARE or DEALLOCATE: not comparable with pg_stat_statements */
	bool has_rows;
	uint64_t rows;
};

enum request_kind { REQUEST_MIRRORED, REQUEST_IGNORED, REQUEST_UPKEEP, REQUEST_KINDS };

struct session_request {
	uint64_t sent_ns; /* of its first query */
	uint64_t done_ns;
	enum outcome outcome;
	enum failure_type failure; /* of its first error */
	char sqlstate[6];
	enum request_kind kind;
	uint32_t statements;
};

/* An ErrorResponse, wherever it came (also start-up). severity is field V ("ERROR", "FATAL", "PANIC"). */
struct session_error {
	char sqlstate[6];
	char severity[8];
	bool startup; /* before the first ReadyForQuery */
};

/* Things that are only counted. */
enum session_note {
	NOTE_RESYNC,           /* pairing was lost; counted once per loss */
	NOTE_RESYNC_CERTAIN,   /* and is proven again */
	NOTE_SURPLUS_REPLY,    /* a provisional pairing was refuted */
	NOTE_DECODE_ERROR,     /* bytes that are no PostgreSQL v3; the connection is treated as after a gap */
	NOTE_LATE_ANSWER,      /* the answer of a request that request_timeout had settled */
	NOTE_ENCRYPTED,        /* SSLRequest or GSSENCRequest accepted: not decoded */
	NOTE_REPLICATION,      /* a replication connection: not decoded */
	NOTE_CANCEL_REQUEST,   /* this connection only carried a CancelRequest */
	NOTE_STARTUP_DONE,     /* first ReadyForQuery after start-up */
	NOTE_STARTUP_ERROR,    /* ErrorResponse before the first ReadyForQuery */
	NOTE_PREPARED_EVICTED, /* a prepared statement's text fell out of the bounded cache */
	NOTE_TEXT_UNKNOWN,     /* Execute of a statement whose Parse was not seen */
	NOTE_QUEUE_OVERFLOW,   /* more queries outstanding than queue_max: pairing lost */
	NOTE_OUTCOME_EVICTED,  /* an outcome became unknown since more than provisional_max were held back */
	SESSION_NOTES,
};

struct session_sink {
	void *ctx;
	void (*startup)(void *ctx, const struct session_startup *startup);
	void (*sent)(void *ctx, const struct session_query *query);
	void (*answered)(void *ctx, const struct session_query *query);
	void (*statement)(void *ctx, const struct session_statement *statement);
	void (*request)(void *ctx, const struct session_request *request);
	void (*error)(void *ctx, const struct session_error *error);
	void (*note)(void *ctx, enum session_note note);
	/* For so long bytes went by while neither direction could be read; may be NULL. */
	void (*blind)(void *ctx, uint64_t ns);
};

/* The sink of a file that has an on_NAME() for each. */
#define SESSION_SINK(context)                             \
	((struct session_sink){.ctx = (context),          \
			       .startup = on_startup,     \
			       .sent = on_sent,           \
			       .answered = on_answered,   \
			       .statement = on_statement, \
			       .request = on_request,     \
			       .error = on_error,         \
			       .note = on_note,           \
			       .blind = on_blind})

struct session_options {
	uint32_t queue_max;      /* outstanding protocol messages per connection, e.g. 65536 */
	uint32_t prepared_max;   /* prepared statements remembered per connection, e.g. 1024 */
	uint32_t prepared_bytes; /* text bytes of those per connection, e.g. 1 MiB */
	uint32_t
	    provisional_max; /* outcomes held back while pairing is provisional, e.g. 256; then unknown */
	uint64_t request_timeout_ns; /* 0 = none */
	enum session_results results;
	/* Returns true when text is in ignore_statements (trimmed, case-insensitive, whole). */
	bool (*ignored)(void *ctx, const char *text, size_t len);
	/* Returns true when a text of which not all is known may be: all that is known is that it begins with
	 * text, or (tag is not NULL) that the server answered it with this command tag. NULL: none may. */
	bool (*may_ignore)(void *ctx, const char *text, size_t len, const char *tag);
	/* A named statement was prepared; and what a name stands for that was not seen prepared on this
	 * connection: a reference for the caller, or NULL. Both or neither; NULL: nobody knows. */
	void (*prepared)(void *ctx, const char *name, size_t len, struct querytext *text);
	struct querytext *(*text_of)(void *ctx, const char *name, size_t len);
};

/* How the connection ended, as TCP showed it. */
enum session_end {
	SESSION_END_SERVER,  /* FIN or RST from the server */
	SESSION_END_CLIENT,  /* the proxy closed, with or without Terminate */
	SESSION_END_UNKNOWN, /* the observer lost track (evicted, records lost) */
};

struct session;

/* fresh: the connection's first byte will be seen; otherwise it existed before (attach in mid-stream). The
 * sink and the options are copied; options.ignored gets sink.ctx. Returns 0 or -ENOMEM. */
int session_new(struct session **out, const struct session_options *options, const struct session_sink *sink,
		bool fresh);
void session_free(struct session **session);

/* The options of a reload; takes effect for what is sent from now on. */
void session_set_options(struct session *session, const struct session_options *options);

/* Contiguous bytes in stream order; `last` on the last bytes of one system call. data is read during the call
 * only. */
void session_sent(struct session *session, const uint8_t *data, size_t len, uint64_t time_ns, bool last);
void session_received(struct session *session, const uint8_t *data, size_t len, uint64_t time_ns, bool last);
/* len bytes of one direction were not captured. */
void session_sent_gap(struct session *session, uint64_t len, uint64_t time_ns);
void session_received_gap(struct session *session, uint64_t len, uint64_t time_ns);

/* Settles requests that wait longer than request_timeout, and as unknown what waits that long for its pairing
 * to be proven while the connection is silent. Cheap when there is nothing to do. */
void session_tick(struct session *session, uint64_t now_ns);
/* False while session_tick has nothing to do. */
bool session_waits(const struct session *session);
/* Settles what is open. Nothing may follow but session_free. */
void session_close(struct session *session, enum session_end how, uint64_t now_ns);

enum transport session_transport(const struct session *session);
/* Where it stands. */
enum session_state session_state(const struct session *session);
/* For tests: what the session holds fits its state. Always true between two calls. */
bool session_coherent(const struct session *session);
/* True from a gap until pairing is certain again. */
bool session_resyncing(const struct session *session);
/* Terminate was sent. */
bool session_terminated(const struct session *session);
/* True while a query is unanswered or a transaction block is open. */
bool session_busy(const struct session *session);

#endif
