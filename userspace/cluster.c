/* SPDX-License-Identifier: MIT */
#include "cluster.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fingerprint.h"
#include "twins.h"
#include "verdict.h"

#define FINGERPRINTS 4096 /* statement shapes remembered, for all clusters */

struct cluster {
	const struct config_cluster *config;
	struct stats_cluster *stats;
	struct twins *twins;
	struct verdict_state *verdict;
};

/* What struct conn_view.user points to: the connection's part in each cluster that it belongs to. */
struct membership {
	unsigned int generation; /* of the cluster list */
	size_t count;
	struct member {
		struct twins *twins;
		struct twins_connection connection;
	} members[];
};

struct clusters {
	struct stats *stats;
	struct stats_observer *observer;
	struct threshold *threshold;
	struct fingerprints *fingerprints;
	struct cluster *list;
	size_t count;
	unsigned int generation; /* counts the lists: a reload makes a new one */

	/* Connections and failed connects that may be any cluster's. A connection is so until its start-up
	 * packet is seen, which is no matter: the least of some seconds counts. */
	uint64_t ambiguous, ambiguous_least[2], ambiguous_since_ns;
	uint64_t ambiguous_failures;
};

/* ----------------------------------------------------------------------------------------------------------
 * look-ups */

static struct stats_target *target_stats(struct cluster *cluster, const struct role *role)
{
	return role->target == TARGET_PRIMARY ? &cluster->stats->primary : &cluster->stats->mirror;
}

/* Iterates over the clusters in which a connection has its role: one for a mirror, several for a shared
 * primary. */
#define FOR_EACH_CLUSTER(clusters, role, cluster)                                                        \
	for (struct cluster *cluster = (clusters)->list; cluster < (clusters)->list + (clusters)->count; \
	     cluster++)                                                                                  \
		if ((role)->target != TARGET_NONE && (role)->clusters >> (cluster - (clusters)->list) & 1)

/* ------------------------------------------------------------------------------------------- comparison */

static bool is_current(const struct clusters *clusters, const struct twins *twins)
{
	for (size_t i = 0; i < clusters->count; i++)
		if (clusters->list[i].twins == twins)
			return true;
	return false;
}

static void leave(struct clusters *clusters, struct membership **membership)
{
	if (!*membership)
		return;
	for (size_t i = 0; i < (*membership)->count; i++)
		if (is_current(clusters, (*membership)->members[i].twins))
			twins_close((*membership)->members[i].twins, &(*membership)->members[i].connection);
	free(*membership);
	*membership = NULL;
}

static struct membership *join(struct clusters *clusters, const struct conn_view *conn)
{
	enum match_side side = conn->role.target == TARGET_PRIMARY ? MATCH_PRIMARY : MATCH_MIRROR;
	struct membership *fresh =
	    calloc(1, sizeof(*fresh) + __builtin_popcountll(conn->role.clusters) * sizeof(struct member));

	if (!fresh)
		return NULL;
	fresh->generation = clusters->generation;
	FOR_EACH_CLUSTER(clusters, &conn->role, cluster)
	{
		struct member *member = &fresh->members[fresh->count++];

		member->twins = cluster->twins;
		twins_open(member->twins, &member->connection, side, &conn->remote);
	}
	return fresh;
}

/* The role is settled by the start-up packet, before anything is asked; only a reload can change it later. */
static struct membership *membership_of(struct clusters *clusters, const struct conn_view *conn)
{
	struct membership **membership = (struct membership **)conn->user;

	if (*membership && (*membership)->generation != clusters->generation)
		leave(clusters, membership);
	if (!*membership && conn->role.target != TARGET_NONE)
		*membership = join(clusters, conn);
	return *membership;
}

static void on_sent(void *ctx, const struct conn_view *conn, const struct session_query *query)
{
	struct membership *membership = membership_of(ctx, conn);

	for (size_t i = 0; membership && i < membership->count; i++)
		twins_sent(membership->members[i].twins, &membership->members[i].connection, query);
}

