/* SPDX-License-Identifier: MIT */
#include "verdict/twins.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "match/pgpool.h"
#include "sql/sqltext.h"
#include "verdict/quantile.h"
#include "wire/failure.h"

#define TOP_CLASSES 1024 /* statement classes kept for each cluster */

/* In place of a result checksum, which a failed query has not: it was the first error of its request. */
#define FIRST_ERROR 1u

#define ORDERED_MAX 200 /* pairs whose order is remembered */

struct twins {
	struct twins_order order;
	enum config_level level;
	struct match *match;
	struct top *top;
	struct fingerprints *fingerprints;
	struct stats_cluster *stats;
	struct match_counters base; /* counters of the map before this process */
	struct address mirrors[MATCH_ENDPOINTS];
	size_t mirror_count;
	const uint64_t *ignored;
	size_t ignored_count;
};

/* ------------------------------------------------------------------------------------------------- pairs */

static void on_lag(void *ctx, uint64_t lag_ns)
{
	struct twins *twins = ctx;

	stats_histogram_add(&twins->stats->lag, lag_ns / 1000);
}

static bool comparable(const struct match_answer *answer)
{
	return answer->answered && !answer->skipped && answer->outcome != OUTCOME_UNKNOWN;
}

/* 57P01 to 57P05: the server was shut down, which excuses nothing. */
static bool excuses(const struct match_pair *pair)
{
	return strncmp(pair->mirror.sqlstate, "57P", 3) != 0 && pair->primary.outcome == OUTCOME_FAILURE &&
	       pair->mirror.outcome == OUTCOME_FAILURE && pair->mirror.result == FIRST_ERROR &&
	       strcmp(pair->primary.sqlstate, pair->mirror.sqlstate) == 0 && *pair->mirror.sqlstate;
}

/* The cell of LABELS_DIVERGENCE that the pair belongs in, NULL when both sides agree. */
static __u64 *divergence(struct stats_DIVERGENCE *cells, const struct match_answer *primary,
			 const struct match_answer *mirror)
{
	bool primary_failed = primary->outcome == OUTCOME_FAILURE;
	bool mirror_failed = mirror->outcome == OUTCOME_FAILURE;

	if (primary_failed && !mirror_failed)
		return &cells->primary_only_error;
	if (mirror_failed && !primary_failed)
		return &cells->mirror_only_error;
	if (primary_failed)
		return strcmp(primary->sqlstate, mirror->sqlstate) ? &cells->sqlstate : NULL;
	if (primary->rows != mirror->rows)
		return &cells->rows;
	return primary->result && mirror->result && primary->result != mirror->result ? &cells->result : NULL;
}

/* What the class of the statement learns; NULL when its entry has been given up since it was sent. */
static const struct top_entry *count_class(struct twins *twins, const struct match_pair *pair)
{
	const struct match_answer *primary = &pair->primary, *mirror = &pair->mirror;
	struct top_entry *entry = top_find(twins->top, primary->tag ? primary->tag : mirror->tag);
	__u64 *cell;

	if (!entry)
		return NULL;
	entry->compared++;
	classside_add(&entry->sides[MATCH_PRIMARY], primary);
	classside_add(&entry->sides[MATCH_MIRROR], mirror);
	cell = divergence(&entry->divergences, primary, mirror);
	if (cell)
		(*cell)++;
	if (cell && (*primary->sqlstate || *mirror->sqlstate)) {
		memcpy(entry->primary_sqlstate, primary->sqlstate, sizeof(entry->primary_sqlstate));
		memcpy(entry->mirror_sqlstate, mirror->sqlstate, sizeof(entry->mirror_sqlstate));
	}
	if (primary->outcome == OUTCOME_SUCCESS && mirror->outcome == OUTCOME_SUCCESS) {
		entry->primary_us += primary->duration_ns / 1000;
		entry->mirror_us += mirror->duration_ns / 1000;
		top_primary_answered(twins->top, entry, pair->key,
				     ((uint64_t)primary->rows << 32) | primary->result, primary->sent_ns);
	}
	return entry;
}

/* Halved now and then: what was before a change of the proxy or the configuration is forgotten. */
static void note_order(struct twins *twins, const struct match_pair *pair)
{
	struct twins_order *order = &twins->order;

	if (order->pairs >= ORDERED_MAX) {
		order->pairs /= 2;
		order->early /= 2;
		order->inverted /= 2;
	}
	order->pairs++;
	order->early += pair->mirror.sent_ns < pair->primary.sent_ns;
	order->inverted += pair->mirror.sent_ns + pair->mirror.duration_ns <= pair->primary.sent_ns;
}

