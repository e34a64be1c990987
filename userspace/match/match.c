/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "match/arrivals.h"
#include "match/candidates.h"
#include "match/depth_bound.h"
#include "match/depth_count.h"
#include "match/depth_survival.h"
#include "match/entries.h"
#include "match/estimates.h"
#include "match/fanout.h"
#include "match/lag_distribution.h"
#include "match/match_internal.h"
#include "match/paired_keys.h"
#include "match/repeated_keys.h"

#define HORIZON_NS        30000000000ull
#define ANSWER_TIMEOUT_NS 120000000000ull
#define EARLY_NS          250000000ull /* how long a mirror statement may be ahead of its twin */
#define WINDOW_NS         3600000000000ull
#define ROOM_FOR_ONE      4  /* entries given up at most for one that comes */
#define STEPS             64 /* of one walk over the statements of a key */

/* ------------------------------------------------------------------------------------------ life */

int match_new(struct match **out, const struct match_options *options, const struct match_sink *sink)
{
	struct match *match = calloc(1, sizeof(*match));
	int err;

	if (!match)
		return -ENOMEM;
	match->options = *options;
	match->sink = *sink;
	if (!match->options.max_entries)
		match->options.max_entries = MATCH_DEFAULT_ENTRIES;
	if (!match->options.horizon_ns)
		match->options.horizon_ns = HORIZON_NS;
	if (!match->options.answer_timeout_ns)
		match->options.answer_timeout_ns = ANSWER_TIMEOUT_NS;
	if (!match->options.window_ns)
		match->options.window_ns = WINDOW_NS;
	arrivals_init(&match->arrivals, match->options.window_ns, 0);
	err = entries_init(&match->entries, match->options.max_entries);
	if (!err)
		err = repeated_keys_new(&match->repeated);
	if (!err)
		err = paired_keys_new(&match->paired);
	if (!err)
		err = estimates_init(&match->estimates, &match->entries, 4 * match->options.horizon_ns,
				     options->queue_limit);
	match->estimates.lag_per_pair.emit = sink->lag;
	match->estimates.lag_per_pair.ctx = sink->ctx;
	match->entries.ctx = sink->ctx;
	match->entries.finished = sink->pair;
	*out = match;
	if (err)
		match_free(out);
	return err;
}

void match_free(struct match **match)
{
	if (!*match)
		return;
	entries_done(&(*match)->entries);
	repeated_keys_free(&(*match)->repeated);
	paired_keys_free(&(*match)->paired);
	estimates_done(&(*match)->estimates);
	free(*match);
	*match = NULL;
}

void match_open(struct match *match, struct match_connection *connection, enum match_side side,
		uint8_t endpoint)
{
	(void)match;
	memset(connection, 0, sizeof(*connection));
	connection->side = side;
	connection->endpoint = endpoint % MATCH_ENDPOINTS;
}

/* ------------------------------------------------------------------------------------------ waiting */

static struct entry *at(const struct match *match, uint32_t index)
{
	return entries_at(&match->entries, index);
}

/* The next older one of the same key, else the next younger one, else 0. */
static uint32_t neighbour(const struct match *match, uint32_t index)
{
	const struct entry *entry = at(match, index);

	if (entry->same.older == index)
		return 0;
	return at(match, entry->same.older)->time <= entry->time ? entry->same.older : entry->same.younger;
}

static void stop_waiting(struct match *match, uint32_t index, enum arrivals_fate fate)
{
	const struct entry *entry = at(match, index);
	struct repeated_key *hot;

	if (entries_side(entry) == MATCH_PRIMARY) {
		hot = repeated_keys_find(match->repeated, entry->key);
		if (hot && hot->cursor == index)
			hot->cursor = neighbour(match, index);
		estimates_left(&match->estimates, entry->time, fate == ARRIVALS_ARRIVED);
		arrivals_decided(&match->arrivals, entry->time, fate);
	}
	entries_stop_waiting(&match->entries, index);
}

static void unmatched(struct match *match, uint32_t index, enum match_reason reason)
{
	match->counters.unmatched[entries_side(at(match, index))][reason]++;
	entries_drop(&match->entries, index);
}

