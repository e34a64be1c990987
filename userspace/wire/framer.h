/* SPDX-License-Identifier: MIT */
/*
 * framer - cuts the contiguous bytes of one direction into messages.
 *
 * A message, or its body, that lies whole in the bytes given is handed out in place. One that does not is
 * gathered in a buffer as far as its type is of interest (the rule says so); the rest of its body is skipped
 * by length and never buffered. Owns that buffer, which exists only while a message is on its way.
 */
#ifndef MO_FRAMER_H
#define MO_FRAMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/pgwire.h"

/* What the rule of a direction wants of a message. */
struct framer_interest {
	uint32_t keep; /* first bytes of the body to have together */
	bool tail;     /* hand out the bytes behind them too, piece by piece */
};

/* False: no message of this protocol. */
typedef bool framer_rule(uint8_t type, uint32_t body_len, struct framer_interest *interest);

struct frame {
	uint8_t type;        /* 0: a start-up packet */
	bool holed;          /* bytes of the body were lost; body holds what came before the hole */
	uint32_t len;        /* of the body */
	const uint8_t *body; /* its first `have` bytes; valid until the next call for this framer */
	uint32_t have;
};

enum framer_event {
	FRAMER_MORE,    /* all bytes are taken */
	FRAMER_MESSAGE, /* a message ended */
	FRAMER_HEAD, /* the first `keep` bytes of one that is longer are there; tails follow, then its message
		      */
	FRAMER_TAIL, /* body and have are the next piece of it */
	FRAMER_INVALID, /* bytes that no message begins with: framing is lost */
};

struct framer {
	framer_rule *rule;
	bool untyped; /* the next message has no type byte */
	bool in_body;
	bool holed;
	bool headed; /* FRAMER_HEAD was given */
	bool spent;  /* the buffer belongs to the message handed out last */
	uint8_t type;
	uint8_t header[PGWIRE_HEADER];
	uint8_t header_len;
	uint32_t len, done; /* of the body; seen */
	struct framer_interest interest;
	uint32_t have;
	uint8_t *buffer;
};

void framer_init(struct framer *framer, framer_rule *rule);
/* Frees the buffer; the next byte begins a message. */
void framer_reset(struct framer *framer);
/* Takes bytes from *data, *len until there is something to hand out. */
enum framer_event framer_next(struct framer *framer, const uint8_t **data, size_t *len, struct frame *out);
/* len bytes are missing. False: framing is lost. Otherwise call framer_next once more, also without bytes. */
bool framer_gap(struct framer *framer, uint64_t len);
/* True between two messages. */
bool framer_between(const struct framer *framer);

#endif
