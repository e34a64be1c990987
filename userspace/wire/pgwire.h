/* SPDX-License-Identifier: MIT */
/*
 * pgwire - messages of the PostgreSQL v3 protocol: which types exist, how long they may be, and their fields.
 *
 * Pure: no I/O, no allocation, no logging, no state. Facts are those of the PostgreSQL manual's "Message
 * Formats". A body is what follows the length word. Functions that return int give 0 or -EBADMSG; pointers
 * they hand out lie inside the body that was given.
 */
#ifndef MO_PGWIRE_H
#define MO_PGWIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PGWIRE_HEADER      5     /* type byte and length word */
#define PGWIRE_STARTUP_MAX 10000 /* MAX_STARTUP_PACKET_LENGTH of libpq/pqcomm.h */

/* Whether a message of that type and body length can come from the client, from the server. */
bool pgwire_frontend_valid(uint8_t type, uint32_t body_len);
bool pgwire_backend_valid(uint8_t type, uint32_t body_len);
/* NoticeResponse, ParameterStatus, NotificationResponse: may come at any time and answer nothing. */
bool pgwire_asynchronous(uint8_t type);

enum pgwire_first { PGWIRE_FIRST_STARTUP, PGWIRE_FIRST_SSL, PGWIRE_FIRST_GSSENC, PGWIRE_FIRST_CANCEL };

/* The untyped packet that opens a connection. Strings end in NUL; "" where absent. */
struct pgwire_startup {
	enum pgwire_first first;
	const char *user, *database; /* database: the user where none is given, as the server resolves it */
	bool replication;
};

int pgwire_startup(const uint8_t *body, size_t len, struct pgwire_startup *out);

/* ErrorResponse, NoticeResponse. severity: field V, or S of servers before 9.6. */
struct pgwire_error {
	char sqlstate[6];
	char severity[8];
};

int pgwire_error(const uint8_t *body, size_t len, struct pgwire_error *out);

/* CommandComplete: "INSERT 0 5" is tag "INSERT" with 5 rows. A longer tag is cut. */
struct pgwire_tag {
	char tag[32];
	bool has_rows;
	uint64_t rows;
};

int pgwire_tag(const uint8_t *body, size_t len, struct pgwire_tag *out);

/* ReadyForQuery: 'I' idle, 'T' in a block, 'E' in a failed block; 0 = none of these. */
char pgwire_ready(const uint8_t *body, size_t len);

/* A name or text inside a body; not necessarily NUL-terminated. */
struct pgwire_string {
	const char *text;
	size_t len;
};

/* Parse. Only the first bytes need to be there: *whole is false when the text goes on behind them. */
int pgwire_parse(const uint8_t *body, size_t len, struct pgwire_string *name, struct pgwire_string *text,
		 bool *whole);
/* Query: the text up to its NUL. */
void pgwire_query(const uint8_t *body, size_t len, struct pgwire_string *text, bool *whole);
/* Bind; *params_at is the offset of what struct pgwire_params reads. */
int pgwire_bind(const uint8_t *body, size_t len, struct pgwire_string *portal,
		struct pgwire_string *statement, size_t *params_at);
int pgwire_execute(const uint8_t *body, size_t len, struct pgwire_string *portal);
/* Close and Describe: *kind is 'S' (statement) or 'P' (portal). */
int pgwire_target(const uint8_t *body, size_t len, char *kind, struct pgwire_string *name);

/*
 * Walks the parameter formats and values of a Bind in pieces of any size, to tell where they end (the result
 * formats follow). Zero-initialise. Returns how many of the bytes belong to them.
 */
struct pgwire_params {
	uint8_t step;    /* which field comes next */
	uint8_t have;    /* bytes of `word` that are there */
	uint32_t word;   /* a count or length on its way */
	uint64_t skip;   /* bytes to pass over */
	uint32_t values; /* parameters still to come */
	bool any;        /* there are parameters */
	bool done;
};

size_t pgwire_params_feed(struct pgwire_params *params, const uint8_t *data, size_t len);

#endif