static void leave(struct match *match, uint32_t index, enum match_reason reason)
{
	stop_waiting(match, index, reason == MATCH_NOT_MIRRORED ? ARRIVALS_LOST : ARRIVALS_EVICTED);
	unmatched(match, index, reason);
}

/* Room for one more: the oldest that waits, else the oldest pair, has to go. */
static void make_room(struct match *match)
{
	uint32_t oldest = match->entries.waiting[MATCH_PRIMARY].oldest;

	if (oldest)
		leave(match, oldest,
		      estimates_decided(&match->estimates, at(match, oldest)->time) ? MATCH_NOT_MIRRORED
										    : MATCH_EVICTED);
	else
		entries_give_up_oldest(&match->entries, UINT64_MAX);
}

static uint32_t enter(struct match *match, struct match_connection *connection,
		      const struct session_query *query, uint32_t tag)
{
	uint32_t index = entries_enter(&match->entries, connection, query, tag);

	for (unsigned n = 0; !index && n < ROOM_FOR_ONE;
	     n++) { /* a lower bound is come down to step by step */
		make_room(match);
		index = entries_enter(&match->entries, connection, query, tag);
	}
	if (!index)
		match->counters.unmatched[connection->side][MATCH_EVICTED]++;
	return index;
}

static void join(struct match *match, uint32_t primary, uint32_t mirror, uint64_t key, bool certain)
{
	uint64_t sent = at(match, primary)->time, arrived = at(match, mirror)->time;

	match->counters.ambiguous += !certain;
	match->counters.clamped += arrived < sent;
	match->counters.early += certain && arrived + MATCH_EARLY_NS < sent;
	match->counters.guessed += estimates_pair(&match->estimates, sent, arrived, certain);
	paired_keys_note(match->paired, key, arrived);
	entries_join(&match->entries, primary, mirror, key, certain);
}

/* ------------------------------------------------------------------------------------------ primary */

/* A key that is sent again while it still waits is one that repeats; from now on its times are noted. */
static void note_repeated(struct match *match, uint64_t key, uint64_t now)
{
	uint32_t oldest = entries_find(&match->entries, MATCH_PRIMARY, key), index = oldest;
	struct repeated_key *hot = repeated_keys_find(match->repeated, key);

	if (!hot && oldest) {
		hot = repeated_keys_add(match->repeated, key, at(match, oldest)->time - 1,
					&match->counters.repeated_evicted);
		for (unsigned n = 0; n < STEPS && (n == 0 || index != oldest); n++) {
			repeated_key_sent(hot, at(match, index)->time);
			index = at(match, index)->same.younger;
		}
	}
	if (hot)
		repeated_key_sent(hot, now);
}

static void sent_to_primary(struct match *match, struct match_connection *connection,
			    const struct session_query *query, uint32_t tag)
{
	uint64_t key = query->key[0];
	uint32_t index = enter(match, connection, query, tag), early;

	if (!index)
		return;
	note_repeated(match, key, query->sent_ns);
	estimates_sent(&match->estimates, query->sent_ns, connection->entered_block != connection->block);
	arrivals_sent(&match->arrivals, query->sent_ns);
	connection->entered_block = connection->block;
	early = entries_find(&match->entries, MATCH_MIRROR, key);
	if (early) {
		stop_waiting(match, early, ARRIVALS_ARRIVED);
		estimates_left(&match->estimates, query->sent_ns, true);
		arrivals_decided(&match->arrivals, query->sent_ns, ARRIVALS_ARRIVED);
		join(match, index, early, key, true);
	} else {
		entries_wait(&match->entries, index, key);
	}
}

/* ------------------------------------------------------------------------------------------ mirror */

static void pair_up(struct match *match, struct match_connection *connection, uint32_t primary,
		    uint32_t mirror, uint64_t key, bool certain)
{
	if (!connection->twin_known) {
		connection->twin_block = at(match, primary)->block;
		connection->twin_time = at(match, primary)->time;
		connection->twin_known = certain;
	}
	stop_waiting(match, primary, ARRIVALS_ARRIVED);
	join(match, primary, mirror, key, certain);
}

