/* SPDX-License-Identifier: MIT */
#include "verdict/top.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#define EVICTION_SAMPLE 16
#define RECENT          8 /* statements of a class that are remembered to be recognised, on each side */
#define UNCOMPARED      3 /* pairs of a class, before it is missed that none could be compared */

/* To recognise a repetition. */
struct execution {
	uint64_t key, hash, ns;
};

struct node {
	UT_hash_handle hh;
	struct class_record entry;
	struct execution last[MATCH_SIDES][RECENT];
};

/* Another number of a class: what was sent before it was renamed is still to be answered. */
struct alias {
	UT_hash_handle hh;
	uint64_t from, to;
};

struct top {
	struct node *table;
	struct alias *aliases; /* at most `capacity`; past that the oldest goes */
	size_t capacity;
	uint64_t evicted;
};

/* ---------------------------------------------------------------------------------------------------------------
 * harm */

static int by_value(double a, double b)
{
	return a < b ? 1 : a > b ? -1 : 0; /* larger first */
}

static int compare_harm(const struct class_record *a, const struct class_record *b)
{
	int order = a->ignored - b->ignored;

	if (!order)
		order = by_value(class_errors(a), class_errors(b));
	if (!order)
		order = by_value(class_excess(a), class_excess(b));
	if (!order)
		order = b->unseen - a->unseen;
	if (!order)
		order = by_value(class_extra_us(a), class_extra_us(b));
	return order;
}

/* --------------------------------------------------------------------------------------------------------------
 * table */

static void forget(struct top *top, struct node *node)
{
	HASH_DEL(top->table, node);
	free(node->entry.text);
	free(node);
}

static bool harmless(const struct node *node)
{
	return !class_errors(&node->entry) && class_excess(&node->entry) < 1;
}

/* uthash keeps insertion order, so the sample is of the oldest; survivors go to the end. */
static void evict_one(struct top *top)
{
	struct node *victim = top->table;

	for (int i = 0; i < EVICTION_SAMPLE && top->table; i++) {
		struct node *node = top->table;

		HASH_DELETE(hh, top->table, node);
		HASH_ADD(hh, top->table, entry.id, sizeof(node->entry.id), node);
		if (harmless(node) > harmless(victim) ||
		    (harmless(node) == harmless(victim) && node->entry.last_ns < victim->entry.last_ns))
			victim = node;
	}
	forget(top, victim);
	top->evicted++;
}

static struct node *create(struct top *top, uint64_t id, const char *text, uint64_t now_ns)
{
	struct node *node;

	if (HASH_COUNT(top->table) >= top->capacity)
		evict_one(top);
	node = calloc(1, sizeof(*node));
	if (!node)
		return NULL;
	node->entry.id = id;
	node->entry.first_ns = now_ns;
	node->entry.text = strdup(text);
	if (!node->entry.text) {
		free(node);
		return NULL;
	}
	HASH_ADD(hh, top->table, entry.id, sizeof(node->entry.id), node);
	return node;
}

struct class_record *top_entry(struct top *top, uint64_t id, const char *text, uint64_t now_ns)
{
	struct node *node;

	HASH_FIND(hh, top->table, &id, sizeof(id), node);
	if (!node)
		node = create(top, id, text, now_ns);
	if (!node)
		return NULL;
	node->entry.last_ns = now_ns;
	return &node->entry;
}

static struct node *find(struct top *top, uint64_t id)
{
	struct node *node;

	HASH_FIND(hh, top->table, &id, sizeof(id), node);
	return node;
}

struct class_record *top_find(struct top *top, uint64_t id)
{
	struct node *node = find(top, id);
	struct alias *alias;

	if (!node) {
		HASH_FIND(hh, top->aliases, &id, sizeof(id), alias);
		node = alias ? find(top, alias->to) : NULL;
	}
	return node ? &node->entry : NULL;
}

/* --------------------------------------------------------------------------------------------------------------
 * other numbers of a class */

static void forget_alias(struct top *top, struct alias *alias)
{
	HASH_DEL(top->aliases, alias);
	free(alias);
}

static void remember_alias(struct top *top, uint64_t from, uint64_t to)
{
	struct alias *alias;

	HASH_FIND(hh, top->aliases, &from, sizeof(from), alias);
	if (!alias) {
		if (HASH_COUNT(top->aliases) >= top->capacity)
			forget_alias(top, top->aliases);
		alias = calloc(1, sizeof(*alias));
		if (!alias)
			return; /* those answers are not counted by class */
		alias->from = from;
		HASH_ADD(hh, top->aliases, from, sizeof(from), alias);
	}
	alias->to = to;
}

struct class_record *top_rename(struct top *top, uint64_t from, uint64_t to, const char *text)
{
	struct node *node = find(top, from), *known = from == to ? NULL : find(top, to);
	char *copy = node ? strdup(text) : NULL;

