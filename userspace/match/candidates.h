/* SPDX-License-Identifier: MIT */
/*
 * candidates - chooses among the primary statements of one key that wait for a twin. A choice takes a bounded
 * number of steps, so it may miss the best of very many.
 */
#ifndef MO_CANDIDATES_H
#define MO_CANDIDATES_H

#include <stdint.h>

#include "match/entries.h"
#include "match/repeated_keys.h"

/* The one sent nearest to `target`: a walk from the best of oldest, youngest and where the last one ended.
 * hot (NULL: none) remembers the latter. */
uint32_t candidates_nearest(const struct entries *entries, uint32_t oldest, struct repeated_key *hot,
			    uint64_t target);
/* The one nearest to `from` that ran in the same context, `from` itself where none near it did. */
uint32_t candidates_in_context(const struct entries *entries, uint32_t from, uint32_t context);
/* The one of the transaction of the primary that the connection's current one is taken for a copy of, or 0:
 * sought around the time of the neighbour by which it is known. */
uint32_t candidates_of_block(const struct entries *entries, const struct match_connection *connection,
			     uint32_t oldest, struct repeated_key *hot);

#endif