/* A mirror statement of several candidates, none of which stands out. */
static void guess(struct match *match, struct match_connection *connection, uint32_t mirror, uint64_t key)
{
	uint64_t now = at(match, mirror)->time, lag;
	uint32_t oldest = entries_find(&match->entries, MATCH_PRIMARY, key), primary;
	struct repeated_key *hot = repeated_keys_find(match->repeated, key);

	if (!oldest) { /* others have taken them all meanwhile */
		unmatched(match, mirror, MATCH_NO_PRIMARY);
		return;
	}
	if (hot)
		estimates_observe(&match->estimates, match->repeated, hot, now);
	lag = estimates_likely_lag(&match->estimates, now);
	primary = candidates_of_block(&match->entries, connection, oldest, hot);
	if (!primary)
		primary = candidates_in_context(
		    &match->entries,
		    candidates_nearest(&match->entries, oldest, hot, now > lag ? now - lag : 0),
		    entries_context(at(match, mirror)));
	pair_up(match, connection, primary, mirror, key, false);
}

/*
 * The statements of this mirror transaction that were put off: now a neighbour has told which transaction of
 * the primary this is a copy of, or none will.
 */
static void resolve(struct match *match, struct match_connection *connection)
{
	uint8_t count = connection->deferred_count;

	connection->deferred_count = 0;
	match->deferred -= count;
	for (uint8_t i = 0; i < count; i++) {
		uint32_t mirror = connection->deferred[i], primary = 0, oldest;
		uint64_t key = entries_key(at(match, mirror));

		oldest = entries_find(&match->entries, MATCH_PRIMARY, key);
		if (connection->twin_known && oldest)
			primary = candidates_of_block(&match->entries, connection, oldest,
						      repeated_keys_find(match->repeated, key));
		if (primary)
			pair_up(match, connection, primary, mirror, key, true);
		else
			guess(match, connection, mirror, key);
	}
}

static void defer(struct match *match, struct match_connection *connection, uint32_t mirror)
{
	entries_hold(&match->entries, mirror);
	connection->deferred[connection->deferred_count++] = mirror;
	match->deferred++;
	if (connection->deferred_count == MATCH_DEFERRED)
		resolve(match, connection);
}

/* Whether this is a statement that was not seen yet, not a further copy of one that went to another server.
 */
static bool fresh_copy(struct match *match, const struct match_connection *connection,
		       struct repeated_key *hot, uint64_t key, uint64_t now, uint32_t oldest)
{
	bool copy;

	if (hot)
		return fanout_fresh(&match->fanout, hot, connection->endpoint);
	copy = !oldest && fanout_usual(&match->fanout) &&
	       paired_keys_seen(match->paired, key, now, match->options.horizon_ns);
	fanout_note(&match->fanout, copy);
	return !copy;
}

static void sent_to_mirror(struct match *match, struct match_connection *connection,
			   const struct session_query *query, uint32_t tag)
{
	uint64_t key = query->key[0];
	uint32_t index = enter(match, connection, query, tag), oldest, primary;
	struct repeated_key *hot = repeated_keys_find(match->repeated, key);

	if (!index)
		return;
	oldest = entries_find(&match->entries, MATCH_PRIMARY, key);
	if (!fresh_copy(match, connection, hot, key, query->sent_ns, oldest)) {
		unmatched(match, index, MATCH_FANOUT);
		return;
	}
	if (!oldest) {
		entries_wait(&match->entries, index, key);
		return;
	}
	primary = connection->twin_known ? candidates_of_block(&match->entries, connection, oldest, hot) : 0;
	if (!primary && !hot && at(match, oldest)->same.younger == oldest)
		primary = oldest;
	if (primary) {
		pair_up(match, connection, primary, index, key, true);
		resolve(match, connection);
	} else if (query->in_block) {
		defer(match, connection, index);
	} else {
		guess(match, connection, index, key);
	}
}

