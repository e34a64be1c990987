/* SPDX-License-Identifier: MIT */
/* What connections report becomes counters of their clusters, by the rules in cluster.h. */
#include "cluster/cluster_internal.h"

#include <string.h>
#include <strings.h>

#include "sql/sqltext.h"

/* ----------------------------------------------------------------------------------------------------------
 * requests */

static void count_request(struct clusters *clusters, struct cluster *cluster, enum outcome outcome,
			  enum failure_type failure, uint64_t now_us)
{
	struct stats_cluster *stats = cluster->stats;

	(*stats_cell(&stats->requests, outcome))++;
	if (outcome == OUTCOME_SUCCESS)
		stats->last_success.value = stats_now_us();
	if (outcome == OUTCOME_FAILURE) {
		(*stats_cell(&stats->failures, failure))++;
		stats->last_failure.value = stats_now_us();
	}
	if (outcome != OUTCOME_UNKNOWN)
		threshold_request(clusters->threshold, cluster->config->name, outcome == OUTCOME_SUCCESS,
				  now_us);
}

static void on_request(void *ctx, const struct conn_view *conn, const struct session_request *request)
{
	struct clusters *clusters = ctx;

	if (conn->role.target != TARGET_MIRROR)
		return;
	members_request(clusters, conn);
	FOR_EACH_CLUSTER(clusters, &conn->role, cluster)
	{
		if (request->kind == REQUEST_IGNORED)
			(*stats_cell(&cluster->stats->ignored_requests, request->outcome))++;
		else if (request->kind == REQUEST_UPKEEP && request->outcome == OUTCOME_SUCCESS)
			cluster->stats->upkeep_requests.value++;
		else
			count_request(clusters, cluster, request->outcome, request->failure,
				      request->done_ns / 1000);
	}
}

static void on_attempt(void *ctx, const struct conn_view *conn, enum conn_attempt result, uint64_t time_ns)
{
	struct clusters *clusters = ctx;

	if (conn->role.target == TARGET_NONE && result != ATTEMPT_OK) {
		clusters->observer->unclassified_failures.value++;
		clusters->ambiguous_failures += conn->role.ambiguous;
	}
	FOR_EACH_CLUSTER(clusters, &conn->role, cluster)
	{
		(*stats_cell(&target_stats(cluster, &conn->role)->attempts, result))++;
		if (conn->role.target == TARGET_MIRROR && result != ATTEMPT_OK)
			count_request(clusters, cluster, OUTCOME_FAILURE, FAILURE_CONNECTION, time_ns / 1000);
	}
}

/* --------------------------------------------------------------------------------------------------------
 * statements */

static void on_statement(void *ctx, const struct conn_view *conn, const struct session_statement *statement)
{
	struct clusters *clusters = ctx;
	uint64_t begun = statement->begun_ns > statement->sent_ns ? statement->begun_ns : statement->sent_ns;
	uint64_t us = (statement->done_ns - begun) / 1000;

	if (!statement->query_serial && statement->outcome == OUTCOME_FAILURE)
		members_homeless(clusters, conn, statement);
	FOR_EACH_CLUSTER(clusters, &conn->role, cluster)
	{
		struct stats_target *target = target_stats(cluster, &conn->role);

		if (statement->ignored) {
			(*stats_cell(&target->ignored_statements, statement->outcome))++;
			continue;
		}
		(*stats_cell(&target->statements, statement->outcome))++;
		(*stats_cell(&target->kinds, stats_kind(statement->tag)))++;
		if (statement->outcome != OUTCOME_UNKNOWN && statement->sent_ns &&
		    statement->done_ns >= begun)
			stats_histogram_add(&target->duration, us);
	}
}

static void on_error(void *ctx, const struct conn_view *conn, const struct session_error *error)
{
	struct clusters *clusters = ctx;

	FOR_EACH_CLUSTER(clusters, &conn->role, cluster)
	stats_sqlstate_add(&target_stats(cluster, &conn->role)->errors, error->sqlstate);
}

/* -------------------------------------------------------------------------------------------------------
 * connections */

static void step(__u64 *gauge, int by)
{
	if (by > 0 || *gauge > 0) /* a restart resets gauges while connections of before are still ending */
		*gauge += by;
}

static void step_own(uint64_t *gauge, int by)
{
	if (by > 0 || *gauge > 0)
		*gauge += by;
}

static void on_state(void *ctx, const struct conn_view *conn, int was, int now)
{
	struct clusters *clusters = ctx;

	if (conn->role.target == TARGET_NONE) {
		if ((was < 0) != (now < 0))
			step(&clusters->observer->unclassified.value, now < 0 ? -1 : 1);
		if (conn->role.ambiguous && (was < 0) != (now < 0))
			step_own(&clusters->ambiguous, now < 0 ? -1 : 1);
		return;
	}
	FOR_EACH_CLUSTER(clusters, &conn->role, cluster)
	{
		struct stats_target *target = target_stats(cluster, &conn->role);

		if (was >= 0)
			step(stats_cell(&target->connections, was), -1);
		if (now >= 0)
			step(stats_cell(&target->connections, now), 1);
	}
}

static void on_bytes(void *ctx, const struct conn_view *conn, enum event_direction direction, uint64_t count)
{
	struct clusters *clusters = ctx;

	FOR_EACH_CLUSTER(clusters, &conn->role, cluster)
	*stats_cell(&target_stats(cluster, &conn->role)->bytes, direction) += count;
}

