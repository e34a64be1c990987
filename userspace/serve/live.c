/* SPDX-License-Identifier: MIT */
#include "serve/live.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/quantity.h"
#include "serve/sentence.h"

#define RECENT_S 10

struct live {
	struct live_cluster **list;
	size_t count;
	uint64_t now_s, ticks;
};

/* ------------------------------------------------------------------------------------------- the list */

static void free_cluster(struct live_cluster *cluster)
{
	if (!cluster)
		return;
	series_free(&cluster->series);
	classlog_free(&cluster->classes);
	free(cluster);
}

static uint64_t hash_text(const char *text)
{
	return text ? XXH3_64bits(text, strlen(text)) : 0;
}

/* Addresses may be listed in any order. */
static uint64_t hash_endpoint(const struct config_endpoint *endpoint)
{
	uint64_t sum = hash_text(endpoint->database) * 31;

	for (size_t i = 0; i < endpoint->address_count; i++)
		sum += hash_text(endpoint->addresses[i].text);
	return sum;
}

static uint64_t identity_of(const struct config_cluster *config)
{
	const uint64_t parts[] = {hash_text(config->name), hash_endpoint(&config->primary),
				  hash_endpoint(&config->mirror)};

	return XXH3_64bits(parts, sizeof(parts));
}

static struct live_cluster *new_cluster(const char *name, uint64_t identity)
{
	struct live_cluster *cluster = calloc(1, sizeof(*cluster));

	if (!cluster)
		return NULL;
	snprintf(cluster->name, sizeof(cluster->name), "%s", name);
	cluster->identity = identity;
	cluster->readiness.verdict = VERDICT_INSUFFICIENT_DATA;
	if (series_new(&cluster->series) || classlog_new(&cluster->classes)) {
		free_cluster(cluster);
		return NULL;
	}
	return cluster;
}

static struct live_cluster *take(struct live *live, const struct config_cluster *config)
{
	uint64_t identity = identity_of(config);

	for (size_t i = 0; i < live->count; i++) {
		struct live_cluster *cluster = live->list[i];

		if (cluster && cluster->identity == identity) {
			live->list[i] = NULL;
			return cluster;
		}
	}
	return new_cluster(config->name, identity);
}

static bool is_in_order(const struct live *live, const struct clusters *clusters)
{
	if (live->count != clusters_count(clusters))
		return false;
	for (size_t i = 0; i < live->count; i++)
		if (live->list[i]->identity != identity_of(clusters_config(clusters, i)))
			return false;
	return true;
}

static void empty(struct live *live)
{
	for (size_t i = 0; i < live->count; i++)
		free_cluster(live->list[i]);
	free(live->list);
	live->list = NULL;
	live->count = 0;
}

/* After a reload: known clusters go on, others begin, the rest is forgotten. Without memory for all nothing
 * is shown, rather than something wrong. */
static void follow(struct live *live, const struct clusters *clusters)
{
	size_t count = clusters_count(clusters);
	struct live_cluster **list;

	if (is_in_order(live, clusters))
		return;
	list = calloc(count + 1, sizeof(*list));
	for (size_t i = 0; list && i < count; i++) {
		list[i] = take(live, clusters_config(clusters, i));
		if (!list[i])
			count = i;
	}
	empty(live);
	live->list = list;
	live->count = list ? count : 0;
}

/* --------------------------------------------------------------------------------------------- a second */

static const char *verdict_text(enum verdict verdict)
{
	static const char *const texts[] = {"ready", "not ready", "not enough seen"};

	return texts[verdict];
}

static void note_verdict(struct live_cluster *cluster, enum verdict before, uint64_t now_s)
{
	if (before == cluster->readiness.verdict && cluster->since_s)
		return;
	cluster->since_s = now_s;
	marks_add(&cluster->marks, now_s, MARK_VERDICT, verdict_text(cluster->readiness.verdict));
}

static void write_sentence(struct live_cluster *cluster, const struct top *top, const char *diagnosis)
{
	struct buffer text = {0};

	sentence_write(&text, &cluster->readiness, top, diagnosis);
	*cluster->sentence = 0;
	if (text.data && !text.failed)
		snprintf(cluster->sentence, sizeof(cluster->sentence), "%s", text.data);
	buffer_free(&text);
}

static double lost_bytes(const struct stats_observer *observer)
{
	double sum = 0;

	for (size_t i = 0; i < sizeof(observer->lost_bytes) / sizeof(__u64); i++)
		sum += ((const __u64 *)&observer->lost_bytes)[i];
	return sum;
}

static void tick_cluster(struct live_cluster *cluster, size_t i, const struct live_tick *tick)
{
	struct twins *twins = clusters_twins(tick->clusters, i);
	enum verdict before = cluster->readiness.verdict;
	struct series_input input = {.stats = clusters_stats(tick->clusters, i),
				     .lost_bytes = lost_bytes(tick->observer),
				     .queue_depth = match_depth(twins_match(twins), tick->now_ns)};

	clusters_readiness(tick->clusters, i, tick->now_ns, &cluster->readiness);
	note_verdict(cluster, before, tick->now_s);
	write_sentence(cluster, twins_top(twins), tick->diagnosis ? tick->diagnosis(tick->ctx, i) : NULL);
	input.verdict = cluster->readiness.verdict;
	series_tick(cluster->series, tick->now_s, &input);
	classlog_tick(cluster->classes, twins_top(twins), tick->now_s);
}

