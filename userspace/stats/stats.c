/* SPDX-License-Identifier: MIT */
#include "stats/stats.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "stats/pinned.h"

struct stats {
	struct pinned *pinned; /* NULL: plain memory */
	struct stats_cluster *clusters;
	uint32_t max_clusters;
	struct stats_observer *observer;
};

static char error_text[512];

const char *stats_error(void)
{
	return error_text;
}

/* Figures that describe open things, which ended with the daemon that counted them. */
static void reset_gauges(struct stats *s)
{
#define RESET_gauge(set) memset(&(set), 0, sizeof(set));
#define RESET_counter(set)
#define RESET_seconds(set)
#define RESET_timestamp(set)
#define RESET_histogram(set)
#define RESET_ratio(set)
	for (uint32_t i = 0; i < s->max_clusters; i++) {
		struct stats_cluster *c = &s->clusters[i];

#define CLUSTER(field, SET, label, name, type, help) RESET_##type(c->field)
#define TARGET(field, SET, label, name, type, help) \
	RESET_##type(c->primary.field) RESET_##type(c->mirror.field)
#define OBSERVER(field, SET, label, name, type, help)
#include "stats/counters.def"
#undef CLUSTER
#undef TARGET
#undef OBSERVER
	}
#define CLUSTER(field, SET, label, name, type, help)
#define TARGET(field, SET, label, name, type, help)
#define OBSERVER(field, SET, label, name, type, help) RESET_##type(s->observer->field)
#include "stats/counters.def"
#undef CLUSTER
#undef TARGET
#undef OBSERVER
}

static int open_memory(struct stats *s, const struct stats_options *options)
{
	s->max_clusters = options->max_clusters;
	s->clusters = calloc(options->max_clusters, sizeof(*s->clusters));
	s->observer = calloc(1, sizeof(*s->observer));
	if (s->clusters && s->observer)
		return 0;
	snprintf(error_text, sizeof(error_text), "statistics: out of memory");
	return -ENOMEM;
}

static int open_pinned(struct stats *s, const struct stats_options *options)
{
	int rc = pinned_open(&s->pinned, options, error_text, sizeof(error_text));

	if (rc < 0)
		return rc;
	s->clusters = pinned_clusters(s->pinned);
	s->observer = pinned_observer(s->pinned);
	s->max_clusters = options->max_clusters;
	reset_gauges(s);
	return 0;
}

int stats_open(struct stats **out, const struct stats_options *options)
{
	struct stats *s;
	int rc;

	error_text[0] = 0;
	if (options->max_clusters == 0 || options->max_clusters > STATS_MAX_CLUSTERS) {
		snprintf(error_text, sizeof(error_text), "statistics: max_clusters must be 1 to %d",
			 STATS_MAX_CLUSTERS);
		return -EINVAL;
	}
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	rc = options->pin ? open_pinned(s, options) : open_memory(s, options);
	if (rc < 0) {
		stats_free(&s);
		return rc;
	}
	s->observer->layout = STATS_LAYOUT_VERSION;
	s->observer->pid = getpid();
	*out = s;
	return 0;
}

void stats_free(struct stats **stats)
{
	struct stats *s = *stats;

	if (!s)
		return;
	if (s->pinned) {
		pinned_free(&s->pinned);
	} else {
		free(s->clusters);
		free(s->observer);
	}
	free(s);
	*stats = NULL;
}

static struct stats_cluster *find(struct stats *stats, const char *name)
{
	for (uint32_t i = 0; i < stats->max_clusters; i++)
		if (strncmp(stats->clusters[i].name, name, sizeof(stats->clusters[i].name)) == 0)
			return &stats->clusters[i];
	return NULL;
}

struct stats_cluster *stats_cluster(struct stats *stats, const char *name)
{
	struct stats_cluster *c;

	if (!*name || strlen(name) >= sizeof(c->name))
		return NULL;
	c = find(stats, name);
	if (c)
		return c;
	c = find(stats, "");
	if (!c)
		return NULL;
	memset(c, 0, sizeof(*c));
	c->layout = STATS_LAYOUT_VERSION;
	c->size = sizeof(*c);
	strcpy(c->name, name);
	return c;
}

