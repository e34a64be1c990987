/* SPDX-License-Identifier: MIT */
#include "wire/prepared.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS_FIRST 16

const struct querytext_key prepared_unnamed;

void prepared_init(struct prepared *prepared, uint32_t max_entries, uint32_t max_bytes)
{
	memset(prepared, 0, sizeof(*prepared));
	prepared->max_entries = max_entries;
	prepared->max_bytes = max_bytes;
}

struct querytext_key prepared_name(const char *name, size_t len)
{
	return len ? querytext_key_raw(name, len) : prepared_unnamed;
}

static struct prepared_entry **bucket_of(struct prepared *prepared, const struct querytext_key *name)
{
	return &prepared->buckets[name->word[0] & (prepared->bucket_count - 1)];
}

static bool is_called(const struct prepared_entry *entry, const struct querytext_key *name)
{
	return entry->name.word[0] == name->word[0] && entry->name.word[1] == name->word[1];
}

static struct prepared_entry **find(struct prepared *prepared, const struct querytext_key *name)
{
	struct prepared_entry **at = bucket_of(prepared, name);

	while (*at && !is_called(*at, name))
		at = &(*at)->chain;
	return at;
}

static void unlink_use(struct prepared *prepared, struct prepared_entry *entry)
{
	*(entry->newer ? &entry->newer->older : &prepared->newest) = entry->older;
	*(entry->older ? &entry->older->newer : &prepared->oldest) = entry->newer;
}

static void link_newest(struct prepared *prepared, struct prepared_entry *entry)
{
	entry->newer = NULL;
	entry->older = prepared->newest;
	*(prepared->newest ? &prepared->newest->newer : &prepared->oldest) = entry;
	prepared->newest = entry;
}

static uint32_t text_bytes(const struct prepared_entry *entry)
{
	return entry->text ? entry->text->len : 0;
}

static void drop(struct prepared *prepared, struct prepared_entry **at)
{
	struct prepared_entry *entry = *at;

	*at = entry->chain;
	unlink_use(prepared, entry);
	prepared->entries--;
	prepared->bytes -= text_bytes(entry);
	querytext_put(&entry->text);
	free(entry);
}

void prepared_clear(struct prepared *prepared)
{
	while (prepared->oldest)
		drop(prepared, find(prepared, &prepared->oldest->name));
	free(prepared->buckets);
	prepared->buckets = NULL;
	prepared->bucket_count = 0;
}

void prepared_doubt(struct prepared *prepared)
{
	prepared_remove(prepared, &prepared_unnamed, 0);
	for (struct prepared_entry *entry = prepared->oldest; entry; entry = entry->newer) {
		if (entry->text)
			entry->likely_tag = entry->text->scan.tag;
		prepared->bytes -= text_bytes(entry);
		querytext_put(&entry->text);
	}
}

struct prepared_entry *prepared_get(struct prepared *prepared, const struct querytext_key *name)
{
	struct prepared_entry *entry = prepared->buckets ? *find(prepared, name) : NULL;

	if (entry && entry != prepared->newest) {
		unlink_use(prepared, entry);
		link_newest(prepared, entry);
	}
	return entry;
}

void prepared_remove(struct prepared *prepared, const struct querytext_key *name, uint64_t id)
{
	struct prepared_entry **at = prepared->buckets ? find(prepared, name) : NULL;

	if (at && *at && (!id || (*at)->id == id))
		drop(prepared, at);
}

static bool grow(struct prepared *prepared)
{
	uint32_t count = prepared->bucket_count ? prepared->bucket_count * 2 : BUCKETS_FIRST;
	struct prepared_entry **buckets;

	if (prepared->entries < prepared->bucket_count)
		return true;
	buckets = calloc(count, sizeof(*buckets));
	if (!buckets)
		return prepared->buckets; /* longer chains will do */
	free(prepared->buckets);
	prepared->buckets = buckets;
	prepared->bucket_count = count;
	for (struct prepared_entry *entry = prepared->oldest; entry; entry = entry->newer) {
		struct prepared_entry **bucket = bucket_of(prepared, &entry->name);

		entry->chain = *bucket;
		*bucket = entry;
	}
	return true;
}

static void evict(struct prepared *prepared, const struct prepared_entry *keep)
{
	while ((prepared->entries > prepared->max_entries || prepared->bytes > prepared->max_bytes) &&
	       prepared->oldest != keep) {
		drop(prepared, find(prepared, &prepared->oldest->name));
		prepared->evictions++;
	}
}

static struct prepared_entry *add(struct prepared *prepared, const struct querytext_key *name)
{
	struct prepared_entry *entry = grow(prepared) ? calloc(1, sizeof(*entry)) : NULL;

	if (!entry)
		return NULL;
	entry->name = *name;
	entry->chain = *bucket_of(prepared, name);
	*bucket_of(prepared, name) = entry;
	link_newest(prepared, entry);
	prepared->entries++;
	return entry;
}

struct prepared_entry *prepared_put(struct prepared *prepared, const struct querytext_key *name, uint64_t id,
				    struct querytext *text)
{
	struct prepared_entry *entry = prepared_get(prepared, name);

	if (!entry)
		entry = add(prepared, name);
	if (!entry) {
		querytext_put(&text);
		return NULL;
	}
	prepared->bytes -= text_bytes(entry);
	querytext_put(&entry->text);
	entry->id = id;
	entry->text = text;
	entry->likely_tag = NULL;
	entry->executed = entry->params = entry->params_known = false;
	prepared->bytes += text_bytes(entry);
	evict(prepared, entry);
	return entry;
}
