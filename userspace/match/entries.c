/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "match/entries.h"
#include "match/packed_answer.h"

/* Mirror statements wait under the complement, apart from the primary's. */
static uint64_t place_of(uint64_t key, enum match_side side)
{
	return side == MATCH_PRIMARY ? key : ~key;
}

uint32_t entries_context(const struct entry *entry)
{
	return entry->done ? entry->context : entry->sent_context;
}

enum match_side entries_side(const struct entry *entry)
{
	return entry->mirror ? MATCH_MIRROR : MATCH_PRIMARY;
}

uint64_t entries_key(const struct entry *entry)
{
	return place_of(entry->key, entries_side(entry));
}

int entries_init(struct entries *entries, uint32_t max)
{
	memset(entries, 0, sizeof(*entries));
	return pending_init(&entries->pending, max);
}

void entries_done(struct entries *entries)
{
	pending_done(&entries->pending);
}

static void append_unanswered(struct entries *entries, struct match_connection *connection, uint32_t index)
{
	if (connection->unanswered_last)
		entries_at(entries, connection->unanswered_last)->next_unanswered = index;
	else
		connection->unanswered_first = index;
	connection->unanswered_last = index;
}

uint32_t entries_enter(struct entries *entries, struct match_connection *connection,
		       const struct session_query *query, uint32_t tag)
{
	uint32_t index = pending_take(&entries->pending);
	struct entry *entry;

	if (!index)
		return 0;
	entry = entries_at(entries, index);
	entry->key = place_of(query->key[0], connection->side);
	entry->time = query->sent_ns;
	entry->serial = (uint32_t)query->serial;
	entry->block = connection->block;
	entry->tag = tag;
	entry->sent_context = connection->context;
	entry->mirror = connection->side == MATCH_MIRROR;
	append_unanswered(entries, connection, index);
	return index;
}

void entries_wait(struct entries *entries, uint32_t index, uint64_t key)
{
	struct entry *entry = entries_at(entries, index);
	enum match_side side = entries_side(entry);

	pending_add(&entries->pending, index, place_of(key, side));
	pending_age_add(&entries->pending, &entries->waiting[side], index);
	entry->state = ENTRY_WAITING;
}

uint32_t entries_find(const struct entries *entries, enum match_side side, uint64_t key)
{
	return pending_find(&entries->pending, place_of(key, side));
}

void entries_stop_waiting(struct entries *entries, uint32_t index)
{
	struct entry *entry = entries_at(entries, index);

	pending_remove(&entries->pending, index);
	pending_age_remove(&entries->pending, &entries->waiting[entries_side(entry)], index);
	entry->state = ENTRY_LOOSE;
}

void entries_drop(struct entries *entries, uint32_t index)
{
	struct entry *entry = entries_at(entries, index);

	entry->state = ENTRY_LOOSE;
	if (entry->done)
		pending_give(&entries->pending, index);
}

void entries_hold(struct entries *entries, uint32_t index)
{
	entries_at(entries, index)->state = ENTRY_HELD;
}

static void finish(struct entries *entries, uint32_t mirror)
{
	struct entry *second = entries_at(entries, mirror);
	uint32_t primary = second->pair.twin;
	struct entry *first = entries_at(entries, primary);
	struct match_pair pair = {.key = entries_key(second), .certain = second->pair.certain};

	packed_answer_read(first, &pair.primary);
	packed_answer_read(second, &pair.mirror);
	pair.lag_ns = second->time > first->time ? second->time - first->time : 0;
	entries->unanswered += !pair.primary.answered || !pair.mirror.answered;
	pending_age_remove(&entries->pending, &entries->pairs, mirror);
	entries_drop(entries, mirror);
	entries_drop(entries, primary);
	if (entries->finished)
		entries->finished(entries->ctx, &pair);
}

static void finish_if_answered(struct entries *entries, uint32_t index)
{
	const struct entry *entry = entries_at(entries, index);
	uint32_t twin = entry->pair.twin;

	if (entry->done && entries_at(entries, twin)->done)
		finish(entries, entries_side(entry) == MATCH_MIRROR ? index : twin);
}

void entries_join(struct entries *entries, uint32_t primary, uint32_t mirror, uint64_t key, bool certain)
{
	struct entry *first = entries_at(entries, primary), *second = entries_at(entries, mirror);

	second->key = place_of(key, MATCH_MIRROR);
	first->state = second->state = ENTRY_PAIRED;
	first->pair.twin = mirror;
	second->pair.twin = primary;
	second->pair.certain = certain;
	pending_age_add(&entries->pending, &entries->pairs, mirror);
	finish_if_answered(entries, mirror);
}

static uint32_t pop_unanswered(struct entries *entries, struct match_connection *connection)
{
	uint32_t index = connection->unanswered_first;
	struct entry *entry = entries_at(entries, index);

	connection->unanswered_first = entry->next_unanswered;
	if (!connection->unanswered_first)
		connection->unanswered_last = 0;
	entry->next_unanswered = 0;
	entry->context = entry->sent_context;
	entry->result = 0;
	return index;
}

/* The connection names it no more. */
static void settle(struct entries *entries, uint32_t index)
{
	struct entry *entry = entries_at(entries, index);

	entry->done = true;
	if (entry->state == ENTRY_PAIRED)
		finish_if_answered(entries, index);
	else if (entry->state == ENTRY_LOOSE)
		pending_give(&entries->pending, index);
}

void entries_answered(struct entries *entries, struct match_connection *connection,
		      const struct session_query *query, uint32_t result)
{
	while (connection->unanswered_first) {
		uint32_t index = connection->unanswered_first;
		int32_t ahead = (int32_t)(entries_at(entries, index)->serial - (uint32_t)query->serial);

		if (ahead > 0)
			return;
		pop_unanswered(entries, connection);
		if (ahead == 0)
			packed_answer_write(entries_at(entries, index), query, result);
		settle(entries, index);
	}
}

void entries_close(struct entries *entries, struct match_connection *connection)
{
	while (connection->unanswered_first)
		settle(entries, pop_unanswered(entries, connection));
}

bool entries_give_up_oldest(struct entries *entries, uint64_t before)
{
	uint32_t mirror = entries->pairs.oldest;

	if (!mirror || entries_at(entries, mirror)->time >= before)
		return false;
	finish(entries, mirror);
	return true;
}
