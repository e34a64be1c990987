/* SPDX-License-Identifier: MIT */
#include "verdict/twins.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "match/pgpool.h"
#include "sql/sqltext.h"
#include "verdict/quantile.h"
#include "verdict/twins_internal.h"
#include "wire/failure.h"

#define TOP_CLASSES 1024 /* statement classes kept for each cluster */

#define SETTLE_NS 2000000000ull /* by which either side's answers are there */

/* In place of a result checksum, which a failed query has not: it was the first error of its request. */
#define FIRST_ERROR 1u

#define ORDERED_MAX 200 /* pairs whose order is remembered */

/* ------------------------------------------------------------------------------------------------- pairs */

static void on_lag(void *ctx, uint64_t lag_ns)
{
	struct twins *twins = ctx;

	stats_histogram_add(&twins->stats->lag, lag_ns / 1000);
}

static void on_delay(void *ctx, uint64_t delay_ns)
{
	struct twins *twins = ctx;

	stats_histogram_add(&twins->stats->delay, delay_ns / 1000);
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

static uint64_t outcome_hash(const struct match_answer *answer)
{
	return ((uint64_t)answer->rows << 32) | answer->result;
}

static void learn_repeats(struct twins *twins, struct class_record *class, const struct match_pair *pair)
{
	top_answered(twins->top, class, MATCH_PRIMARY, pair->key ^ pair->primary.context,
		     outcome_hash(&pair->primary), pair->primary.sent_ns);
	top_answered(twins->top, class, MATCH_MIRROR, pair->key ^ pair->mirror.context,
		     outcome_hash(&pair->mirror), pair->mirror.sent_ns);
}

static void note_errors(struct class_record *class, const struct match_answer *primary,
			const struct match_answer *mirror)
{
	const char *failed = *mirror->sqlstate ? mirror->sqlstate : primary->sqlstate;

	memcpy(class->primary_sqlstate, primary->sqlstate, sizeof(class->primary_sqlstate));
	memcpy(class->mirror_sqlstate, mirror->sqlstate, sizeof(class->mirror_sqlstate));
	class->passing += class_passes(failed);
}

/* What the class of the statement learns. */
static void count_class(struct twins *twins, struct class_record *class, const struct match_pair *pair)
{
	const struct match_answer *primary = &pair->primary, *mirror = &pair->mirror;
	__u64 *cell = divergence(&class->divergences, primary, mirror);

	class->compared++;
	classside_add(&class->sides[MATCH_PRIMARY], primary);
	classside_add(&class->sides[MATCH_MIRROR], mirror);
	if (cell)
		(*cell)++;
	if (cell && (*primary->sqlstate || *mirror->sqlstate))
		note_errors(class, primary, mirror);
	if (cell == &class->divergences.rows) {
		class->more += mirror->rows > primary->rows;
		class->fewer += mirror->rows < primary->rows;
	}
	if (primary->outcome == OUTCOME_SUCCESS && mirror->outcome == OUTCOME_SUCCESS) {
		class->primary_us += primary->duration_ns / 1000;
		class->mirror_us += mirror->duration_ns / 1000;
		learn_repeats(twins, class, pair);
	}
}

/* Once the class is known to vary lawfully, what was open until then is noise too. */
static void count_noise(struct stats_cluster *stats, struct class_record *class)
{
	uint64_t differ = class->divergences.rows + class->divergences.result;

	if (class_variation(class) != CLASS_VARIES)
		return;
	stats->noisy_divergences.value += differ - class->noisy;
	class->noisy = differ;
}

static void compare(struct twins *twins, const struct match_pair *pair, struct class_record *class)
{
	const struct match_answer *primary = &pair->primary, *mirror = &pair->mirror;
	struct stats_cluster *stats = twins->stats;
	__u64 *cell;

	if (class)
		count_class(twins, class, pair);
	if (class && class->ignored)
		return;
	stats->compared.value++;
	cell = divergence(&stats->divergences, primary, mirror);
	if (cell)
		(*cell)++;
	if (class && (cell == &stats->divergences.rows || cell == &stats->divergences.result))
		count_noise(stats, class);
	if (primary->outcome == OUTCOME_SUCCESS && mirror->outcome == OUTCOME_SUCCESS)
		ratio_add(&stats->latency_ratio, mirror->duration_ns, primary->duration_ns);
}

static __u64 *why_not(struct twins *twins, const struct match_pair *pair)
{
	struct stats_COMPARABLE *reasons = &twins->stats->not_comparable;

	if (pair->primary.skipped || pair->mirror.skipped)
		return &reasons->skipped;
	if (!pair->primary.answered || !pair->mirror.answered || pair->primary.outcome == OUTCOME_UNKNOWN ||
	    pair->mirror.outcome == OUTCOME_UNKNOWN)
		return &reasons->unknown_outcome;
	switch (contexts_compare(&twins->contexts, pair->primary.context, pair->mirror.context)) {
	case CONTEXTS_SAME:
		return NULL;
	case CONTEXTS_DIFFER:
		return &reasons->context;
	case CONTEXTS_UNKNOWN:
		return &reasons->unknown_context;
	}
	return NULL;
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
	struct class_record *class =
	    top_find(twins->top, pair->primary.tag ? pair->primary.tag : pair->mirror.tag);
	__u64 *why;

	if (pair->primary.answered && pair->mirror.answered)
		note_order(twins, pair);
	if (excuses(pair))
		(*stats_cell(&twins->stats->excused_failures,
			     failure_of(pair->primary.sqlstate, "ERROR", false)))++;
	if (pair->certain)
		contexts_pair(&twins->contexts, pair->primary.context, pair->mirror.context);
	why = why_not(twins, pair);
	if (!why) {
		compare(twins, pair, class);
		return;
	}
	(*why)++;
	if (class && (why == &twins->stats->not_comparable.context ||
		      why == &twins->stats->not_comparable.unknown_context))
		class->uncompared++;
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
	struct twins_connection **first = &twins->connections[side];

	memset(connection, 0, sizeof(*connection));
	match_open(twins->match, &connection->match, side,
		   side == MATCH_MIRROR ? endpoint_of(twins, remote) : 0);
	connection->next = *first;
	if (*first)
		(*first)->previous = connection;
	*first = connection;
}

void twins_moved(struct twins *twins, struct twins_connection *connection)
{
	if (connection->previous)
		connection->previous->next = connection;
	else
		twins->connections[connection->match.side] = connection;
	if (connection->next)
		connection->next->previous = connection;
}

void twins_close(struct twins *twins, struct twins_connection *connection)
{
	if (connection->previous)
		connection->previous->next = connection->next;
	else
		twins->connections[connection->match.side] = connection->next;
	if (connection->next)
		connection->next->previous = connection->previous;
	match_close(twins->match, &connection->match);
}

/* 0 where there is none. */
static uint32_t class_of(struct twins *twins, enum match_side side, const struct session_query *query)
{
	const struct fingerprint *fingerprint =
	    fingerprint_of(twins->fingerprints, query->text, query->text_len, query->text_cut);
	struct class_record *class;

	if (!fingerprint)
		return 0;
	class = twins_enter_class(twins, (uint32_t)fingerprint->id, fingerprint->text, side, query->sent_ns);
	if (!class)
		return 0;
	class->fingerprint = fingerprint->id;
	class->ignored = twins_is_ignored(twins, fingerprint->id);
	return (uint32_t)fingerprint->id;
}

void twins_named(struct twins *twins, uint64_t before, const struct fingerprint *now)
{
	struct class_record *class = top_rename(twins->top, (uint32_t)before, (uint32_t)now->id, now->text);

	if (!class)
		return;
	class->fingerprint = now->id;
	class->ignored = twins_is_ignored(twins, now->id);
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

/* ------------------------------------------------------------------------------------------------ statements
 */

void twins_sent(struct twins *twins, struct twins_connection *connection, const struct session_query *query)
{
	enum match_side side = connection->match.side;
	uint32_t class = 0;

	if (!connection->unanswered++)
		connection->waiting_since = query->sent_ns;
	if (pgpool_own_statement(query->text, query->text_len) || !is_mirrored(twins, query))
		return;
	connection->match.context = contexts_of(&twins->contexts, side, &connection->place, query);
	if (query->ignored || query->control || !query->keyed)
		twins_unpaired_sent(twins, connection, query);
	else if (query->text_len)
		class = class_of(twins, side, query);
	match_sent(twins->match, &connection->match, query, class);
}

void twins_answered(struct twins *twins, struct twins_connection *connection,
		    const struct session_query *query)
{
	uint32_t result = query->result; /* of a success */

	if (connection->unanswered)
		connection->unanswered--;
	connection->waiting_since = query->done_ns;
	twins_unpaired_answered(twins, connection, query);
	if (query->outcome == OUTCOME_FAILURE && !query->skipped) {
		result = connection->erred ? 0 : FIRST_ERROR;
		connection->erred = true;
	}
	match_answered(twins->match, &connection->match, query, result);
}

struct twins_unanswered twins_unanswered(const struct twins *twins, enum match_side side, uint64_t now_ns)
{
	struct twins_unanswered sum = {0};

	for (const struct twins_connection *c = twins->connections[side]; c; c = c->next) {
		uint64_t since = match_waits_since(twins->match, &c->match);

		sum.statements += c->unanswered;
		if (!c->unanswered)
			continue;
		if (!since)
			since = c->waiting_since;
		if (now_ns > since && now_ns - since > sum.oldest_ns)
			sum.oldest_ns = now_ns - since;
	}
	return sum;
}

void twins_request(struct twins *twins, struct twins_connection *connection)
{
	(void)twins;
	connection->erred = false;
}

/* ------------------------------------------------------------------------------------- time and counters */

void twins_tick(struct twins *twins, uint64_t now_ns)
{
	uint64_t alone;

	match_tick(twins->match, now_ns);
	if (now_ns < twins->settled_ns + SETTLE_NS)
		return;
	twins->settled_ns = now_ns;
	alone = top_settle_unpaired(twins->top);
	twins->stats->divergences.mirror_only_error += alone;
	twins->stats->compared.value += alone;
}

void twins_reset(struct twins *twins, uint64_t now_ns)
{
	top_reset(twins->top);
	match_reset(twins->match, now_ns);
}

#define UNMATCHED_CELL(stats, side, reason) \
	stats_cell(&((side) == MATCH_PRIMARY ? &(stats)->primary : &(stats)->mirror)->unmatched, reason)

static void remember_base(struct twins *twins)
{
	twins->base.matched = twins->stats->matched.value;
	twins->base.clamped = twins->stats->clamped_lags.value;
	twins->base.early = twins->stats->early_lags.value;
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
	twins->stats->early_lags.value = twins->base.early + now->early;
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
					    .queue_limit = options->queue_limit,
					    .window_ns = options->window_ns};
	const struct match_sink sink = {.ctx = twins, .lag = on_lag, .delay = on_delay, .pair = on_pair};
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
