/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "match/backlog.h"
#include "match/candidates.h"
#include "match/capacity.h"
#include "match/copies.h"
#include "match/depth.h"
#include "match/halves.h"
#include "match/hotkeys.h"
#include "match/lagdist.h"
#include "match/lagsample.h"
#include "match/level.h"
#include "match/match.h"
#include "match/matchclock.h"
#include "match/recent.h"

#define HORIZON_NS        30000000000ull
#define ANSWER_TIMEOUT_NS 120000000000ull
#define EARLY_NS          250000000ull /* how long a mirror statement may be ahead of its twin */
#define STEPS             64           /* of one walk over the statements of a key */
#define CERTAIN_WEIGHT    (1.0 / 256)
#define CERTAIN_SCARCE    0.15               /* below this share of certain pairs others must tell the lag */
#define GOLDEN            0.6180339887498949 /* its multiples, modulo 1, are spread evenly */
#define SILENCE_MIN_NS    1000000000ull
#define STANDSTILL        0.01 /* prior probability that a silent mirror stands still */

struct match {
	struct match_options options;
	struct match_sink sink;
	struct match_counters counters;
	struct halves halves;
	struct hotkeys *hot;
	struct lagdist *dist;
	struct depth *depth;
	struct recent *recent;
	struct matchclock clock;
	struct capacity capacity;
	struct copies copies;
	struct backlog backlog;
	struct level level;
	struct lagsample lags;
	uint64_t draws; /* from the lags' distribution */
	uint32_t blocks;
	uint32_t deferred; /* mirror statements that have arrived but are not paired yet */
	double certain;    /* share of certain ones among the pairs */
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
	capacity_init(&match->capacity, options->queue_limit);
	if (!match->options.max_entries)
		match->options.max_entries = MATCH_DEFAULT_ENTRIES;
	if (!match->options.horizon_ns)
		match->options.horizon_ns = HORIZON_NS;
	if (!match->options.answer_timeout_ns)
		match->options.answer_timeout_ns = ANSWER_TIMEOUT_NS;
	err = halves_init(&match->halves, match->options.max_entries);
	if (!err)
		err = hotkeys_new(&match->hot);
	if (!err)
		err = lagdist_new(&match->dist);
	if (!err)
		err = recent_new(&match->recent);
	if (!err)
		err = depth_new(&match->depth, 4 * match->options.horizon_ns);
	match->lags.emit = sink->lag;
	match->lags.ctx = sink->ctx;
	match->halves.ctx = sink->ctx;
	match->halves.finished = sink->pair;
	*out = match;
	if (err)
		match_free(out);
	return err;
}

