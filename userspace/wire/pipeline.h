/* SPDX-License-Identifier: MIT */
/*
 * pipeline - the client's messages that the server has still to answer, oldest first: the FIFO of one
 * connection.
 *
 * A ring that grows up to a bound and gives its memory back once it is empty.
 */
#ifndef MO_PIPELINE_H
#define MO_PIPELINE_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/querytext.h"

enum item_kind {
	ITEM_DEAD, /* the server swallowed it */
	ITEM_STARTUP,
	ITEM_QUERY,
	ITEM_FUNCTION,
	ITEM_PARSE,
	ITEM_BIND,
	ITEM_DESCRIBE,
	ITEM_CLOSE,
	ITEM_EXECUTE,
	ITEM_SYNC,
	ITEM_COPY_END, /* CopyDone or CopyFail; has no answer of its own */
};

#define ITEM_IGNORED  0x01u
#define ITEM_CONTROL  0x02u
#define ITEM_KEYED    0x04u
#define ITEM_IN_BLOCK 0x08u
#define ITEM_RESUMED  0x10u /* Execute of a portal that was executed before */
#define ITEM_BOUNDARY                                                                                      \
	0x20u               /* the connection is expected to be idle once this is answered: a request ends \
			     */
#define ITEM_DOUBTFUL 0x80u /* bytes of it were lost: what it asked for is not known for sure */
#define ITEM_SETTLED  0x40u /* request_timeout has settled it: its answer comes late */

struct item {
	uint8_t kind;
	uint8_t flags;
	uint8_t block; /* of a query: enum sqlblock_kind, what its text does inside a block */
	bool likely;   /* the tag is that of the text before a loss: it may be another by now */
	uint64_t sent_ns;
	uint64_t serial;          /* of a query, else 0 */
	struct querytext_key key; /* of a query; the name of a Parse */
	uint64_t id;              /* Parse: of its statement; Bind, Execute: of its portal */
	uint64_t portal;          /* of the portal that this ends: Bind, Close, Query */
	uint64_t object; /* by block: a savepoint's name, hashed, or the portal of a cursor; 0 = not known */
	const char *tag; /* what CommandComplete should say; NULL = anything */
};

struct pipeline {
	struct item *items;
	uint32_t size, first, count; /* size: a power of two */
	uint32_t max;
};

/* Returns 0, -ENOBUFS at the bound, -ENOMEM. */
int pipeline_push(struct pipeline *pipeline, const struct item *item);
/* The i-th oldest. Valid until the next push or pop. */
struct item *pipeline_at(const struct pipeline *pipeline, uint32_t i);
void pipeline_pop(struct pipeline *pipeline);
void pipeline_clear(struct pipeline *pipeline);

/* Query, Execute or FunctionCall. */
static inline bool item_is_query(const struct item *item)
{
	return item->kind == ITEM_QUERY || item->kind == ITEM_FUNCTION || item->kind == ITEM_EXECUTE;
}

/* Answered by a ReadyForQuery. */
static inline bool item_ends_cycle(const struct item *item)
{
	return item->kind == ITEM_QUERY || item->kind == ITEM_FUNCTION || item->kind == ITEM_SYNC ||
	       item->kind == ITEM_STARTUP;
}

#endif