void live_tick(struct live *live, const struct live_tick *tick)
{
	if (tick->clusters)
		follow(live, tick->clusters);
	else
		empty(live);
	live->now_s = tick->now_s;
	live->ticks++;
	for (size_t i = 0; i < live->count; i++)
		tick_cluster(live->list[i], i, tick);
}

void live_mark(struct live *live, const char *cluster, uint64_t now_s, enum mark_kind kind, const char *text)
{
	for (size_t i = 0; i < live->count; i++)
		if (!cluster || strcmp(live->list[i]->name, cluster) == 0)
			marks_add(&live->list[i]->marks, now_s, kind, text);
}

void live_mark_start(struct live *live, uint64_t now_s)
{
	char text[MARKS_TEXT_MAX], away[QUANTITY_MAX];

	for (size_t i = 0; i < live->count; i++) {
		uint64_t end = series_end(live->list[i]->series, SERIES_5M);

		if (end && end < now_s)
			snprintf(text, sizeof(text), "observer started, %s not observed",
				 quantity(away, now_s - end, "s"));
		else
			snprintf(text, sizeof(text), "observer started");
		marks_add(&live->list[i]->marks, now_s, MARK_START, text);
	}
}

/* -------------------------------------------------------------------------------------------- to be shown */

size_t live_count(const struct live *live)
{
	return live->count;
}

const struct live_cluster *live_get(const struct live *live, size_t i)
{
	return live->list[i];
}

const struct live_cluster *live_find(const struct live *live, const char *name)
{
	for (size_t i = 0; i < live->count; i++)
		if (strcmp(live->list[i]->name, name) == 0)
			return live->list[i];
	return NULL;
}

uint64_t live_now_s(const struct live *live)
{
	return live->now_s;
}

uint64_t live_ticks(const struct live *live)
{
	return live->ticks;
}

double live_recent(const struct live_cluster *cluster, enum series_id id)
{
	uint64_t end = series_end(cluster->series, SERIES_5M);
	double sum = 0, value;
	int known = 0;

	for (uint64_t s = end; s > 0 && s > end - RECENT_S; s--) {
		value = series_value(cluster->series, SERIES_5M, id, s);
		if (isnan(value))
			continue;
		sum += value;
		known++;
	}
	return known ? sum / known : NAN;
}

/* -------------------------------------------------------------------------------------------- in a file */

/* One after the other: this, then the points. */
struct saved {
	char name[64];
	uint64_t identity;
	struct marks marks;
};

static size_t saved_bytes(void)
{
	return sizeof(struct saved) + series_saved_bytes();
}

uint64_t live_layout(void)
{
	const uint64_t parts[] = {series_layout(), saved_bytes(), sizeof(struct saved)};

	return XXH3_64bits(parts, sizeof(parts));
}

void live_save(const struct live *live, struct buffer *out)
{
	for (size_t i = 0; i < live->count; i++) {
		const struct live_cluster *cluster = live->list[i];
		struct saved saved = {.identity = cluster->identity, .marks = cluster->marks};

		memcpy(saved.name, cluster->name, sizeof(saved.name));
		buffer_append(out, &saved, sizeof(saved));
		series_save(cluster->series, out);
	}
}

static struct live_cluster *restore_one(const char *data)
{
	struct live_cluster *cluster;
	struct saved saved;

	memcpy(&saved, data, sizeof(saved));
	saved.name[sizeof(saved.name) - 1] = 0;
	cluster = new_cluster(saved.name, saved.identity);
	if (!cluster)
		return NULL;
	cluster->marks = saved.marks;
	for (size_t i = 0; i < MARKS_MAX; i++)
		cluster->marks.list[i].text[MARKS_TEXT_MAX - 1] = 0;
	series_restore(cluster->series, data + sizeof(saved), series_saved_bytes());
	return cluster;
}

int live_restore(struct live *live, const void *data, size_t len)
{
	size_t count = len / saved_bytes();
	struct live_cluster **list;

	if (len % saved_bytes())
		return -EINVAL;
	list = calloc(count + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	empty(live);
	live->list = list;
	for (; live->count < count; live->count++) {
		list[live->count] = restore_one((const char *)data + live->count * saved_bytes());
		if (!list[live->count]) {
			empty(live);
			return -ENOMEM;
		}
	}
	return 0;
}

/* ------------------------------------------------------------------------------------------------- life */

int live_new(struct live **out)
{
	*out = calloc(1, sizeof(**out));
	return *out ? 0 : -ENOMEM;
}

void live_free(struct live **live)
{
	if (!*live)
		return;
	empty(*live);
	free(*live);
	*live = NULL;
}