struct twins_order twins_order(const struct twins *twins)
{
	return twins->order;
}

static void on_pair(void *ctx, const struct match_pair *pair)
{
	struct twins *twins = ctx;
	const struct match_answer *primary = &pair->primary, *mirror = &pair->mirror;
	const struct top_entry *class;
	__u64 *cell;

	if (!comparable(primary) || !comparable(mirror))
		return;
	note_order(twins, pair);
	if (excuses(pair))
		(*stats_cell(&twins->stats->excused_failures,
			     failure_of(primary->sqlstate, "ERROR", false)))++;
	class = count_class(twins, pair);
	if (class && class->ignored)
		return;
	twins->stats->compared.value++;
	cell = divergence(&twins->stats->divergences, primary, mirror);
	if (cell)
		(*cell)++;
	if ((cell == &twins->stats->divergences.rows || cell == &twins->stats->divergences.result) && class &&
	    top_is_noise(class))
		twins->stats->noisy_divergences.value++;
	if (primary->outcome == OUTCOME_SUCCESS && mirror->outcome == OUTCOME_SUCCESS)
		ratio_add(&twins->stats->latency_ratio, mirror->duration_ns, primary->duration_ns);
}

/* ------------------------------------------------------------------------------------------- connections */

/* A mirror of several servers may get several twins, one from each: they are told apart by address. */
static uint8_t endpoint_of(struct twins *twins, const struct address *remote)
{
	for (size_t i = 0; i < twins->mirror_count; i++)
		if (address_equal(&twins->mirrors[i], remote))
			return i;
	if (twins->mirror_count == MATCH_ENDPOINTS)
		return MATCH_ENDPOINTS - 1;
	twins->mirrors[twins->mirror_count] = *remote;
	return twins->mirror_count++;
}

void twins_open(struct twins *twins, struct twins_connection *connection, enum match_side side,
		const struct address *remote)
{
	memset(connection, 0, sizeof(*connection));
	match_open(twins->match, &connection->match, side,
		   side == MATCH_MIRROR ? endpoint_of(twins, remote) : 0);
}

void twins_close(struct twins *twins, struct twins_connection *connection)
{
	match_close(twins->match, &connection->match);
}

static bool is_ignored(const struct twins *twins, uint64_t id)
{
	for (size_t i = 0; i < twins->ignored_count; i++)
		if (twins->ignored[i] == id)
			return true;
	return false;
}

/* 0 where there is no class: what is not matched is not classed either. */
static uint32_t class_of(struct twins *twins, enum match_side side, const struct session_query *query)
{
	const struct fingerprint *fingerprint;
	struct top_entry *entry;

	if (query->ignored || query->control || !query->text_len)
		return 0;
	fingerprint = fingerprint_of(twins->fingerprints, query->text, query->text_len, query->text_cut);
	if (!fingerprint)
		return 0;
	entry = top_entry(twins->top, (uint32_t)fingerprint->id, fingerprint->text, query->sent_ns);
	if (!entry)
		return 0;
	entry->fingerprint = fingerprint->id;
	entry->ignored = is_ignored(twins, fingerprint->id);
	if (side == MATCH_PRIMARY)
		entry->primary++;
	else
		entry->mirror++;
	return (uint32_t)fingerprint->id;
}

void twins_named(struct twins *twins, uint64_t before, const struct fingerprint *now)
{
	struct top_entry *entry = top_rename(twins->top, (uint32_t)before, (uint32_t)now->id, now->text);

	if (!entry)
		return;
	entry->fingerprint = now->id;
	entry->ignored = is_ignored(twins, now->id);
}

static bool is_mirrored(const struct twins *twins, const struct session_query *query)
{
	enum sqltext_sort sort;

	if (twins->level == LEVEL_ALL)
		return true;
	sort = sqltext_sort(query->text, query->text_len);
	return sort != (twins->level == LEVEL_DML ? SQLTEXT_DEFINITION : SQLTEXT_ROWS);
}

void twins_set_level(struct twins *twins, enum config_level level)
{
	twins->level = level;
}