static void note_cluster(struct cluster *cluster, const struct role *role, enum session_note note)
{
	if (note == NOTE_RESYNC)
		target_stats(cluster, role)->resyncs.value++;
	else if (note == NOTE_LATE_ANSWER && role->target == TARGET_MIRROR)
		cluster->stats->late_answers.value++;
}

static void on_note(void *ctx, const struct conn_view *conn, enum session_note note)
{
	struct clusters *clusters = ctx;
	struct stats_observer *observer = clusters->observer;

	if (note == NOTE_DECODE_ERROR)
		observer->decoding_errors.value++;
	else if (note == NOTE_REPLICATION)
		observer->replication.value++;
	else if (note == NOTE_CANCEL_REQUEST)
		observer->cancel_requests.value++;
	else if (note == NOTE_PREPARED_EVICTED)
		observer->evictions.prepared++;
	else if (note == NOTE_QUEUE_OVERFLOW)
		observer->evictions.queries++;
	else if (note == NOTE_OUTCOME_EVICTED)
		observer->evictions.outcomes++;
	FOR_EACH_CLUSTER(clusters, &conn->role, cluster)
	note_cluster(cluster, &conn->role, note);
}

static void on_blind(void *ctx, const struct conn_view *conn, uint64_t ns)
{
	struct clusters *clusters = ctx;

	FOR_EACH_CLUSTER(clusters, &conn->role, cluster)
	target_stats(cluster, &conn->role)->blind.value += ns / 1000;
}

static void on_closed(void *ctx, const struct conn_view *conn)
{
	members_leave(ctx, conn);
}

static void on_sent(void *ctx, const struct conn_view *conn, const struct session_query *query)
{
	members_sent(ctx, conn, query);
}

static void on_answered(void *ctx, const struct conn_view *conn, const struct session_query *query)
{
	members_answered(ctx, conn, query);
}

/* -------------------------------------------------------------------------------------- what is asked about
 * a cluster */

#define SPACE " \t\r\n\f\v"

static bool same_text(const char *want, const char *text, size_t len)
{
	while (len && strchr(SPACE, text[0]))
		text++, len--;
	while (len && strchr(SPACE, text[len - 1]))
		len--;
	return strlen(want) == len && strncasecmp(want, text, len) == 0;
}

static bool ignored(void *ctx, const struct role *role, const char *text, size_t len)
{
	struct clusters *clusters = ctx;

	FOR_EACH_CLUSTER(clusters, role, cluster)
	for (size_t i = 0; i < cluster->config->ignore_count; i++)
		if (same_text(cluster->config->ignore_statements[i], text, len))
			return true;
	return false;
}

/* A text that begins so may go on to be this one, or a space behind it. */
static bool may_become(const char *want, const char *text, size_t len)
{
	size_t whole = strlen(want), common = len < whole ? len : whole;

	return strncasecmp(want, text, common) == 0 && strspn(text + common, SPACE) >= len - common;
}

/* Texts that run no command, like ";", have no tag; and what tag one has the text need not tell. */
static bool may_have_tag(const char *want, const char *tag)
{
	struct sqltext scan;

	if (want[strspn(want, ";" SPACE)] == 0)
		return false;
	sqltext_scan(want, strlen(want), &scan);
	return !scan.tag || !strcmp(scan.tag, tag);
}

static bool may_ignore(void *ctx, const struct role *role, const char *text, size_t len, const char *tag)
{
	struct clusters *clusters = ctx;

	while (len && strchr(SPACE, *text))
		text++, len--;
	FOR_EACH_CLUSTER(clusters, role, cluster)
	for (size_t i = 0; i < cluster->config->ignore_count; i++) {
		const char *want = cluster->config->ignore_statements[i];

		if (tag ? may_have_tag(want, tag) : may_become(want, text, len))
			return true;
	}
	return false;
}

/* Of a shared primary the longest: its statements must not be settled early in any cluster. */
static uint64_t request_timeout_ns(void *ctx, const struct role *role)
{
	struct clusters *clusters = ctx;
	uint64_t longest = 0;

	FOR_EACH_CLUSTER(clusters, role, cluster)
	{
		if (!cluster->config->request_timeout_us)
			return 0;
		if (cluster->config->request_timeout_us > longest)
			longest = cluster->config->request_timeout_us;
	}
	return longest * 1000;
}

/* Of a shared primary none where its clusters do not agree: checksums of different kinds would always differ.
 */
static enum session_results results(void *ctx, const struct role *role)
{
	static const enum session_results as_configured[] = {
	    [CHECKSUM_OFF] = RESULTS_OFF, [CHECKSUM_ORDERED] = RESULTS_ORDERED, [CHECKSUM_SET] = RESULTS_SET};
	struct clusters *clusters = ctx;
	enum session_results found = RESULTS_OFF;

	FOR_EACH_CLUSTER(clusters, role, cluster)
	{
		enum session_results mine = as_configured[cluster->config->result_checksum];

		if (found != RESULTS_OFF && mine != RESULTS_OFF && mine != found)
			return RESULTS_OFF;
		if (mine != RESULTS_OFF)
			found = mine;
	}
	return found;
}

struct conn_sink clusters_sink(struct clusters *clusters)
{
	return (struct conn_sink){.ctx = clusters,
				  .ignored = ignored,
				  .may_ignore = may_ignore,
				  .request_timeout_ns = request_timeout_ns,
				  .results = results,
				  .state = on_state,
				  .attempt = on_attempt,
				  .bytes = on_bytes,
				  .sent = on_sent,
				  .answered = on_answered,
				  .statement = on_statement,
				  .request = on_request,
				  .error = on_error,
				  .note = on_note,
				  .blind = on_blind,
				  .closed = on_closed};
}
