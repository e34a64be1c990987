/* SPDX-License-Identifier: MIT */
/*
 * message - framing of the PostgreSQL v3 protocol and the few messages that the proxy writes or rewrites
 * (PostgreSQL manual, "Message Formats"). Pure: no I/O. Reads are checked against the message's length.
 */
#ifndef TESTPROXY_MESSAGE_H
#define TESTPROXY_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buffer.h"

#define MESSAGE_HEADER      5 /* type and length */
#define MESSAGE_STARTUP_MAX 10000
#define MESSAGE_NAME_MAX    64

/* Cuts one direction of a connection into messages without keeping their bodies. */
struct framer {
	uint8_t header[MESSAGE_HEADER];
	unsigned have;      /* header bytes seen of the current message */
	uint32_t remaining; /* body bytes still to come */
	uint8_t body[4];    /* the first body bytes: a ReadyForQuery's status, an Authentication's code */
	unsigned body_have;
	bool done; /* the last call ended a message; header and body describe it */
};

/*
 * Takes the bytes of at most one message; returns how many (> 0), or -EPROTO for an impossible length. A
 * message begins when the call before ended one.
 */
long framer_feed(struct framer *framer, const uint8_t *bytes, size_t len);

enum startup_kind { STARTUP_INCOMPLETE, STARTUP_SSL, STARTUP_CANCEL, STARTUP_SESSION, STARTUP_INVALID };
/* What a client's first packet is; *len is its length once complete. */
enum startup_kind message_startup(const uint8_t *bytes, size_t have, size_t *len);

void message_write_startup(struct buffer *out, const char *user, const char *database);
void message_write_query(struct buffer *out, const char *text);
void message_write_parse_sync(struct buffer *out, const char *name, const uint8_t *rest, size_t rest_len);

/*
 * The name of a prepared statement in a Parse, Bind, Describe or Close message (whole, with header) and where
 * it stands. False for other messages, for Describe and Close of a portal, and for broken ones.
 */
bool message_statement_name(const uint8_t *message, size_t len, const char **name, size_t *offset);
/* Appends the message with another statement name in place of the one at offset. */
void message_write_renamed(struct buffer *out, const uint8_t *message, size_t len, size_t offset,
			   const char *name);

#endif
