/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "match/halves.h"
#include "match/reply.h"

/* Mirror statements wait under the complement, apart from the primary's. */
static uint64_t place_of(uint64_t key, enum match_side side)
{
	return side == MATCH_PRIMARY ? key : ~key;
}

#define HELD UINT32_MAX /* same_next of an entry that is deferred */

enum match_side halves_side(const struct entry *entry)
{
	return reply_has(entry, REPLY_MIRROR) ? MATCH_MIRROR : MATCH_PRIMARY;
}

uint64_t halves_key(const struct entry *entry)
{
	return place_of(entry->key, halves_side(entry));
}

int halves_init(struct halves *halves, uint32_t max)
{
	memset(halves, 0, sizeof(*halves));
	return pending_init(&halves->pending, max);
}

void halves_done(struct halves *halves)
{
	pending_done(&halves->pending);
}

static void append_unanswered(struct halves *halves, struct match_connection *connection, uint32_t index)
{
	if (connection->unanswered_last)
		halves_at(halves, connection->unanswered_last)->rows = index;
	else
		connection->unanswered_first = index;
	connection->unanswered_last = index;
}

uint32_t halves_enter(struct halves *halves, struct match_connection *connection,
		      const struct session_query *query, uint32_t tag)
{
	uint32_t index = pending_take(&halves->pending);
	struct entry *entry;

	if (!index)
		return 0;
	entry = halves_at(halves, index);
	entry->key = place_of(query->key[0], connection->side);
	entry->time = query->sent_ns;
	entry->serial = (uint32_t)query->serial;
	entry->block = connection->block;
	entry->tag = tag;
	if (connection->side == MATCH_MIRROR)
		reply_set(entry, REPLY_MIRROR);
	append_unanswered(halves, connection, index);
	return index;
}

void halves_wait(struct halves *halves, uint32_t index, uint64_t key)
{
	struct entry *entry = halves_at(halves, index);
	enum match_side side = halves_side(entry);

	pending_add(&halves->pending, index, place_of(key, side));
	pending_age_add(&halves->pending, &halves->waiting[side], index);
	reply_set(entry, REPLY_WAITING);
}

uint32_t halves_find(const struct halves *halves, enum match_side side, uint64_t key)
{
	return pending_find(&halves->pending, place_of(key, side));
}

void halves_stop_waiting(struct halves *halves, uint32_t index)
{
	struct entry *entry = halves_at(halves, index);

	pending_remove(&halves->pending, index);
	pending_age_remove(&halves->pending, &halves->waiting[halves_side(entry)], index);
	reply_clear(entry, REPLY_WAITING);
}

void halves_drop(struct halves *halves, uint32_t index)
{
	struct entry *entry = halves_at(halves, index);

	if (reply_has(entry, REPLY_DONE))
		pending_give(&halves->pending, index);
	else
		entry->same_next = 0;
}

void halves_hold(struct halves *halves, uint32_t index)
{
	halves_at(halves, index)->same_next = HELD;
}

static void finish(struct halves *halves, uint32_t mirror)
{
	struct entry *second = halves_at(halves, mirror);
	uint32_t primary = second->same_next;
	struct entry *first = halves_at(halves, primary);
	struct match_pair pair = {.key = halves_key(second), .certain = second->chain};

	reply_read(first, &pair.primary);
	reply_read(second, &pair.mirror);
	pair.lag_ns = second->time > first->time ? second->time - first->time : 0;
	halves->unanswered += !pair.primary.answered || !pair.mirror.answered;
	pending_age_remove(&halves->pending, &halves->pairs, mirror);
	reply_clear(first, REPLY_PAIRED);
	reply_clear(second, REPLY_PAIRED);
	second->same_next = 0;
	second->chain = 0;
	halves_drop(halves, mirror);
	halves_drop(halves, primary);
	if (halves->finished)
		halves->finished(halves->ctx, &pair);
}

static void finish_if_answered(struct halves *halves, uint32_t index)
{
	const struct entry *entry = halves_at(halves, index);
	uint32_t twin = entry->same_next;

	if (reply_has(entry, REPLY_DONE) && reply_has(halves_at(halves, twin), REPLY_DONE))
		finish(halves, halves_side(entry) == MATCH_MIRROR ? index : twin);
}

void halves_join(struct halves *halves, uint32_t primary, uint32_t mirror, uint64_t key, bool certain)
{
	struct entry *first = halves_at(halves, primary), *second = halves_at(halves, mirror);

	first->same_next = mirror;
	second->same_next = primary;
	second->key = place_of(key, MATCH_MIRROR);
	second->chain = certain;
	reply_set(first, REPLY_PAIRED);
	reply_set(second, REPLY_PAIRED);
	pending_age_add(&halves->pending, &halves->pairs, mirror);
	finish_if_answered(halves, mirror);
}

static uint32_t pop_unanswered(struct halves *halves, struct match_connection *connection)
{
	uint32_t index = connection->unanswered_first;
	struct entry *entry = halves_at(halves, index);

	connection->unanswered_first = entry->rows;
	if (!connection->unanswered_first)
		connection->unanswered_last = 0;
	entry->rows = 0;
	return index;
}

/* The connection names it no more. */
static void settle(struct halves *halves, uint32_t index)
{
	struct entry *entry = halves_at(halves, index);

	reply_set(entry, REPLY_DONE);
	if (reply_has(entry, REPLY_PAIRED))
		finish_if_answered(halves, index);
	else if (!reply_has(entry, REPLY_WAITING) && entry->same_next != HELD)
		pending_give(&halves->pending, index);
}

void halves_answered(struct halves *halves, struct match_connection *connection,
		     const struct session_query *query, uint32_t result)
{
	while (connection->unanswered_first) {
		uint32_t index = connection->unanswered_first;
		int32_t ahead = (int32_t)(halves_at(halves, index)->serial - (uint32_t)query->serial);

		if (ahead > 0)
			return;
		pop_unanswered(halves, connection);
		if (ahead == 0)
			reply_write(halves_at(halves, index), query, result);
		settle(halves, index);
	}
}

void halves_close(struct halves *halves, struct match_connection *connection)
{
	while (connection->unanswered_first)
		settle(halves, pop_unanswered(halves, connection));
}

bool halves_give_up_oldest(struct halves *halves, uint64_t before)
{
	uint32_t mirror = halves->pairs.oldest;

	if (!mirror || halves_at(halves, mirror)->time >= before)
		return false;
	finish(halves, mirror);
	return true;
}
