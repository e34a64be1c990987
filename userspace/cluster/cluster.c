/* SPDX-License-Identifier: MIT */
#include "cluster/cluster.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/cluster_internal.h"

#define FINGERPRINTS 4096 /* statement shapes remembered, for all clusters */

/* ------------------------------------------------------------------------------- a new configuration */

static uint64_t evicted_classes(const struct cluster *cluster)
{
	return cluster->twins ? top_evicted(twins_top(cluster->twins)) : 0;
}

/* What goes no longer: its counters stay until somebody else needs their place. */
static void drop_evidence(struct clusters *clusters, struct cluster *cluster)
{
	clusters->evicted_before.classes += evicted_classes(cluster);
	verdict_free(&cluster->verdict);
	twins_free(&cluster->twins);
}

/* Statements that may wait, of all clusters together. */
static uint64_t entries_of(const struct config *config)
{
	return config->match_memory / MATCH_ENTRY_BYTES;
}

static int new_evidence(struct clusters *clusters, struct cluster *cluster,
			const struct readiness_settings *settings, uint64_t entries)
{
	const struct twins_options options = {.queue_limit = cluster->config->queue_limit,
					      .max_entries = entries,
					      .window_ns = settings->window_us * 1000,
					      .ignored = cluster->config->ignore_fingerprints,
					      .ignored_count = cluster->config->fingerprint_count};
	int err = twins_new(&cluster->twins, &options, NULL, clusters->fingerprints);

	cluster->evidence = 0;
	return err ? err : verdict_new(&cluster->verdict, settings, NULL, cluster->twins);
}

/* Where the evidence about the same cluster is, if there is any. Of results that are summed up in another way
 * every pair would differ whose halves came before and after. */
static const struct cluster *same_cluster(const struct clusters *clusters,
					  const struct config_cluster *config)
{
	for (size_t i = 0; i < clusters->count; i++) {
		const struct config_cluster *known = clusters->list[i].config;

		if (config_same_cluster(known, config) && known->result_checksum == config->result_checksum)
			return &clusters->list[i];
	}
	return NULL;
}

/* All that can fail; nothing that is in force is touched. */
static int prepare(struct clusters *clusters, const struct config *config, struct cluster *list)
{
	const char *names[CONFIG_CLUSTERS_MAX];
	int err = 0;

	for (size_t i = 0; !err && i < config->cluster_count; i++) {
		const struct cluster *same = same_cluster(clusters, &config->clusters[i]);

		names[i] = config->clusters[i].name;
		if (same)
			list[i] = *same;
		list[i].config = &config->clusters[i];
		if (!same)
			err = new_evidence(clusters, &list[i], &config->readiness, entries_of(config));
	}
	return err ? err
		   : threshold_configure(clusters->threshold, names, config->cluster_count,
					 config->failure_threshold, config->window_us);
}

static void abandon(struct clusters *clusters, struct cluster *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!list[i].evidence)
			drop_evidence(clusters, &list[i]);
	free(list);
}

/* The evidence of these goes on: it is the new list's. */
static void hand_over(struct clusters *clusters, const struct cluster *list, size_t count)
{
	for (size_t i = 0; i < clusters->count; i++)
		for (size_t j = 0; j < count; j++)
			if (list[j].twins == clusters->list[i].twins) {
				clusters->list[i].twins = NULL;
				clusters->list[i].verdict = NULL;
			}
}

static void begin_evidence(struct clusters *clusters, struct cluster *cluster)
{
	cluster->evidence = ++clusters->evidence_last;
	twins_begin(cluster->twins, cluster->stats);
	verdict_begin(cluster->verdict, cluster->stats);
	threshold_forget(clusters->threshold, cluster->config->name);
}

/* Its counters in the map, which go on by name, and what a reload may change of one that stays the same. */
static void take_up(struct clusters *clusters, struct cluster *cluster)
{
	cluster->stats = stats_cluster(clusters->stats, cluster->config->name);
	if (!cluster->evidence)
		begin_evidence(clusters, cluster);
	twins_set_level(cluster->twins, cluster->config->level);
	twins_set_ignored(cluster->twins, cluster->config->ignore_fingerprints,
			  cluster->config->fingerprint_count);
	match_set_max(twins_match(cluster->twins), clusters->entries / clusters->count);
	twins_set_queue_limit(cluster->twins, cluster->config->queue_limit);
	verdict_configure(cluster->verdict, &clusters->readiness, cluster->config->exposure);
}

static void free_list(struct clusters *clusters)
{
	for (size_t i = 0; i < clusters->count; i++)
		drop_evidence(clusters, &clusters->list[i]);
	free(clusters->list);
}

static void keep_only_named(struct clusters *clusters, const struct config *config)
{
	const char *names[CONFIG_CLUSTERS_MAX];

	for (size_t i = 0; i < config->cluster_count; i++)
		names[i] = config->clusters[i].name;
	stats_keep_only(clusters->stats, names, config->cluster_count);
}

int clusters_configure(struct clusters *clusters, const struct config *config)
{
	struct cluster *list = calloc(config->cluster_count + 1, sizeof(*list));
	int err = list ? prepare(clusters, config, list) : -ENOMEM;

	if (err) {
		if (list)
			abandon(clusters, list, config->cluster_count);
		return err;
	}
	clusters_sync(
	    clusters); /* what the evidence that goes has counted stays in the counters of its name */
	hand_over(clusters, list, config->cluster_count);
	free_list(clusters);
	keep_only_named(clusters, config);
	clusters->list = list;
	clusters->count = config->cluster_count;
	clusters->readiness = config->readiness;
	clusters->entries = entries_of(config);
	clusters->generation++;
	for (size_t i = 0; i < clusters->count; i++)
		take_up(clusters, &list[i]);
	return 0;
}

int clusters_renew(struct clusters *clusters, size_t i)
{
	struct cluster *cluster = &clusters->list[i], fresh = {.config = cluster->config};

	if (new_evidence(clusters, &fresh, &clusters->readiness, clusters->entries)) {
		drop_evidence(clusters, &fresh);
		clusters_reset(clusters, i);
		return -ENOMEM;
	}
	twins_sync(cluster->twins);
	drop_evidence(clusters, cluster);
	*cluster = fresh;
	clusters->generation++;
	take_up(clusters, cluster);
	return 0;
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
	free_list(*clusters);
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
	evictions->classes = before->classes;
	for (size_t i = 0; i < clusters->count; i++)
		evictions->classes += evicted_classes(&clusters->list[i]);
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
	readiness_diagnose(out, clusters->list[i].diagnosis, clusters->list[i].wrong);
}

void clusters_set_diagnosis(struct clusters *clusters, size_t i, const char *text, bool wrong)
{
	snprintf(clusters->list[i].diagnosis, sizeof(clusters->list[i].diagnosis), "%s", text);
	clusters->list[i].wrong = wrong;
}

const char *clusters_diagnosis(const struct clusters *clusters, size_t i)
{
	return *clusters->list[i].diagnosis ? clusters->list[i].diagnosis : NULL;
}

void clusters_reset(struct clusters *clusters, size_t i)
{
	verdict_reset(clusters->list[i].verdict);
}