void match_free(struct match **match)
{
	if (!*match)
		return;
	halves_done(&(*match)->halves);
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

/* ------------------------------------------------------------------------------------------ waiting */

static struct entry *at(const struct match *match, uint32_t index)
{
	return halves_at(&match->halves, index);
}

/* The next older one of the same key, else the next younger one, else 0. */
static uint32_t neighbour(const struct match *match, uint32_t index)
{
	const struct entry *entry = at(match, index);

	if (entry->same_prev == index)
		return 0;
	return at(match, entry->same_prev)->time <= entry->time ? entry->same_prev : entry->same_next;
}

static void stop_waiting(struct match *match, uint32_t index, bool arrived)
{
	const struct entry *entry = at(match, index);
	struct hotkey *hot;

	if (halves_side(entry) == MATCH_PRIMARY) {
		hot = hotkeys_find(match->hot, entry->key);
		if (hot && hot->cursor == index)
			hot->cursor = neighbour(match, index);
		depth_left(match->depth, entry->time, arrived);
	}
	halves_stop_waiting(&match->halves, index);
}

static void unmatched(struct match *match, uint32_t index, enum match_reason reason)
{
	match->counters.unmatched[halves_side(at(match, index))][reason]++;
	halves_drop(&match->halves, index);
}

static void leave(struct match *match, uint32_t index, enum match_reason reason)
{
	stop_waiting(match, index, false);
	unmatched(match, index, reason);
}

/* Whether others of its age arrived long ago. */
static bool decided(const struct match *match, uint32_t index)
{
	return match->clock.steady > at(match, index)->time + 2 * lagdist_longest(match->dist);
}

/* Room for one more: the oldest that waits, else the oldest pair, has to go. */
static void make_room(struct match *match)
{
	uint32_t oldest = match->halves.waiting[MATCH_PRIMARY].oldest;

	if (oldest)
		leave(match, oldest, decided(match, oldest) ? MATCH_NOT_MIRRORED : MATCH_EVICTED);
	else
		halves_give_up_oldest(&match->halves, UINT64_MAX);
}

static uint32_t enter(struct match *match, struct match_connection *connection,
		      const struct session_query *query, uint32_t tag)
{
	uint32_t index = halves_enter(&match->halves, connection, query, tag);

	if (!index) {
		make_room(match);
		index = halves_enter(&match->halves, connection, query, tag);
	}
	if (!index)
		match->counters.unmatched[connection->side][MATCH_EVICTED]++;
	return index;
}

/* Certain pairs are too few to stand for all. */
static bool scarce(const struct match *match)
{
	return match->certain < CERTAIN_SCARCE;
}

/* The count of level.h is to be believed, not how old what waits is. */
static bool counts(const struct match *match)
{
	return scarce(match) && lagdist_guesses(match->dist) && level_leads(&match->level);
}

/* Lags are short, and surely so: what a search among ambiguous observations says, it says firmly. */
static bool settled(const struct match *match)
{
	return !lagdist_guesses(match->dist) || lagdist_longest(match->dist) < BACKLOG_MIN_NS;
}

/* Whether the statements differ enough to tell lag and depth. */
static bool tells(const struct match *match, uint64_t now)
{
	if (!scarce(match) || lagsample_near(&match->lags, now))
		return true;
	return counts(match) ? level_sure(&match->level) : lagdist_guesses(match->dist) && settled(match);
}

static void join(struct match *match, uint32_t primary, uint32_t mirror, uint64_t key, bool certain)
{
	uint64_t sent = at(match, primary)->time, arrived = at(match, mirror)->time;
	uint64_t lag = arrived > sent ? arrived - sent : 0;

	match->counters.matched++;
	capacity_arrived(&match->capacity);
	level_arrived(&match->level);
	match->counters.ambiguous += !certain;
	match->counters.clamped += arrived < sent;
	match->certain += ((certain ? 1 : 0) - match->certain) * CERTAIN_WEIGHT;
	if (certain) {
		lagdist_certain(match->dist, arrived, lag);
		lagsample_certain(&match->lags, arrived, lag);
	} else {
		lagsample_guessed(&match->lags, arrived, lag, counts(match));
	}
	match->counters.guessed += !certain && !tells(match, arrived);
	recent_note(match->recent, key, arrived);
	matchclock_match(&match->clock, arrived, certain ? sent : 0);
	halves_join(&match->halves, primary, mirror, key, certain);
}

/* ------------------------------------------------------------------------------------------ primary */

/* A key that is sent again while it still waits is one that repeats; from now on its times are noted. */
static void note_repeated(struct match *match, uint64_t key, uint64_t now)
{
	uint32_t oldest = halves_find(&match->halves, MATCH_PRIMARY, key), index = oldest;
	struct hotkey *hot = hotkeys_find(match->hot, key);

	if (!hot && oldest) {
		hot = hotkeys_add(match->hot, key, at(match, oldest)->time - 1,
				  &match->counters.hotkeys_evicted);
		for (unsigned n = 0; n < STEPS && (n == 0 || index != oldest); n++) {
			hotkey_sent(hot, at(match, index)->time);
			index = at(match, index)->same_next;
		}
	}
	if (hot)
		hotkey_sent(hot, now);
}

static void sent_to_primary(struct match *match, struct match_connection *connection,
			    const struct session_query *query, uint32_t tag)
{
	uint64_t key = query->key[0];
	uint32_t index = enter(match, connection, query, tag), early;

	if (!index)
		return;
	note_repeated(match, key, query->sent_ns);
	capacity_sent(&match->capacity, connection->entered_block != connection->block);
	connection->entered_block = connection->block;
	depth_sent(match->depth, query->sent_ns);
	level_sent(&match->level);
	early = halves_find(&match->halves, MATCH_MIRROR, key);
	if (early) {
		stop_waiting(match, early, true);
		depth_left(match->depth, query->sent_ns, true);
		join(match, index, early, key, true);
	} else {
		halves_wait(&match->halves, index, key);
	}
}

/* ------------------------------------------------------------------------------------------ mirror */

static void observe(struct match *match, struct hotkey *hot, uint64_t now)
{
	if (hot && lagdist_wants_ambiguous(match->dist, now) && hotkeys_worth_observing(match->hot, hot, now))
		hotkey_observe(hot, now, lagdist_ambiguous(match->dist, now));
}

/* Ages and lags are judged together: neither moves before the end of a silence is understood. */
static void update_lags(struct match *match, uint64_t now)
{
	if (!match->clock.unsettled)
		lagdist_update(match->dist, now);
}

static void pair_up(struct match *match, struct match_connection *connection, uint32_t primary,
		    uint32_t mirror, uint64_t key, bool certain)
{
	if (!connection->twin_known) {
		connection->twin_block = at(match, primary)->block;
		connection->twin_time = at(match, primary)->time;
		connection->twin_known = certain;
	}
	stop_waiting(match, primary, true);
	join(match, primary, mirror, key, certain);
}

/*
 * As the queue's depth implies it, where that is the best witness; else the median. Where no certain pair
 * tells how the lags are spread, one drawn from their distribution: a median for each would make a crowd of
 * medians.
 */
static uint64_t likely_lag(struct match *match, uint64_t now)
{
	uint64_t lag = 0;

	if (counts(match))
		lag = backlog_lag(&match->backlog, now, match->counters.matched);
	if (lag)
		return lag;
	if (!scarce(match) || lagsample_near(&match->lags, now))
		return lagdist_median(match->dist);
	lag = lagdist_quantile(match->dist, fmod((double)++match->draws * GOLDEN, 1));
	if (level_known(&match->level) && lag > BACKLOG_MIN_NS)
		return BACKLOG_MIN_NS; /* the search is late to notice the end */
	return lag;
}

/* A mirror statement of several candidates, none of which stands out. */
static void guess(struct match *match, struct match_connection *connection, uint32_t mirror, uint64_t key)
{
	uint64_t now = at(match, mirror)->time, lag;
	uint32_t oldest = halves_find(&match->halves, MATCH_PRIMARY, key), primary;
	struct hotkey *hot = hotkeys_find(match->hot, key);

	if (!oldest) { /* others have taken them all meanwhile */
		unmatched(match, mirror, MATCH_NO_PRIMARY);
		return;
	}
	observe(match, hot, now);
	update_lags(match, now);
	lag = likely_lag(match, now);
	primary = candidates_of_block(&match->halves, connection, oldest, hot);
	if (!primary)
		primary = candidates_nearest(&match->halves, oldest, hot, now > lag ? now - lag : 0);
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
		uint64_t key = halves_key(at(match, mirror));

		oldest = halves_find(&match->halves, MATCH_PRIMARY, key);
		if (connection->twin_known && oldest)
			primary = candidates_of_block(&match->halves, connection, oldest,
						      hotkeys_find(match->hot, key));
		if (primary)
			pair_up(match, connection, primary, mirror, key, true);
		else
			guess(match, connection, mirror, key);
	}
}