static void enter_block(struct match *match, struct match_connection *connection,
			const struct session_query *query)
{
	if (query->in_block && connection->block)
		return;
	resolve(match, connection);
	if (++match->blocks == 0)
		match->blocks = 1;
	connection->block = match->blocks;
	connection->twin_block = 0;
	connection->twin_known = false;
}

void match_sent(struct match *match, struct match_connection *connection, const struct session_query *query,
		uint32_t tag)
{
	enter_block(match, connection, query);
	if (query->control || query->ignored)
		return;
	if (!query->keyed)
		match->counters.unmatched[connection->side][MATCH_UNKEYED]++;
	else if (connection->side == MATCH_PRIMARY)
		sent_to_primary(match, connection, query, tag);
	else
		sent_to_mirror(match, connection, query, tag);
}

static void note_delay(struct match *match, const struct match_connection *connection,
		       const struct session_query *query)
{
	const struct entry *entry =
	    connection->unanswered_first ? at(match, connection->unanswered_first) : NULL;
	uint64_t sent;

	if (!entry || connection->side != MATCH_MIRROR || entry->serial != (uint32_t)query->serial ||
	    entry->state != ENTRY_PAIRED || !entry->pair.certain || query->outcome == OUTCOME_UNKNOWN)
		return;
	sent = at(match, entry->pair.twin)->time;
	if (match->sink.delay && query->done_ns > sent)
		match->sink.delay(match->sink.ctx, query->done_ns - sent);
}

void match_answered(struct match *match, struct match_connection *connection,
		    const struct session_query *query, uint32_t result)
{
	note_delay(match, connection, query);
	entries_answered(&match->entries, connection, query, result);
}

uint64_t match_waits_since(const struct match *match, const struct match_connection *connection)
{
	return connection->unanswered_first ? at(match, connection->unanswered_first)->time : 0;
}

void match_close(struct match *match, struct match_connection *connection)
{
	resolve(match, connection);
	entries_close(&match->entries, connection);
}

/* ------------------------------------------------------------------------------------------ time */

static void expire_primary(struct match *match, uint64_t now)
{
	uint32_t index;

	while ((index = match->entries.waiting[MATCH_PRIMARY].oldest)) {
		if (!estimates_past(&match->estimates, at(match, index)->time, now,
				    match->options.horizon_ns))
			return;
		leave(match, index, MATCH_NOT_MIRRORED);
	}
}

static void expire_mirror(struct match *match, uint64_t now)
{
	uint32_t index;

	while ((index = match->entries.waiting[MATCH_MIRROR].oldest)) {
		const struct entry *entry = at(match, index);
		bool copy;

		if (entry->time + EARLY_NS > now)
			return;
		copy = paired_keys_seen(match->paired, entries_key(entry), entry->time,
					match->options.horizon_ns);
		fanout_note(&match->fanout, copy);
		leave(match, index, copy ? MATCH_FANOUT : MATCH_NO_PRIMARY);
	}
}

void match_tick(struct match *match, uint64_t now)
{
	uint64_t timeout = match->options.answer_timeout_ns;

	estimates_tick(&match->estimates, now, match->deferred);
	expire_primary(match, now);
	expire_mirror(match, now);
	while (now > timeout && entries_give_up_oldest(&match->entries, now - timeout))
		;
}

void match_set_max(struct match *match, uint32_t max_entries)
{
	match->options.max_entries = max_entries;
	pending_set_max(&match->entries.pending, max_entries);
}

void match_set_window(struct match *match, uint64_t window_ns, uint64_t now)
{
	if (window_ns == match->options.window_ns)
		return;
	match->options.window_ns = window_ns;
	arrivals_init(&match->arrivals, window_ns, now);
}

void match_reset(struct match *match, uint64_t now)
{
	arrivals_init(&match->arrivals, match->options.window_ns, now);
	estimates_reset(&match->estimates);
}

void match_set_clients(struct match *match, uint32_t clients)
{
	depth_bound_set_clients(&match->estimates.bound, clients);
}

void match_set_queue_limit(struct match *match, uint32_t queue_limit)
{
	depth_bound_set_queue_limit(&match->estimates.bound, queue_limit);
}
