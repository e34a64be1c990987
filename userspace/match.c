/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "depth.h"
#include "hotkeys.h"
#include "lagdist.h"
#include "match.h"
#include "matchclock.h"
#include "pending.h"
#include "recent.h"
#include "reply.h"

#define HORIZON_NS        30000000000ull
#define ANSWER_TIMEOUT_NS 120000000000ull
#define EARLY_NS          250000000ull /* how long a mirror statement may be ahead of its twin */
#define STEPS             64           /* of one search among the candidates of a key */
#define OBSERVE_PERIOD_NS 100000000ull
#define OBSERVE_MAX       60
#define FANOUT_MIN        0.2

struct match {
	struct match_options options;
	struct match_sink sink;
	struct match_counters counters;
	struct pending pending;
	struct age_list waiting[MATCH_SIDES]; /* for a twin, by time sent */
	struct age_list pairs;                /* mirror halves, for answers */
	struct hotkeys *hot;
	struct lagdist *dist;
	struct depth *depth;
	struct recent *recent;
	struct matchclock clock;
	uint32_t blocks, clients;
	double fanout;       /* share of further copies among the mirror's statements of unrepeated keys */
	double observe_rate; /* keys that repeat faster (per second) are not worth observing */
	uint64_t observe_since;
	uint32_t observed;
};

/* ------------------------------------------------------------------------------------------ life */

int match_new(struct match **out, const struct match_options *options, const struct match_sink *sink)
{
	struct match *match = calloc(1, sizeof(*match));
	int err;

	if (!match)
		return -ENOMEM;
	match->options = *options;
	match->sink = *sink;
	match->observe_rate = 10;
	if (!match->options.max_entries)
		match->options.max_entries = MATCH_DEFAULT_ENTRIES;
	if (!match->options.horizon_ns)
		match->options.horizon_ns = HORIZON_NS;
	if (!match->options.answer_timeout_ns)
		match->options.answer_timeout_ns = ANSWER_TIMEOUT_NS;
	err = pending_init(&match->pending, match->options.max_entries);
	if (!err)
		err = hotkeys_new(&match->hot);
	if (!err)
		err = lagdist_new(&match->dist);
	if (!err)
		err = recent_new(&match->recent);
	if (!err)
		err = depth_new(&match->depth, 4 * match->options.horizon_ns);
	*out = match;
	if (err)
		match_free(out);
	return err;
}

