/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "match/pending.h"

#define FIRST_BUCKETS 1024u /* a power of two */
#define LATE_STEPS    1024u /* that a late-comer is put back at most */

static uint32_t *bucket_at(const struct pending *pending, uint32_t number)
{
	return slab_at(&pending->buckets, number + 1);
}

/* Linear hashing: buckets below bucket_count - level are already split and take one more bit of the key. */
static uint32_t bucket_of(const struct pending *pending, uint64_t key)
{
	uint64_t mixed = key * 0x9e3779b97f4a7c15ull;
	uint32_t hash = (uint32_t)(mixed >> 32);
	uint32_t number = hash & (2 * pending->level - 1);

	return number < pending->bucket_count ? number : hash & (pending->level - 1);
}

int pending_init(struct pending *pending, uint32_t max)
{
	uint32_t buckets = max < FIRST_BUCKETS ? FIRST_BUCKETS : max;
	int err;

	memset(pending, 0, sizeof(*pending));
	err = slab_init(&pending->entries, sizeof(struct entry), max);
	if (!err)
		err = slab_init(&pending->buckets, sizeof(uint32_t), buckets);
	while (!err && pending->bucket_count < FIRST_BUCKETS) {
		if (!slab_take(&pending->buckets))
			err = -ENOMEM;
		pending->bucket_count++;
	}
	pending->level = FIRST_BUCKETS;
	if (err)
		pending_done(pending);
	return err;
}

void pending_done(struct pending *pending)
{
	slab_done(&pending->entries);
	slab_done(&pending->buckets);
}

void pending_set_max(struct pending *pending, uint32_t max)
{
	pending->entries.limit = max < pending->entries.max ? max : pending->entries.max;
}

size_t pending_bytes(const struct pending *pending)
{
	return slab_bytes(&pending->entries) + slab_bytes(&pending->buckets);
}

uint32_t pending_take(struct pending *pending)
{
	return slab_take(&pending->entries);
}

void pending_give(struct pending *pending, uint32_t index)
{
	slab_give(&pending->entries, index);
}

static void bucket_push(struct pending *pending, uint32_t index)
{
	uint32_t *bucket = bucket_at(pending, bucket_of(pending, pending_at(pending, index)->key));

	pending_at(pending, index)->same.next_key = *bucket;
	*bucket = index;
}

/* One more bucket when there are more keys than buckets; the keys of one old bucket are dealt anew. */
static void split_one(struct pending *pending)
{
	uint32_t old, index, next;

	if (pending->keys <= pending->bucket_count || !slab_take(&pending->buckets))
		return;
	old = pending->bucket_count - pending->level;
	index = *bucket_at(pending, old);
	*bucket_at(pending, old) = 0;
	if (++pending->bucket_count == 2 * pending->level) {
		pending->level *= 2;
	}
	for (; index; index = next) {
		next = pending_at(pending, index)->same.next_key;
		bucket_push(pending, index);
	}
}

uint32_t pending_find(const struct pending *pending, uint64_t key)
{
	uint32_t index = *bucket_at(pending, bucket_of(pending, key));

	while (index && pending_at(pending, index)->key != key)
		index = pending_at(pending, index)->same.next_key;
	return index;
}

/* Where the list of the bucket refers to the oldest entry of a key. */
static uint32_t *key_link(struct pending *pending, uint32_t oldest)
{
	uint32_t *link = bucket_at(pending, bucket_of(pending, pending_at(pending, oldest)->key));

	while (*link != oldest)
		link = &pending_at(pending, *link)->same.next_key;
	return link;
}

void pending_add(struct pending *pending, uint32_t index, uint64_t key)
{
	uint32_t oldest = pending_find(pending, key), before;
	struct entry *entry = pending_at(pending, index);

	entry->key = key;
	if (!oldest) {
		entry->same.younger = entry->same.older = index;
		bucket_push(pending, index);
		pending->keys++;
		split_one(pending);
		return;
	}
	before = pending_at(pending, oldest)->same.older;
	for (unsigned n = 0;
	     n < LATE_STEPS && before != oldest && pending_at(pending, before)->time > entry->time; n++)
		before = pending_at(pending, before)->same.older;
	entry->same.older = before;
	entry->same.younger = pending_at(pending, before)->same.younger;
	pending_at(pending, entry->same.younger)->same.older = index;
	pending_at(pending, before)->same.younger = index;
}

void pending_remove(struct pending *pending, uint32_t index)
{
	struct entry *entry = pending_at(pending, index);
	uint32_t next = entry->same.younger;

	if (pending_find(pending, entry->key) == index) {
		uint32_t *link = key_link(pending, index);

		if (next == index) {
			*link = entry->same.next_key;
			pending->keys--;
		} else {
			pending_at(pending, next)->same.next_key = entry->same.next_key;
			*link = next;
		}
	}
	pending_at(pending, next)->same.older = entry->same.older;
	pending_at(pending, entry->same.older)->same.younger = next;
	entry->same.younger = entry->same.older = entry->same.next_key = 0;
}

void pending_age_add(struct pending *pending, struct age_list *list, uint32_t index)
{
	struct entry *entry = pending_at(pending, index);
	uint32_t before = list->youngest;

	for (unsigned n = 0; n < LATE_STEPS && before && pending_at(pending, before)->time > entry->time; n++)
		before = pending_at(pending, before)->age_prev;
	entry->age_prev = before;
	entry->age_next = before ? pending_at(pending, before)->age_next : list->oldest;
	*(before ? &pending_at(pending, before)->age_next : &list->oldest) = index;
	*(entry->age_next ? &pending_at(pending, entry->age_next)->age_prev : &list->youngest) = index;
	list->count++;
}

void pending_age_remove(struct pending *pending, struct age_list *list, uint32_t index)
{
	struct entry *entry = pending_at(pending, index);

	*(entry->age_prev ? &pending_at(pending, entry->age_prev)->age_next : &list->oldest) =
	    entry->age_next;
	*(entry->age_next ? &pending_at(pending, entry->age_next)->age_prev : &list->youngest) =
	    entry->age_prev;
	entry->age_next = entry->age_prev = 0;
	list->count--;
}
