/* SPDX-License-Identifier: MIT */
#include "match/candidates.h"

#define STEPS 64 /* of one search */

static uint64_t distance(const struct entries *entries, uint32_t index, uint64_t target)
{
	uint64_t time = entries_at(entries, index)->time;

	return time > target ? time - target : target - time;
}

uint32_t candidates_nearest(const struct entries *entries, uint32_t oldest, struct repeated_key *hot,
			    uint64_t target)
{
	uint32_t best = entries_at(entries, oldest)->same.older, next; /* the youngest */

	if (distance(entries, oldest, target) < distance(entries, best, target))
		best = oldest;
	if (hot && hot->cursor && distance(entries, hot->cursor, target) < distance(entries, best, target))
		best = hot->cursor;
	for (unsigned n = 0; n < STEPS; n++) {
		next = entries_at(entries, best)->same.younger;
		if (next == oldest || distance(entries, next, target) > distance(entries, best, target))
			break;
		best = next;
	}
	for (unsigned n = 0; n < STEPS && best != oldest; n++) {
		next = entries_at(entries, best)->same.older;
		if (distance(entries, next, target) >= distance(entries, best, target))
			break;
		best = next;
	}
	if (hot)
		hot->cursor = best;
	return best;
}

uint32_t candidates_of_block(const struct entries *entries, const struct match_connection *connection,
			     uint32_t oldest, struct repeated_key *hot)
{
	uint32_t younger, older;

	if (!connection->twin_block)
		return 0;
	younger = older = candidates_nearest(entries, oldest, hot, connection->twin_time);
	for (unsigned n = 0; n < STEPS; n++) {
		if (entries_at(entries, younger)->block == connection->twin_block)
			return younger;
		if (entries_at(entries, older)->block == connection->twin_block)
			return older;
		younger = entries_at(entries, younger)->same.younger;
		older = entries_at(entries, older)->same.older;
		if (younger == older)
			break;
	}
	return entries_at(entries, younger)->block == connection->twin_block ? younger : 0;
}

uint32_t candidates_in_context(const struct entries *entries, uint32_t from, uint32_t context)
{
	uint32_t younger = from, older = from;

	for (unsigned n = 0; context && n < STEPS; n++) {
		if (entries_context(entries_at(entries, younger)) == context)
			return younger;
		if (entries_context(entries_at(entries, older)) == context)
			return older;
		younger = entries_at(entries, younger)->same.younger;
		older = entries_at(entries, older)->same.older;
		if (younger == from)
			break;
	}
	return from;
}
