/* SPDX-License-Identifier: MIT */
#include "match/candidates.h"

#define STEPS 64 /* of one search */

static uint64_t distance(const struct halves *halves, uint32_t index, uint64_t target)
{
	uint64_t time = halves_at(halves, index)->time;

	return time > target ? time - target : target - time;
}

uint32_t candidates_nearest(const struct halves *halves, uint32_t oldest, struct hotkey *hot, uint64_t target)
{
	uint32_t best = halves_at(halves, oldest)->same_prev, next; /* the youngest */

	if (distance(halves, oldest, target) < distance(halves, best, target))
		best = oldest;
	if (hot && hot->cursor && distance(halves, hot->cursor, target) < distance(halves, best, target))
		best = hot->cursor;
	for (unsigned n = 0; n < STEPS; n++) {
		next = halves_at(halves, best)->same_next;
		if (next == oldest || distance(halves, next, target) > distance(halves, best, target))
			break;
		best = next;
	}
	for (unsigned n = 0; n < STEPS && best != oldest; n++) {
		next = halves_at(halves, best)->same_prev;
		if (distance(halves, next, target) >= distance(halves, best, target))
			break;
		best = next;
	}
	if (hot)
		hot->cursor = best;
	return best;
}

uint32_t candidates_of_block(const struct halves *halves, const struct match_connection *connection,
			     uint32_t oldest, struct hotkey *hot)
{
	uint32_t younger, older;

	if (!connection->twin_block)
		return 0;
	younger = older = candidates_nearest(halves, oldest, hot, connection->twin_time);
	for (unsigned n = 0; n < STEPS; n++) {
		if (halves_at(halves, younger)->block == connection->twin_block)
			return younger;
		if (halves_at(halves, older)->block == connection->twin_block)
			return older;
		younger = halves_at(halves, younger)->same_next;
		older = halves_at(halves, older)->same_prev;
		if (younger == older)
			break;
	}
	return halves_at(halves, younger)->block == connection->twin_block ? younger : 0;
}