static bool among(const char *name, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

void stats_keep_only(struct stats *stats, const char *const *names, size_t count)
{
	for (uint32_t i = 0; i < stats->max_clusters; i++) {
		struct stats_cluster *c = &stats->clusters[i];

		if (!*c->name || among(c->name, names, count))
			continue;
		log_info("forgot the counters of cluster %s, which is no longer configured", c->name);
		memset(c, 0, sizeof(*c));
	}
}

struct stats_observer *stats_observer(struct stats *stats)
{
	return stats->observer;
}

const struct stats_cluster *stats_elements(const struct stats *stats, uint32_t *count)
{
	*count = stats->max_clusters;
	return stats->clusters;
}

uint64_t stats_bucket_bound(size_t i)
{
#define BOUND(us) us,
	static const uint64_t bounds[] = {STATS_BUCKETS(BOUND)};

	_Static_assert(sizeof(bounds) / sizeof(bounds[0]) == STATS_BUCKET_COUNT, "STATS_BUCKET_COUNT");
	return i < STATS_BUCKET_COUNT ? bounds[i] : UINT64_MAX;
}

void stats_histogram_add(struct stats_histogram *histogram, uint64_t us)
{
	size_t i = 0;

	while (i < STATS_BUCKET_COUNT && us > stats_bucket_bound(i))
		i++;
	*stats_cell(&histogram->buckets, i) += 1;
	histogram->count++;
	histogram->sum_us += us;
}

/* Five digits or upper-case letters; the server is not trusted to send nothing else. */
static bool is_sqlstate(const char *code)
{
	return strspn(code, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 5 && !code[5];
}

void stats_sqlstate_add(struct stats_sqlstates *table, const char *sqlstate)
{
	bool valid = is_sqlstate(sqlstate);

	for (size_t i = 0; valid && i < STATS_SQLSTATES; i++) {
		struct stats_sqlstate *entry = &table->known[i];

		if (!*entry->sqlstate)
			strcpy(entry->sqlstate, sqlstate);
		if (strcmp(entry->sqlstate, sqlstate) == 0) {
			entry->count++;
			return;
		}
	}
	table->other++;
}

enum stats_kind stats_kind(const char *tag)
{
	static const struct {
		const char *word; /* the tag's first */
		enum stats_kind kind;
	} kinds[] = {
	    {"SELECT", STATS_KIND_select},         {"INSERT", STATS_KIND_insert},
	    {"UPDATE", STATS_KIND_update},         {"DELETE", STATS_KIND_delete},
	    {"MERGE", STATS_KIND_merge},           {"COPY", STATS_KIND_copy},
	    {"BEGIN", STATS_KIND_transaction},     {"START", STATS_KIND_transaction},
	    {"COMMIT", STATS_KIND_transaction},    {"ROLLBACK", STATS_KIND_transaction},
	    {"SAVEPOINT", STATS_KIND_transaction}, {"RELEASE", STATS_KIND_transaction},
	    {"SET", STATS_KIND_session},           {"RESET", STATS_KIND_session},
	    {"SHOW", STATS_KIND_session},          {"DISCARD", STATS_KIND_session},
	    {"CREATE", STATS_KIND_definition},     {"ALTER", STATS_KIND_definition},
	    {"DROP", STATS_KIND_definition},       {"TRUNCATE", STATS_KIND_definition},
	    {"GRANT", STATS_KIND_definition},      {"REVOKE", STATS_KIND_definition},
	    {"COMMENT", STATS_KIND_definition},
	};
	size_t len = strchrnul(tag, ' ') - tag;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (*tag == *kinds[i].word && strlen(kinds[i].word) == len &&
		    memcmp(tag, kinds[i].word, len) == 0)
			return kinds[i].kind;
	return STATS_KIND_other;
}

uint64_t stats_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}
