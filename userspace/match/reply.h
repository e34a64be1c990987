/* SPDX-License-Identifier: MIT */
/*
 * reply - the state of an entry and the answer to its statement, packed into the 16 bytes that struct entry
 * has for it: SQLSTATE as a number in base 36, row count and duration saturated at 2^32 - 1.
 */
#ifndef MO_REPLY_H
#define MO_REPLY_H

#include <stdbool.h>
#include <stdint.h>

#include "match/pair.h"
#include "match/pending.h"

enum reply_flag {
	REPLY_MIRROR = 1,  /* sent to the mirror, else to the primary */
	REPLY_WAITING = 2, /* for its twin */
	REPLY_PAIRED = 4,
	REPLY_DONE = 8, /* answered, or it never will be: its connection names it no more */
};

static inline bool reply_has(const struct entry *entry, enum reply_flag flag)
{
	return entry->packed & (uint32_t)flag;
}

static inline void reply_set(struct entry *entry, enum reply_flag flag)
{
	entry->packed |= (uint32_t)flag;
}

static inline void reply_clear(struct entry *entry, enum reply_flag flag)
{
	entry->packed &= ~(uint32_t)flag;
}

void reply_write(struct entry *entry, const struct session_query *query, uint32_t result);
void reply_read(const struct entry *entry, struct match_answer *out);

#endif