void match_free(struct match **match)
{
	if (!*match)
		return;
	pending_done(&(*match)->pending);
	hotkeys_free(&(*match)->hot);
	lagdist_free(&(*match)->dist);
	recent_free(&(*match)->recent);
	depth_free(&(*match)->depth);
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

/* ------------------------------------------------------------------------------------------ entries */

/* Mirror statements wait under the complement, apart from the primary's. */
static uint64_t key_of(uint64_t key, enum match_side side)
{
	return side == MATCH_PRIMARY ? key : ~key;
}

static enum match_side side_of(const struct entry *entry)
{
	return reply_has(entry, REPLY_MIRROR) ? MATCH_MIRROR : MATCH_PRIMARY;
}

/* The next older one of the same key, else the next younger one, else 0. */
static uint32_t neighbour(const struct match *match, uint32_t index)
{
	const struct entry *entry = pending_at(&match->pending, index);

	if (entry->same_prev == index)
		return 0;
	if (pending_at(&match->pending, entry->same_prev)->time <= entry->time)
		return entry->same_prev;
	return entry->same_next;
}

/* Out of the table of those that wait for a twin. */
static void stop_waiting(struct match *match, uint32_t index, bool arrived)
{
	struct entry *entry = pending_at(&match->pending, index);
	enum match_side side = side_of(entry);

	if (side == MATCH_PRIMARY) {
		struct hotkey *hot = hotkeys_find(match->hot, entry->key);

		if (hot && hot->cursor == index)
			hot->cursor = neighbour(match, index);
		depth_left(match->depth, entry->time, arrived);
	}
	pending_remove(&match->pending, index);
	pending_age_remove(&match->pending, &match->waiting[side], index);
	reply_clear(entry, REPLY_WAITING);
}

/* An entry whose answer is still to come is named by its connection: it stays until then. */
static void let_go(struct match *match, uint32_t index)
{
	if (reply_has(pending_at(&match->pending, index), REPLY_DONE))
		pending_give(&match->pending, index);
}

static void leave(struct match *match, uint32_t index, enum match_reason reason)
{
	enum match_side side = side_of(pending_at(&match->pending, index));

	match->counters.unmatched[side][reason]++;
	stop_waiting(match, index, false);
	let_go(match, index);
}

static bool decided(const struct match *match, const struct entry *entry)
{
	uint64_t longest = lagdist_longest(match->dist);

	return match->clock.last > entry->time + 2 * longest && match->clock.last;
}

static void finish_pair(struct match *match, uint32_t mirror);

/* Room for one more: the oldest that waits, else the oldest pair, has to go. */
static uint32_t make_room(struct match *match)
{
	uint32_t oldest = match->waiting[MATCH_PRIMARY].oldest;

	if (oldest) {
		bool known = decided(match, pending_at(&match->pending, oldest));

		leave(match, oldest, known ? MATCH_NOT_MIRRORED : MATCH_EVICTED);
	} else if (match->pairs.oldest) {
		finish_pair(match, match->pairs.oldest);
	}
	return pending_take(&match->pending);
}

static void append_unanswered(struct match *match, struct match_connection *connection, uint32_t index)
{
	if (connection->unanswered_last)
		pending_at(&match->pending, connection->unanswered_last)->rows = index;
	else
		connection->unanswered_first = index;
	connection->unanswered_last = index;
}

static uint32_t enter(struct match *match, struct match_connection *connection,
		      const struct session_query *query, uint32_t tag)
{
	uint32_t index = pending_take(&match->pending);
	struct entry *entry;

	if (!index)
		index = make_room(match);
	if (!index) {
		match->counters.unmatched[connection->side][MATCH_EVICTED]++;
		return 0;
	}
	entry = pending_at(&match->pending, index);
	entry->time = query->sent_ns;
	entry->serial = (uint32_t)query->serial;
	entry->block = connection->block;
	entry->tag = tag;
	if (connection->side == MATCH_MIRROR)
		reply_set(entry, REPLY_MIRROR);
	append_unanswered(match, connection, index);
	return index;
}

static void wait_for_twin(struct match *match, uint32_t index, uint64_t key)
{
	struct entry *entry = pending_at(&match->pending, index);
	enum match_side side = side_of(entry);

	pending_add(&match->pending, index, key_of(key, side));
	pending_age_add(&match->pending, &match->waiting[side], index);
	reply_set(entry, REPLY_WAITING);
}

/* ------------------------------------------------------------------------------------------ pairs */

static void finish_pair(struct match *match, uint32_t mirror)
{
	struct entry *second = pending_at(&match->pending, mirror);
	uint32_t primary = second->same_next;
	struct entry *first = pending_at(&match->pending, primary);
	struct match_pair pair = {.key = ~second->key, .certain = second->chain};

	reply_read(first, &pair.primary);
	reply_read(second, &pair.mirror);
	pair.lag_ns = second->time > first->time ? second->time - first->time : 0;
	match->counters.unanswered += !pair.primary.answered || !pair.mirror.answered;
	pending_age_remove(&match->pending, &match->pairs, mirror);
	reply_clear(first, REPLY_PAIRED);
	reply_clear(second, REPLY_PAIRED);
	let_go(match, mirror);
	let_go(match, primary);
	if (match->sink.pair)
		match->sink.pair(match->sink.ctx, &pair);
}

static void finish_if_answered(struct match *match, uint32_t index)
{
	const struct entry *entry = pending_at(&match->pending, index);
	uint32_t twin = entry->same_next;

	if (reply_has(entry, REPLY_DONE) && reply_has(pending_at(&match->pending, twin), REPLY_DONE))
		finish_pair(match, side_of(entry) == MATCH_MIRROR ? index : twin);
}

/* Neither waits for a twin any more. */
static void join(struct match *match, uint32_t primary, uint32_t mirror, uint64_t key, bool certain)
{
	struct entry *first = pending_at(&match->pending, primary);
	struct entry *second = pending_at(&match->pending, mirror);

	match->counters.matched++;
	match->counters.ambiguous += !certain;
	match->counters.clamped += second->time < first->time;
	recent_note(match->recent, key, second->time);
	matchclock_match(&match->clock, second->time);
	first->same_next = mirror;
	second->same_next = primary;
	second->key = ~key;
	second->chain = certain;
	reply_set(first, REPLY_PAIRED);
	reply_set(second, REPLY_PAIRED);
	pending_age_add(&match->pending, &match->pairs, mirror);
	finish_if_answered(match, mirror);
}

static void sample_lag(struct match *match, uint64_t lag)
{
	if (match->sink.lag)
		match->sink.lag(match->sink.ctx, lag);
}

/* ------------------------------------------------------------------------------------------ primary */

/* A key that is sent again while it still waits is one that repeats; from now on its times are noted. */
static void note_repeated(struct match *match, uint32_t oldest, const struct session_query *query)
{
	uint64_t key = query->key[0];
	struct hotkey *hot = hotkeys_find(match->hot, key);
	uint32_t index = oldest;

	if (!hot && oldest) {
		hot = hotkeys_add(match->hot, key, pending_at(&match->pending, oldest)->time - 1,
				  &match->counters.hotkeys_evicted);
		for (unsigned n = 0; n < STEPS; n++) {
			hotkey_sent(hot, pending_at(&match->pending, index)->time);
			index = pending_at(&match->pending, index)->same_next;
			if (index == oldest)
				break;
		}
	}
	if (hot)
		hotkey_sent(hot, query->sent_ns);
}

static void sent_to_primary(struct match *match, struct match_connection *connection,
			    const struct session_query *query, uint32_t tag)
{
	uint64_t key = query->key[0];
	uint32_t early = pending_find(&match->pending, key_of(key, MATCH_MIRROR));
	uint32_t index = enter(match, connection, query, tag);

	if (!index)
		return;
	note_repeated(match, pending_find(&match->pending, key), query);
	depth_sent(match->depth, query->sent_ns);
	if (early) {
		uint64_t ahead = pending_at(&match->pending, early)->time;
		uint64_t lag = ahead > query->sent_ns ? ahead - query->sent_ns : 0;

		stop_waiting(match, early, true);
		depth_left(match->depth, query->sent_ns, true);
		lagdist_certain(match->dist, query->sent_ns, lag);
		sample_lag(match, lag);
		join(match, index, early, key, true);
		return;
	}
	wait_for_twin(match, index, key);
}

/* ------------------------------------------------------------------------------------------ mirror */

static uint64_t distance(const struct match *match, uint32_t index, uint64_t target)
{
	uint64_t time = pending_at(&match->pending, index)->time;

	return time > target ? time - target : target - time;
}

/* The candidate sent nearest to `target`, from where the last search of this key ended. */
static uint32_t nearest(struct match *match, uint32_t oldest, struct hotkey *hot, uint64_t target)
{
	uint32_t best = pending_at(&match->pending, oldest)->same_prev, next; /* the youngest */

	if (distance(match, oldest, target) < distance(match, best, target))
		best = oldest;
	if (hot && hot->cursor && distance(match, hot->cursor, target) < distance(match, best, target))
		best = hot->cursor;
	for (unsigned n = 0; n < STEPS; n++) {
		next = pending_at(&match->pending, best)->same_next;
		if (next == oldest || distance(match, next, target) > distance(match, best, target))
			break;
		best = next;
	}
	for (unsigned n = 0; n < STEPS && best != oldest; n++) {
		next = pending_at(&match->pending, best)->same_prev;
		if (distance(match, next, target) >= distance(match, best, target))
			break;
		best = next;
	}
	if (hot)
		hot->cursor = best;
	return best;
}

/* The candidate of a given transaction of the primary, or 0. */
static uint32_t of_block(struct match *match, uint32_t oldest, uint32_t block)
{
	uint32_t index = oldest;

	for (unsigned n = 0; block && n < STEPS; n++) {
		if (pending_at(&match->pending, index)->block == block)
			return index;
		index = pending_at(&match->pending, index)->same_prev; /* from the youngest on */
		if (index == oldest)
			break;
	}
	return 0;
}

/* Keys that repeat too fast tell little at a high price; the limit follows what comes. */
static bool worth_observing(struct match *match, const struct hotkey *hot, uint64_t now)
{
	if (now - match->observe_since >= OBSERVE_PERIOD_NS) {
		match->observe_rate *= match->observed >= OBSERVE_MAX ? 0.8 : 1.25;
		match->observe_rate = fmin(fmax(match->observe_rate, 0.01), 1e5);
		match->observe_since = now;
		match->observed = 0;
	}
	if (match->observed >= OBSERVE_MAX || hotkey_rate(hot, now) > match->observe_rate)
		return false;
	match->observed++;
	return true;
}

static void observe(struct match *match, struct hotkey *hot, uint64_t now)
{
	if (hot && lagdist_wants_ambiguous(match->dist, now) && worth_observing(match, hot, now))
		hotkey_observe(hot, now, lagdist_ambiguous(match->dist, now));
}

static uint32_t choose(struct match *match, struct match_connection *connection, uint32_t oldest,
		       struct hotkey *hot, uint64_t now, bool *certain)
{
	uint32_t same_block = of_block(match, oldest, connection->twin_block);
	uint64_t median;

	*certain = same_block || (!hot && pending_at(&match->pending, oldest)->same_next == oldest);
	if (same_block)
		return same_block;
	if (*certain)
		return oldest;
	observe(match, hot, now);
	lagdist_update(match->dist, now);
	median = lagdist_median(match->dist);
	return nearest(match, oldest, hot, now > median ? now - median : 0);
}

static void pair_mirror(struct match *match, struct match_connection *connection, uint32_t mirror,
			uint32_t oldest, struct hotkey *hot, const struct session_query *query)
{
	uint64_t now = query->sent_ns, lag, sent;
	bool certain;
	uint32_t primary = choose(match, connection, oldest, hot, now, &certain);

	sent = pending_at(&match->pending, primary)->time;
	lag = now > sent ? now - sent : 0;
	connection->twin_block = pending_at(&match->pending, primary)->block;
	if (certain)
		lagdist_certain(match->dist, now, lag);
	if (certain || lagdist_wants_ambiguous(match->dist, now))
		sample_lag(match, lag);
	stop_waiting(match, primary, true);
	join(match, primary, mirror, query->key[0], certain);
}

static void sent_to_mirror(struct match *match, struct match_connection *connection,
			   const struct session_query *query, uint32_t tag)
{
	uint64_t key = query->key[0];
	uint32_t index = enter(match, connection, query, tag), oldest;
	struct hotkey *hot;

	if (!index)
		return;
	oldest = pending_find(&match->pending, key);
	hot = hotkeys_find(match->hot, key);
	if (oldest)
		pair_mirror(match, connection, index, oldest, hot, query);
	else
		wait_for_twin(match, index, key);
}

static void enter_block(struct match *match, struct match_connection *connection,
			const struct session_query *query)
{
	if (query->in_block && connection->block)
		return;
	connection->block = ++match->blocks ? match->blocks : ++match->blocks;
	connection->twin_block = 0;
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

/* ------------------------------------------------------------------------------------------ answers */

static uint32_t pop_unanswered(struct match *match, struct match_connection *connection)
{
	uint32_t index = connection->unanswered_first;
	struct entry *entry = pending_at(&match->pending, index);

	connection->unanswered_first = entry->rows;
	if (!connection->unanswered_first)
		connection->unanswered_last = 0;
	entry->rows = 0;
	return index;
}

/* The connection names it no more. */
static void done(struct match *match, uint32_t index)
{
	struct entry *entry = pending_at(&match->pending, index);

	reply_set(entry, REPLY_DONE);
	if (reply_has(entry, REPLY_PAIRED))
		finish_if_answered(match, index);
	else if (!reply_has(entry, REPLY_WAITING))
		pending_give(&match->pending, index);
}

void match_answered(struct match *match, struct match_connection *connection,
		    const struct session_query *query, uint32_t result)
{
	while (connection->unanswered_first) {
		uint32_t index = connection->unanswered_first;
		int32_t ahead =
		    (int32_t)(pending_at(&match->pending, index)->serial - (uint32_t)query->serial);

		if (ahead > 0)
			return;
		pop_unanswered(match, connection);
		if (ahead == 0)
			reply_write(pending_at(&match->pending, index), query, result);
		done(match, index);
	}
}

void match_close(struct match *match, struct match_connection *connection)
{
	while (connection->unanswered_first)
		done(match, pop_unanswered(match, connection));
}

/* ------------------------------------------------------------------------------------------ time */

static void expire_primary(struct match *match, uint64_t now)
{
	uint64_t horizon = match->options.horizon_ns, longest = 2 * lagdist_longest(match->dist);
	uint32_t index;

	horizon = longest > horizon ? longest : horizon;
	while ((index = match->waiting[MATCH_PRIMARY].oldest)) {
		uint64_t sent = pending_at(&match->pending, index)->time;
		uint64_t age =
		    match->clock.last ? matchclock_age(&match->clock, sent) : (now > sent ? now - sent : 0);

		if (age <= horizon)
			return;
		leave(match, index, MATCH_NOT_MIRRORED);
	}
}

static void expire_mirror(struct match *match, uint64_t now)
{
	uint32_t index;

	while ((index = match->waiting[MATCH_MIRROR].oldest)) {
		const struct entry *entry = pending_at(&match->pending, index);
		bool copy = recent_seen(match->recent, ~entry->key, entry->time, match->options.horizon_ns);

		if (entry->time + EARLY_NS > now)
			return;
		leave(match, index, copy ? MATCH_FANOUT : MATCH_NO_PRIMARY);
	}
}

void match_tick(struct match *match, uint64_t now)
{
	uint32_t index;

	depth_learn(match->depth, match->dist, match->clock.steady);
	expire_primary(match, now);
	expire_mirror(match, now);
	while ((index = match->pairs.oldest)) {
		if (pending_at(&match->pending, index)->time + match->options.answer_timeout_ns > now)
			break;
		finish_pair(match, index);
	}
}

void match_set_clients(struct match *match, uint32_t clients)
{
	match->clients = clients;
}

/* ------------------------------------------------------------------------------------------ figures */

double match_depth(struct match *match, uint64_t now)
{
	double cap = (double)match->options.queue_limit * match->clients, sum;

	if (!match->clock.last)
		return NAN;
	lagdist_update(match->dist, now);
	depth_learn(match->depth, match->dist, match->clock.steady);
	sum = depth_estimate(match->depth, match->dist, &match->pending, &match->waiting[MATCH_PRIMARY],
			     match->clock.steady);
	return cap > 0 && sum > cap ? cap : sum;
}

double match_share(const struct match *match)
{
	return match->clock.last ? depth_share(match->depth) : NAN;
}

uint64_t match_oldest(struct match *match, uint64_t now)
{
	uint64_t give_up = lagdist_longest(match->dist) * 3 / 2;
	uint32_t index = match->waiting[MATCH_PRIMARY].oldest;
	uint64_t sent;

	(void)give_up;
	if (!index || !match->clock.last)
		return 0;
	sent = pending_at(&match->pending, index)->time;
	return now > sent ? now - sent : 0;
}

uint64_t match_median_lag(const struct match *match)
{
	return lagdist_median(match->dist);
}

const struct match_counters *match_counters(const struct match *match)
{
	return &match->counters;
}

size_t match_bytes(const struct match *match)
{
	return sizeof(*match) + pending_bytes(&match->pending) + hotkeys_bytes() + lagdist_bytes() +
	       depth_bytes() + recent_bytes();
}

uint32_t match_entries(const struct match *match)
{
	return match->pending.entries.live;
}
