/* SPDX-License-Identifier: MIT */
#include "cluster/cluster.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/cluster_internal.h"

#define FINGERPRINTS 4096 /* statement shapes remembered, for all clusters */

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

static uint64_t evicted_classes(const struct cluster *list, size_t count)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < count; i++)
		if (list[i].twins)
			sum += top_evicted(twins_top(list[i].twins));
	return sum;
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
	clusters->evicted_before.classes += evicted_classes(clusters->list, clusters->count);
	free_list(clusters->list, clusters->count);
	clusters->list = list;
	clusters->count = config->cluster_count;
	clusters->generation++;
	for (size_t i = 0; !err && i < clusters->count; i++)
		err = take_cluster(clusters, &list[i], config);
	return err;
}

int clusters_new(struct clusters **out, struct stats *stats, struct threshold *threshold,
		 struct parser *parser)
{
	struct clusters *clusters = calloc(1, sizeof(*clusters));

	if (!clusters)
		return -ENOMEM;
	clusters->stats = stats;
	clusters->observer = stats_observer(stats);
	clusters->evicted_before = clusters->observer->evictions;
	clusters->threshold = threshold;
	if (fingerprints_new(&clusters->fingerprints, FINGERPRINTS, parser)) {
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

static void on_named(void *ctx, uint64_t before, const struct fingerprint *now)
{
	struct clusters *clusters = ctx;

	for (size_t i = 0; i < clusters->count; i++)
		twins_named(clusters->list[i].twins, before, now);
}

bool clusters_collect_names(struct clusters *clusters)
{
	return fingerprints_collect(clusters->fingerprints, on_named, clusters);
}

void clusters_sync(struct clusters *clusters)
{
	const struct stats_TABLE *before = &clusters->evicted_before;
	struct stats_TABLE *evictions = &clusters->observer->evictions;

	for (size_t i = 0; i < clusters->count; i++)
		twins_sync(clusters->list[i].twins);
	evictions->fingerprints = before->fingerprints + fingerprints_evicted(clusters->fingerprints);
	evictions->classes = before->classes + evicted_classes(clusters->list, clusters->count);
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

const struct stats_cluster *clusters_stats(const struct clusters *clusters, size_t i)
{
	return clusters->list[i].stats;
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
