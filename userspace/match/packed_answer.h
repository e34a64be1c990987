/* SPDX-License-Identifier: MIT */
/*
 * packed_answer - the answer to a statement in the room that struct entry has for it: SQLSTATE as a number in
 * base 36, row count and duration saturated at 2^32 - 1.
 */
#ifndef MO_PACKED_ANSWER_H
#define MO_PACKED_ANSWER_H

#include "match/pair.h"
#include "match/pending.h"

/* The entry must not be in its connection's list of unanswered ones any more. */
void packed_answer_write(struct entry *entry, const struct session_query *query, uint32_t result);
/* answered = false where none was written. */
void packed_answer_read(const struct entry *entry, struct match_answer *out);

#endif
