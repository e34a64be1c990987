/* SPDX-License-Identifier: MIT */
#include "watch/classify.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct entry {
	struct address_range range;
	const char *database; /* NULL = any; the configuration's */
	size_t cluster;
	enum target target;
};

struct classify {
	struct entry *entries;
	size_t count, capacity;
	char conflict[512]; /* "" = none */
};

static int add(struct classify *table, const struct entry *entry)
{
	if (table->count == table->capacity) {
		size_t capacity = table->capacity ? 2 * table->capacity : 16;
		struct entry *grown = reallocarray(table->entries, capacity, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		table->entries = grown;
		table->capacity = capacity;
	}
	table->entries[table->count++] = *entry;
	return 0;
}

struct lookup {
	classify_lookup *function;
	void *ctx;
};

static int add_address(struct classify *table, const struct config_address *address, struct entry entry,
		       const struct lookup *lookup)
{
	const struct address_range *ranges;
	size_t count;
	int err = 0;

	if (!address->host) {
		entry.range = address->range;
		return add(table, &entry);
	}
	count = lookup->function ? lookup->function(lookup->ctx, address->host, &ranges) : 0;
	for (size_t i = 0; !err && i < count; i++) {
		entry.range = ranges[i];
		entry.range.base.port = address->range.base.port;
		err = add(table, &entry);
	}
	return err;
}

/* All addresses of one endpoint that are Unix-domain sockets, or all that are not. */
static int add_endpoint(struct classify *table, const struct config_endpoint *endpoint, struct entry entry,
			bool local, const struct lookup *lookup)
{
	int err = 0;

	entry.database = endpoint->database;
	for (size_t i = 0; !err && i < endpoint->address_count; i++)
		if ((endpoint->addresses[i].range.family == ADDRESS_UNIX) == local)
			err = add_address(table, &endpoint->addresses[i], entry, lookup);
	return err;
}

static bool may_be_same_database(const struct entry *a, const struct entry *b)
{
	return !a->database || !b->database || strcmp(a->database, b->database) == 0;
}

static bool same_side(const struct entry *a, const struct entry *b)
{
	return a->target == b->target && (a->target == TARGET_PRIMARY || a->cluster == b->cluster);
}

static void note_conflict(struct classify *table, const struct config *config, const struct entry *a,
			  const struct entry *b)
{
	static const char *const sides[] = {"primary", "mirror"};
	char text[ADDRESS_TEXT_MAX];

	snprintf(table->conflict, sizeof(table->conflict),
		 "%s is now both %s of cluster %s and %s of cluster %s, by host name: its connections cannot "
		 "be told "
		 "apart",
		 address_format(&b->range.base, text), sides[a->target], config->clusters[a->cluster].name,
		 sides[b->target], config->clusters[b->cluster].name);
}

/* config_check.h has refused what clashes as written; what is left comes from names. */
static void find_conflict(struct classify *table, const struct config *config)
{
	for (size_t i = 1; i < table->count; i++)
		for (size_t j = 0; j < i; j++) {
			const struct entry *a = &table->entries[j], *b = &table->entries[i];

			if (same_side(a, b) || !may_be_same_database(a, b) ||
			    !address_range_overlaps(&a->range, &b->range))
				continue;
			note_conflict(table, config, a, b);
			return;
		}
}

static int fill(struct classify *table, const struct config *config, const struct lookup *lookup)
{
	struct entry entry;
	int err = 0;

	for (int local = 1; local >= 0; local--)
		for (size_t i = 0; !err && i < config->cluster_count; i++) {
			entry = (struct entry){.cluster = i, .target = TARGET_PRIMARY};
			err = add_endpoint(table, &config->clusters[i].primary, entry, local, lookup);
			entry.target = TARGET_MIRROR;
			err = err ?: add_endpoint(table, &config->clusters[i].mirror, entry, local, lookup);
		}
	return err;
}

int classify_new(struct classify **out, const struct config *config, classify_lookup *lookup, void *ctx)
{
	struct classify *table = calloc(1, sizeof(*table));
	struct lookup names = {lookup, ctx};

	if (!table)
		return -ENOMEM;
	if (fill(table, config, &names)) {
		classify_free(&table);
		return -ENOMEM;
	}
	find_conflict(table, config);
	*out = table;
	return 0;
}

void classify_free(struct classify **table)
{
	if (!*table)
		return;
	free((*table)->entries);
	free(*table);
	*table = NULL;
}

static bool entry_is_at(const struct entry *entry, const struct address *remote, const char *path)
{
	if (path)
		return entry->range.family == ADDRESS_UNIX && strcmp(entry->range.path, path) == 0;
	return address_range_contains(&entry->range, remote);
}

static const struct role ambiguous = {.target = TARGET_NONE, .ambiguous = true};

/* The role if the start-up packet named this database. */
static struct role with_database(const struct classify *table, const struct address *remote, const char *path,
				 const char *database)
{
	struct role role = {.target = TARGET_NONE};

	for (size_t i = 0; i < table->count; i++) {
		const struct entry *entry = &table->entries[i];
		uint64_t bit = UINT64_C(1) << entry->cluster;

		if (!entry_is_at(entry, remote, path) ||
		    (entry->database && strcmp(entry->database, database) != 0))
			continue;
		if (role.target != TARGET_NONE && role.target != entry->target)
			return ambiguous;
		if (entry->target == TARGET_MIRROR && role.clusters & ~bit)
			return ambiguous;
		role.target = entry->target;
		role.clusters |= bit;
	}
	return role;
}

static bool same_role(const struct role *a, const struct role *b)
{
	return a->target == b->target && a->clusters == b->clusters && a->ambiguous == b->ambiguous;
}

struct role classify(const struct classify *table, const struct address *remote, const char *path,
		     const char *database)
{
	struct role role = {.target = TARGET_NONE}, other;
	bool first = true;

	if (database)
		return with_database(table, remote, path, database);
	for (size_t i = 0; i < table->count; i++) {
		const struct entry *entry = &table->entries[i];

		if (!entry_is_at(entry, remote, path))
			continue;
		/* "": no database has that name, so only those that take any answer. */
		other = with_database(table, remote, path, entry->database ? entry->database : "");
		if (!first && !same_role(&role, &other))
			return ambiguous;
		role = other;
		first = false;
	}
	return role;
}

static bool is_of(const struct entry *entry, size_t cluster, enum target target)
{
	return entry->cluster == cluster && entry->target == target;
}

static bool side_moved(const struct classify *before, const struct classify *now, size_t cluster,
		       enum target target)
{
	bool was = false, is = false;

	for (size_t i = 0; i < before->count; i++)
		for (size_t j = 0; is_of(&before->entries[i], cluster, target) && j < now->count; j++) {
			const struct entry *a = &before->entries[i], *b = &now->entries[j];

			if (is_of(b, cluster, target) && address_range_overlaps(&a->range, &b->range))
				return false;
			is |= is_of(b, cluster, target);
			was = true;
		}
	return was && is;
}

bool classify_moved(const struct classify *before, const struct classify *now, size_t cluster)
{
	return side_moved(before, now, cluster, TARGET_PRIMARY) ||
	       side_moved(before, now, cluster, TARGET_MIRROR);
}

const struct address_range *classify_range(const struct classify *table, size_t i)
{
	return i < table->count ? &table->entries[i].range : NULL;
}

const char *classify_conflict(const struct classify *table)
{
	return table->conflict[0] ? table->conflict : NULL;
}
