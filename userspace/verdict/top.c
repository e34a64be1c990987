/* SPDX-License-Identifier: MIT */
#include "verdict/top.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "base/quantity.h"

#define EVICTION_SAMPLE 16
#define REPEATS_ENOUGH  10  /* before the primary's own noise is believed */
#define SLOWER          1.5 /* times the primary, before a class is said to be in the way */
#define SLOWER_PAIRS    20
#define EXTRA_US        10000 /* and in all */

struct node {
	UT_hash_handle hh;
	struct top_entry entry;
	uint64_t repeat_key; /* the last primary execution, to recognise a repetition */
	uint64_t repeat_hash;
	uint64_t repeat_ns;
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

static uint64_t error_divergences(const struct top_entry *entry)
{
	return entry->divergences.mirror_only_error + entry->divergences.primary_only_error +
	       entry->divergences.sqlstate;
}

static double noise(const struct top_entry *entry)
{
	return entry->repeats ? (double)entry->repeats_differ / entry->repeats : 0;
}

double top_excess(const struct top_entry *entry)
{
	double differ = (double)entry->divergences.rows + entry->divergences.result;
	double excess = differ - noise(entry) * entry->compared;

	return excess > 0 ? excess : 0;
}

double top_extra_us(const struct top_entry *entry)
{
	return (double)entry->mirror_us - (double)entry->primary_us;
}

bool top_is_noise(const struct top_entry *entry)
{
	return entry->repeats >= REPEATS_ENOUGH && noise(entry) > 0 &&
	       top_excess(entry) <= 0.5 * noise(entry) * entry->compared + 1;
}

/* The kind of error divergence that is most frequent names the class. */
static void explain_errors(const struct top_entry *entry, char *out)
{
	const struct stats_DIVERGENCE *d = &entry->divergences;
	unsigned long long compared = entry->compared;

	if (d->mirror_only_error >= d->primary_only_error && d->mirror_only_error >= d->sqlstate)
		snprintf(out, TOP_REASON_MAX, "fails on the mirror only (%s), %llu of %llu times",
			 entry->mirror_sqlstate, (unsigned long long)d->mirror_only_error, compared);
	else if (d->sqlstate >= d->primary_only_error)
		snprintf(out, TOP_REASON_MAX, "other SQLSTATE (%s, on the primary %s), %llu of %llu times",
			 entry->mirror_sqlstate, entry->primary_sqlstate, (unsigned long long)d->sqlstate,
			 compared);
	else
		snprintf(out, TOP_REASON_MAX, "fails on the primary only (%s), %llu of %llu times",
			 entry->primary_sqlstate, (unsigned long long)d->primary_only_error, compared);
}

const char *top_reason(const struct top_entry *entry, char out[TOP_REASON_MAX])
{
	const struct stats_DIVERGENCE *d = &entry->divergences;
	unsigned long long compared = entry->compared;
	double slower = entry->primary_us ? (double)entry->mirror_us / entry->primary_us : 0;
	char times[QUANTITY_MAX], extra[QUANTITY_MAX];

	*out = 0;
	if (error_divergences(entry))
		explain_errors(entry, out);
	else if (top_excess(entry) >= 1)
		snprintf(out, TOP_REASON_MAX, "%s differ, %llu of %llu times",
			 d->rows ? "row counts" : "results", (unsigned long long)(d->rows + d->result),
			 compared);
	else if (entry->unseen)
		snprintf(out, TOP_REASON_MAX, "never seen on the mirror, %llu times on the primary",
			 (unsigned long long)entry->primary);
	else if (compared >= SLOWER_PAIRS && slower >= SLOWER && top_extra_us(entry) >= EXTRA_US)
		snprintf(out, TOP_REASON_MAX, "slower: %s, %s more in %llu times",
			 quantity(times, slower, "x"), quantity(extra, top_extra_us(entry) / 1e6, "s"),
			 compared);
	return out;
}

static int by_value(double a, double b)
{
	return a < b ? 1 : a > b ? -1 : 0; /* larger first */
}

static int compare_harm(const struct top_entry *a, const struct top_entry *b)
{
	int order = a->ignored - b->ignored;

	if (!order)
		order = by_value(error_divergences(a), error_divergences(b));
	if (!order)
		order = by_value(top_excess(a), top_excess(b));
	if (!order)
		order = b->unseen - a->unseen;
	if (!order)
		order = by_value(top_extra_us(a), top_extra_us(b));
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
	return !error_divergences(&node->entry) && top_excess(&node->entry) < 1;
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

struct top_entry *top_entry(struct top *top, uint64_t id, const char *text, uint64_t now_ns)
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

struct top_entry *top_find(struct top *top, uint64_t id)
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

static void add_divergences(struct stats_DIVERGENCE *sum, const struct stats_DIVERGENCE *more)
{
	sum->primary_only_error += more->primary_only_error;
	sum->mirror_only_error += more->mirror_only_error;
	sum->sqlstate += more->sqlstate;
	sum->rows += more->rows;
	sum->result += more->result;
}

static void merge(struct top_entry *into, const struct top_entry *from)
{
	into->primary += from->primary;
	into->mirror += from->mirror;
	into->compared += from->compared;
	add_divergences(&into->divergences, &from->divergences);
	into->primary_us += from->primary_us;
	into->mirror_us += from->mirror_us;
	into->repeats += from->repeats;
	into->repeats_differ += from->repeats_differ;
	if (*from->primary_sqlstate || *from->mirror_sqlstate) {
		memcpy(into->primary_sqlstate, from->primary_sqlstate, sizeof(into->primary_sqlstate));
		memcpy(into->mirror_sqlstate, from->mirror_sqlstate, sizeof(into->mirror_sqlstate));
	}
	if (from->first_ns < into->first_ns)
		into->first_ns = from->first_ns;
	if (from->last_ns > into->last_ns)
		into->last_ns = from->last_ns;
}

struct top_entry *top_rename(struct top *top, uint64_t from, uint64_t to, const char *text)
{
	struct node *node = find(top, from), *known = from == to ? NULL : find(top, to);
	char *copy = node ? strdup(text) : NULL;

	if (!copy)
		return NULL;
	if (known) {
		merge(&known->entry, &node->entry);
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

void top_primary_answered(struct top *top, struct top_entry *entry, uint64_t key, uint64_t outcome_hash,
			  uint64_t now_ns)
{
	struct node *node = (struct node *)((char *)entry - offsetof(struct node, entry));

	(void)top;
	if (node->repeat_ns && node->repeat_key == key && now_ns - node->repeat_ns < TOP_REPEAT_NS) {
		entry->repeats++;
		entry->repeats_differ += node->repeat_hash != outcome_hash;
	}
	node->repeat_key = key;
	node->repeat_hash = outcome_hash;
	node->repeat_ns = now_ns;
}

size_t top_worst(const struct top *top, const struct top_entry **out, size_t k)
{
	const struct node *node, *next;
	size_t n = 0;

	for (node = top->table; node; node = next) {
		size_t at = n;

		next = node->hh.next;
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
		struct top_entry *entry = &node->entry;

		entry->unseen = !entry->ignored && !entry->mirror && entry->primary >= enough &&
				now_ns - entry->first_ns > settled_ns;
		n += entry->unseen;
	}
	return n;
}

void top_each(const struct top *top, void (*one)(void *ctx, const struct top_entry *entry), void *ctx)
{
	for (const struct node *node = top->table; node; node = node->hh.next)
		one(ctx, &node->entry);
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