void twins_sent(struct twins *twins, struct twins_connection *connection, const struct session_query *query)
{
	if (pgpool_own_statement(query->text, query->text_len) || !is_mirrored(twins, query))
		return;
	match_sent(twins->match, &connection->match, query, class_of(twins, connection->match.side, query));
}

void twins_answered(struct twins *twins, struct twins_connection *connection,
		    const struct session_query *query)
{
	uint32_t result = query->result; /* of a success */

	if (query->outcome == OUTCOME_FAILURE && !query->skipped) {
		result = connection->erred ? 0 : FIRST_ERROR;
		connection->erred = true;
	}
	match_answered(twins->match, &connection->match, query, result);
}

void twins_request(struct twins *twins, struct twins_connection *connection)
{
	(void)twins;
	connection->erred = false;
}

/* ------------------------------------------------------------------------------------- time and counters */

void twins_tick(struct twins *twins, uint64_t now_ns)
{
	match_tick(twins->match, now_ns);
}

#define UNMATCHED_CELL(stats, side, reason) \
	stats_cell(&((side) == MATCH_PRIMARY ? &(stats)->primary : &(stats)->mirror)->unmatched, reason)

static void remember_base(struct twins *twins)
{
	twins->base.matched = twins->stats->matched.value;
	twins->base.clamped = twins->stats->clamped_lags.value;
	twins->base.ambiguous = twins->stats->ambiguous.value;
	twins->base.guessed = twins->stats->guessed_lags.value;
	twins->base.unanswered = twins->stats->unanswered.value;
	twins->base.repeated_evicted = twins->stats->hot_keys.value;
	for (int side = 0; side < MATCH_SIDES; side++)
		for (int reason = 0; reason < MATCH_REASONS; reason++)
			twins->base.unmatched[side][reason] = *UNMATCHED_CELL(twins->stats, side, reason);
}

void twins_sync(struct twins *twins)
{
	const struct match_counters *now = match_counters(twins->match);

	twins->stats->matched.value = twins->base.matched + now->matched;
	twins->stats->clamped_lags.value = twins->base.clamped + now->clamped;
	twins->stats->ambiguous.value = twins->base.ambiguous + now->ambiguous;
	twins->stats->guessed_lags.value = twins->base.guessed + now->guessed;
	twins->stats->unanswered.value = twins->base.unanswered + now->unanswered;
	twins->stats->hot_keys.value = twins->base.repeated_evicted + now->repeated_evicted;
	for (int side = 0; side < MATCH_SIDES; side++)
		for (int reason = 0; reason < MATCH_REASONS; reason++)
			*UNMATCHED_CELL(twins->stats, side, reason) =
			    twins->base.unmatched[side][reason] + now->unmatched[side][reason];
}

void twins_set_clients(struct twins *twins, uint32_t clients)
{
	match_set_clients(twins->match, clients);
}

/* -------------------------------------------------------------------------------------------- life cycle */

int twins_new(struct twins **out, const struct twins_options *options, struct stats_cluster *stats,
	      struct fingerprints *fingerprints)
{
	struct twins *twins = calloc(1, sizeof(*twins));
	const struct match_options match = {.max_entries = options->max_entries,
					    .queue_limit = options->queue_limit};
	const struct match_sink sink = {.ctx = twins, .lag = on_lag, .pair = on_pair};
	int err;

	if (!twins)
		return -ENOMEM;
	twins->fingerprints = fingerprints;
	twins_set_ignored(twins, options->ignored, options->ignored_count);
	if (stats)
		twins_begin(twins, stats);
	err = match_new(&twins->match, &match, &sink);
	if (!err)
		err = top_new(&twins->top, TOP_CLASSES);
	if (err)
		twins_free(&twins);
	*out = twins;
	return err;
}

void twins_begin(struct twins *twins, struct stats_cluster *stats)
{
	twins->stats = stats;
	remember_base(twins);
}

void twins_free(struct twins **twins)
{
	if (!*twins)
		return;
	match_free(&(*twins)->match);
	top_free(&(*twins)->top);
	free(*twins);
	*twins = NULL;
}

void twins_set_ignored(struct twins *twins, const uint64_t *ignored, size_t count)
{
	twins->ignored = ignored;
	twins->ignored_count = count;
}

void twins_set_queue_limit(struct twins *twins, uint32_t queue_limit)
{
	match_set_queue_limit(twins->match, queue_limit);
}

struct match *twins_match(struct twins *twins)
{
	return twins->match;
}

struct top *twins_top(struct twins *twins)
{
	return twins->top;
}