static void on_answered(void *ctx, const struct conn_view *conn, const struct session_query *query)
{
	struct membership *membership = membership_of(ctx, conn);

	for (size_t i = 0; membership && i < membership->count; i++)
		twins_answered(membership->members[i].twins, &membership->members[i].connection, query);
}

static void end_requests(struct clusters *clusters, const struct conn_view *conn)
{
	struct membership *membership = membership_of(clusters, conn);

	for (size_t i = 0; membership && i < membership->count; i++)
		twins_request(membership->members[i].twins, &membership->members[i].connection);
}

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
	end_requests(clusters, conn);
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
	uint64_t us = (statement->done_ns - statement->sent_ns) / 1000;

	FOR_EACH_CLUSTER(clusters, &conn->role, cluster)
	{
		struct stats_target *target = target_stats(cluster, &conn->role);

		if (statement->ignored) {
			(*stats_cell(&target->ignored_statements, statement->outcome))++;
			continue;
		}
		(*stats_cell(&target->statements, statement->outcome))++;
		(*stats_cell(&target->kinds, stats_kind(statement->tag)))++;
		if (statement->outcome != OUTCOME_UNKNOWN && statement->done_ns >= statement->sent_ns)
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
	FOR_EACH_CLUSTER(clusters, &conn->role, cluster)
	note_cluster(cluster, &conn->role, note);
}

static void on_closed(void *ctx, const struct conn_view *conn)
{
	leave(ctx, (struct membership **)conn->user);
}

/* -------------------------------------------------------------------------------------- what is asked about
 * a cluster */

static bool same_text(const char *want, const char *text, size_t len)
{
	static const char space[] = " \t\r\n\f\v";

	while (len && strchr(space, text[0]))
		text++, len--;
	while (len && strchr(space, text[len - 1]))
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
	struct clusters *clusters = ctx;
	enum session_results found = RESULTS_OFF;

	FOR_EACH_CLUSTER(clusters, role, cluster)
	{
		enum session_results mine = cluster->config->result_checksum;

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
				  .closed = on_closed};
}

/* --------------------------------------------------------------------------------------------------------
 * life cycle */

static int configure_threshold(struct clusters *clusters, const struct config *config,
			       const char *const *names)
{
	return threshold_configure(clusters->threshold, names, config->cluster_count,
				   config->failure_threshold, config->window_us);
}

/* A cluster that is known hands its matcher and history on. */
static int take_cluster(struct clusters *clusters, struct cluster *cluster, const struct config *config)
{
	const struct twins_options options = {.queue_limit = cluster->config->queue_limit,
					      .ignored = cluster->config->ignore_fingerprints,
					      .ignored_count = cluster->config->fingerprint_count};
	int err = 0;

	if (!cluster->twins)
		err = twins_new(&cluster->twins, &options, cluster->stats, clusters->fingerprints);
	if (!err && !cluster->verdict)
		err = verdict_new(&cluster->verdict, &config->readiness, cluster->stats, cluster->twins);
	if (err)
		return err;
	twins_set_ignored(cluster->twins, options.ignored, options.ignored_count);
	return verdict_configure(cluster->verdict, &config->readiness, cluster->config->exposure);
}

static void inherit(struct clusters *clusters, struct cluster *cluster)
{
	for (size_t i = 0; i < clusters->count; i++)
		if (clusters->list[i].stats == cluster->stats) {
			cluster->twins = clusters->list[i].twins;
			cluster->verdict = clusters->list[i].verdict;
			clusters->list[i].twins = NULL;
			clusters->list[i].verdict = NULL;
		}
}

static void free_list(struct cluster *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		verdict_free(&list[i].verdict);
		twins_free(&list[i].twins);
	}
	free(list);
}

int clusters_configure(struct clusters *clusters, const struct config *config)
{
	const char *names[CONFIG_CLUSTERS_MAX];
	struct cluster *list = calloc(config->cluster_count + 1, sizeof(*list));
	int err;

	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < config->cluster_count; i++)
		names[i] = config->clusters[i].name;
	err = configure_threshold(clusters, config, names);
	if (err) {
		free(list);
		return err;
	}
	stats_keep_only(clusters->stats, names, config->cluster_count);
	for (size_t i = 0; i < config->cluster_count; i++) {
		list[i].config = &config->clusters[i];
		list[i].stats = stats_cluster(clusters->stats, names[i]);
		inherit(clusters, &list[i]);
	}
	free_list(clusters->list, clusters->count);
	clusters->list = list;
	clusters->count = config->cluster_count;
	clusters->generation++;
	for (size_t i = 0; !err && i < clusters->count; i++)
		err = take_cluster(clusters, &list[i], config);
	return err;
}