static void defer(struct match *match, struct match_connection *connection, uint32_t mirror)
{
	halves_hold(&match->halves, mirror);
	connection->deferred[connection->deferred_count++] = mirror;
	match->deferred++;
	if (connection->deferred_count == MATCH_DEFERRED)
		resolve(match, connection);
}

/* Whether this is a statement that was not seen yet, not a further copy of one that went to another server.
 */
static bool fresh_copy(struct match *match, const struct match_connection *connection, struct hotkey *hot,
		       uint64_t key, uint64_t now, uint32_t oldest)
{
	bool copy;

	if (hot)
		return copies_fresh(&match->copies, hot, connection->endpoint);
	copy = !oldest && copies_usual(&match->copies) &&
	       recent_seen(match->recent, key, now, match->options.horizon_ns);
	copies_note(&match->copies, copy);
	return !copy;
}

static void sent_to_mirror(struct match *match, struct match_connection *connection,
			   const struct session_query *query, uint32_t tag)
{
	uint64_t key = query->key[0];
	uint32_t index = enter(match, connection, query, tag), oldest, primary;
	struct hotkey *hot = hotkeys_find(match->hot, key);

	if (!index)
		return;
	oldest = halves_find(&match->halves, MATCH_PRIMARY, key);
	if (!fresh_copy(match, connection, hot, key, query->sent_ns, oldest)) {
		unmatched(match, index, MATCH_FANOUT);
		return;
	}
	if (!oldest) {
		halves_wait(&match->halves, index, key);
		return;
	}
	primary = connection->twin_known ? candidates_of_block(&match->halves, connection, oldest, hot) : 0;
	if (!primary && !hot && at(match, oldest)->same_next == oldest)
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

void match_answered(struct match *match, struct match_connection *connection,
		    const struct session_query *query, uint32_t result)
{
	halves_answered(&match->halves, connection, query, result);
}

void match_close(struct match *match, struct match_connection *connection)
{
	resolve(match, connection);
	halves_close(&match->halves, connection);
}

/* ------------------------------------------------------------------------------------------ time */

static void expire_primary(struct match *match, uint64_t now)
{
	uint64_t horizon = match->options.horizon_ns, longest = 2 * lagdist_longest(match->dist);
	uint32_t index;

	horizon = longest > horizon ? longest : horizon;
	while ((index = match->halves.waiting[MATCH_PRIMARY].oldest)) {
		uint64_t sent = at(match, index)->time;
		uint64_t age = now > sent ? now - sent : 0;

		if (match->clock.last)
			age = matchclock_age(&match->clock, sent);
		if (age <= horizon)
			return;
		leave(match, index, MATCH_NOT_MIRRORED);
	}
}

static void expire_mirror(struct match *match, uint64_t now)
{
	uint32_t index;

	while ((index = match->halves.waiting[MATCH_MIRROR].oldest)) {
		const struct entry *entry = at(match, index);
		bool copy;

		if (entry->time + EARLY_NS > now)
			return;
		copy = recent_seen(match->recent, halves_key(entry), entry->time, match->options.horizon_ns);
		copies_note(&match->copies, copy);
		leave(match, index, copy ? MATCH_FANOUT : MATCH_NO_PRIMARY);
	}
}

/*
 * Nothing has arrived for longer than anything takes: either the mirror stands still, or nothing was left.
 * The less likely it is that `expected` statements were all dropped, the more a standstill explains the
 * silence.
 */
static double after_silence(const struct match *match, uint64_t now, double expected)
{
	uint64_t silence = now > match->clock.last ? now - match->clock.last : 0;
	double none;

	if (silence < SILENCE_MIN_NS + 3 * lagdist_longest(match->dist) ||
	    depth_share(match->depth) > DEPTH_ALL)
		return expected;
	none = exp(-expected);
	return expected * STANDSTILL / (STANDSTILL + none);
}

/* Where nearly everything arrives, what has not arrived is late, however long ago the last match was. */
static uint64_t judged_at(const struct match *match, uint64_t now)
{
	bool all = depth_share(match->depth) > DEPTH_ALL;

	return all ? match->clock.steady : matchclock_steady(&match->clock, now);
}

/* What waits cannot be judged while lags are not known: r is then left as it was. */
static void learn(struct match *match)
{
	if (!counts(match) || settled(match))
		depth_learn(match->depth, match->dist, match->clock.steady);
}

static double survivors(struct match *match, uint64_t now)
{
	double sum;

	update_lags(match, now);
	learn(match);
	sum = depth_estimate(match->depth, match->dist, &match->halves.pending,
			     &match->halves.waiting[MATCH_PRIMARY], judged_at(match, now));
	return fmin(after_silence(match, now, sum), capacity_bound(&match->capacity, now));
}

static void tick_level(struct match *match, uint64_t now)
{
	if (match->clock.last)
		level_tick(&match->level, now, survivors(match, now), capacity_bound(&match->capacity, now),
			   settled(match));
}

void match_tick(struct match *match, uint64_t now)
{
	uint64_t timeout = match->options.answer_timeout_ns;

	lagsample_tick(&match->lags, now);
	tick_level(match, now);
	if (scarce(match))
		backlog_tick(&match->backlog, now, match->counters.matched, match_depth(match, now));
	learn(match);
	expire_primary(match, now);
	expire_mirror(match, now);
	while (now > timeout && halves_give_up_oldest(&match->halves, now - timeout))
		;
}

void match_set_clients(struct match *match, uint32_t clients)
{
	capacity_set_clients(&match->capacity, clients);
}

/* ------------------------------------------------------------------------------------------ figures */

double match_depth(struct match *match, uint64_t now)
{
	double sum;

	if (!match->clock.last)
		return NAN;
	sum = survivors(match, now);
	if (counts(match))
		sum = fmin(match->level.depth, capacity_bound(&match->capacity, now));
	return fmax(sum - match->deferred, 0);
}

double match_share(const struct match *match)
{
	return match->clock.last ? depth_share(match->depth) : NAN;
}

uint64_t match_oldest(struct match *match, uint64_t now)
{
	uint64_t sent;

	if (!match->clock.last)
		return 0;
	if (counts(match))
		return backlog_lag(&match->backlog, now, match->counters.matched + 1);
	sent = depth_oldest(match->depth, match->dist, &match->halves.pending,
			    &match->halves.waiting[MATCH_PRIMARY], judged_at(match, now));
	return sent && now > sent ? now - sent : 0;
}

uint64_t match_median_lag(const struct match *match)
{
	return lagdist_median(match->dist);
}

const struct match_counters *match_counters(struct match *match)
{
	match->counters.unanswered = match->halves.unanswered;
	return &match->counters;
}

size_t match_bytes(const struct match *match)
{
	return sizeof(*match) + pending_bytes(&match->halves.pending) + hotkeys_bytes() + lagdist_bytes() +
	       depth_bytes() + recent_bytes();
}

uint32_t match_entries(const struct match *match)
{
	return match->halves.pending.entries.live;
}