	if (!copy)
		return NULL;
	if (known) {
		class_merge(&known->entry, &node->entry);
		forget(top, node);
		node = known;
	} else if (from != to) {
		HASH_DEL(top->table, node);
		node->entry.id = to;
		HASH_ADD(hh, top->table, entry.id, sizeof(to), node);
	}
	if (from != to)
		remember_alias(top, from, to);
	free(node->entry.text);
	node->entry.text = copy;
	return &node->entry;
}

void top_answered(struct top *top, struct class_record *record, enum match_side side, uint64_t key,
		  uint64_t outcome_hash, uint64_t sent_ns)
{
	struct node *node = (struct node *)((char *)record - offsetof(struct node, entry));
	struct execution *last = &node->last[side][key % RECENT];
	uint64_t apart = sent_ns > last->ns ? sent_ns - last->ns : last->ns - sent_ns;

	(void)top;
	if (last->ns && last->key == key && apart < CLASS_REPEAT_NS) {
		record->repeats[side].count++;
		record->repeats[side].differ += last->hash != outcome_hash;
	}
	*last = (struct execution){key, outcome_hash, sent_ns};
}

size_t top_worst(const struct top *top, const struct class_record **out, size_t k)
{
	const struct node *node, *next;
	size_t n = 0;

	for (node = top->table; node; node = next) {
		size_t at = n;

		next = node->hh.next;
		if (node->entry.unpaired && !class_errors(&node->entry))
			continue;
		while (at > 0 && compare_harm(&node->entry, out[at - 1]) < 0)
			at--;
		if (at >= k)
			continue;
		if (n < k)
			n++;
		memmove(&out[at + 1], &out[at], (n - 1 - at) * sizeof(*out));
		out[at] = &node->entry;
	}
	return n;
}

size_t top_mark_unseen(struct top *top, double enough, uint64_t settled_ns, uint64_t now_ns)
{
	size_t n = 0;

	for (struct node *node = top->table; node; node = node->hh.next) {
		struct class_record *entry = &node->entry;

		entry->unseen = !entry->ignored && !entry->unpaired && !entry->mirror &&
				entry->primary >= enough && now_ns - entry->first_ns > settled_ns;
		n += entry->unseen;
	}
	return n;
}

void top_each(const struct top *top, void (*one)(void *ctx, const struct class_record *entry), void *ctx)
{
	for (const struct node *node = top->table; node; node = node->hh.next)
		one(ctx, &node->entry);
}

static bool worse(const struct class_record *record, enum class_fault fault, const struct class_record *worst)
{
	if (!worst || class_fault(worst) != fault)
		return !worst || fault > class_fault(worst);
	return compare_harm(record, worst) < 0;
}

static void count_variation(struct top_faults *faults, const struct class_record *record)
{
	double differ = (double)record->divergences.rows + record->divergences.result;
	enum class_variation variation = class_variation(record);

	if (record->ignored)
		return;
	if (variation != CLASS_DIFFERS)
		faults->open += differ - record->noisy;
	else
		faults->revoked += record->noisy;
}

struct top_faults top_faults(struct top *top)
{
	struct top_faults faults = {0};

	for (struct node *node = top->table; node; node = node->hh.next) {
		const struct class_record *record = &node->entry;
		enum class_fault fault = class_fault(record);

		faults.broken += fault == CLASS_BROKEN;
		faults.doubtful += fault == CLASS_DOUBTFUL;
		count_variation(&faults, record);
		faults.uncompared +=
		    !record->ignored && !record->compared && record->uncompared >= UNCOMPARED;
		if (fault != CLASS_FINE && worse(record, fault, faults.worst))
			faults.worst = record;
	}
	return faults;
}

uint64_t top_settle_unpaired(struct top *top)
{
	uint64_t grew = 0;

	for (struct node *node = top->table; node; node = node->hh.next) {
		uint64_t before = node->entry.divergences.mirror_only_error;

		class_settle_unpaired(&node->entry);
		grew += node->entry.divergences.mirror_only_error - before;
	}
	return grew;
}

size_t top_count(const struct top *top)
{
	return HASH_COUNT(top->table);
}

uint64_t top_evicted(const struct top *top)
{
	return top->evicted;
}

void top_reset(struct top *top)
{
	while (top->table)
		forget(top, top->table);
	while (top->aliases)
		forget_alias(top, top->aliases);
}

int top_new(struct top **out, size_t capacity)
{
	struct top *top = calloc(1, sizeof(*top));

	if (!top)
		return -ENOMEM;
	top->capacity = capacity;
	*out = top;
	return 0;
}

void top_free(struct top **top)
{
	if (!*top)
		return;
	top_reset(*top);
	free(*top);
	*top = NULL;
}