int clusters_new(struct clusters **out, struct stats *stats, struct threshold *threshold)
{
	struct clusters *clusters = calloc(1, sizeof(*clusters));

	if (!clusters)
		return -ENOMEM;
	clusters->stats = stats;
	clusters->observer = stats_observer(stats);
	clusters->threshold = threshold;
	if (fingerprints_new(&clusters->fingerprints, FINGERPRINTS)) {
		free(clusters);
		return -ENOMEM;
	}
	*out = clusters;
	return 0;
}

void clusters_free(struct clusters **clusters)
{
	if (!*clusters)
		return;
	free_list((*clusters)->list, (*clusters)->count);
	fingerprints_free(&(*clusters)->fingerprints);
	free(*clusters);
	*clusters = NULL;
}

/* ------------------------------------------------------------------------------------------------ figures */

#define AMBIGUOUS_PERIOD_NS 5000000000ull

static void tick_ambiguous(struct clusters *clusters, uint64_t now_ns)
{
	uint64_t *least = clusters->ambiguous_least;

	if (now_ns - clusters->ambiguous_since_ns >= AMBIGUOUS_PERIOD_NS) {
		least[0] = least[1];
		least[1] = clusters->ambiguous;
		clusters->ambiguous_since_ns = now_ns;
	}
	if (clusters->ambiguous < least[1])
		least[1] = clusters->ambiguous;
}

static uint64_t lost_bytes(const struct clusters *clusters)
{
	uint64_t sum = 0;

	for (int i = 0; i < (int)(sizeof(clusters->observer->lost_bytes) / sizeof(__u64)); i++)
		sum += *stats_cell(&clusters->observer->lost_bytes, i);
	return sum;
}

static struct verdict_surroundings surroundings(const struct clusters *clusters)
{
	const uint64_t *least = clusters->ambiguous_least;

	return (struct verdict_surroundings){
	    .losses = {.bytes = lost_bytes(clusters),
		       .records = clusters->observer->lost_records.value,
		       .unclassified_failures = clusters->ambiguous_failures},
	    .unclassified = least[0] < least[1] ? least[0] : least[1],
	};
}

void clusters_tick(struct clusters *clusters, uint64_t now_ns)
{
	struct verdict_surroundings around = surroundings(clusters);

	tick_ambiguous(clusters, now_ns);
	for (size_t i = 0; i < clusters->count; i++) {
		twins_tick(clusters->list[i].twins, now_ns);
		verdict_tick(clusters->list[i].verdict, now_ns, &around);
	}
}

void clusters_sync(struct clusters *clusters)
{
	for (size_t i = 0; i < clusters->count; i++)
		twins_sync(clusters->list[i].twins);
}

void clusters_set_clients(struct clusters *clusters, uint32_t clients)
{
	for (size_t i = 0; i < clusters->count; i++)
		twins_set_clients(clusters->list[i].twins, clients);
}

size_t clusters_count(const struct clusters *clusters)
{
	return clusters->count;
}

const struct config_cluster *clusters_config(const struct clusters *clusters, size_t i)
{
	return clusters->list[i].config;
}

struct twins *clusters_twins(const struct clusters *clusters, size_t i)
{
	return clusters->list[i].twins;
}

void clusters_readiness(struct clusters *clusters, size_t i, uint64_t now_ns, struct readiness *out)
{
	struct verdict_surroundings around = surroundings(clusters);

	twins_sync(clusters->list[i].twins);
	verdict_evaluate(clusters->list[i].verdict, now_ns, &around, out);
}

void clusters_reset(struct clusters *clusters, size_t i)
{
	verdict_reset(clusters->list[i].verdict);
}
