/* SPDX-License-Identifier: MIT */
#include "sql/fingerprint.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <xxhash.h>

#include "sql/sqlshape.h"

#define RECENT 1024

struct entry {
	UT_hash_handle hh; /* uthash keeps insertion order: the head is looked at first for eviction */
	uint64_t shape;
	bool used;  /* since it was last looked at for eviction */
	bool asked; /* or there is nothing to ask: the next statement need not */
	struct fingerprint fingerprint;
};

/* A text that was asked for lately, by the hash of its bytes: spares prepared statements the lexer. */
struct recent {
	uint64_t text;
	struct entry *entry;
};

struct fingerprints {
	struct parser *parser;
	struct entry *table;
	size_t capacity;
	uint64_t evicted;
	struct recent recent[RECENT];
	/* While answers are taken. */
	fingerprint_named *named;
	void *named_ctx;
};

static void forget(struct fingerprints *fingerprints, struct entry *entry)
{
	memset(fingerprints->recent, 0, sizeof(fingerprints->recent));
	HASH_DEL(fingerprints->table, entry);
	free(entry->fingerprint.text);
	free(entry);
}

/* Of those not used since their last turn the oldest: nearly the least recently used, and a hit costs
 * nothing.
 */
static void evict_one(struct fingerprints *fingerprints)
{
	struct entry *entry;

	while ((entry = fingerprints->table)->used) {
		entry->used = false;
		HASH_DELETE(hh, fingerprints->table, entry);
		HASH_ADD(hh, fingerprints->table, shape, sizeof(entry->shape), entry);
	}
	forget(fingerprints, entry);
	fingerprints->evicted++;
}

/* What is known at once. */
static int describe(struct entry *entry, const char *text, size_t len, bool cut)
{
	struct naming naming;

	entry->asked = cut || len > NAMING_INPUT_MAX;
	if (entry->asked)
		naming_unparsed(text, len, &naming);
	else
		naming_tag(text, len, &naming);
	entry->fingerprint.id = entry->shape;
	entry->fingerprint.text = strdup(naming.text);
	return entry->fingerprint.text ? 0 : -ENOMEM;
}

static struct entry *remember(struct fingerprints *fingerprints, uint64_t shape, const char *text, size_t len,
			      bool cut)
{
	struct entry *entry = calloc(1, sizeof(*entry));

	if (!entry)
		return NULL;
	entry->shape = shape;
	if (describe(entry, text, len, cut)) {
		free(entry);
		return NULL;
	}
	if (HASH_COUNT(fingerprints->table) >= fingerprints->capacity)
		evict_one(fingerprints);
	HASH_ADD(hh, fingerprints->table, shape, sizeof(entry->shape), entry);
	return entry;
}

static struct entry *entry_of(struct fingerprints *fingerprints, const char *text, size_t len, bool cut)
{
	struct entry *entry;
	uint64_t shape = 0; /* of all that cannot be read */

	if (sqlshape_hash(text, len, &shape))
		shape = 0;
	HASH_FIND(hh, fingerprints->table, &shape, sizeof(shape), entry);
	if (entry) {
		entry->used = true;
		return entry;
	}
	return shape ? remember(fingerprints, shape, text, len, cut) : remember(fingerprints, 0, "", 0, true);
}

/* A parser that has too much to do is asked at the next statement of the shape. */
static void ask(struct fingerprints *fingerprints, struct entry *entry, const char *text, size_t len)
{
	if (fingerprints->parser)
		entry->asked = parser_ask(fingerprints->parser, entry->shape, text, len) != -ENOBUFS;
}

const struct fingerprint *fingerprint_of(struct fingerprints *fingerprints, const char *text, size_t len,
					 int cut)
{
	uint64_t hash = XXH3_64bits(text, len);
	struct recent *recent = &fingerprints->recent[hash % RECENT];

	if (recent->entry && recent->text == hash) {
		recent->entry->used = true;
	} else {
		struct entry *entry = entry_of(fingerprints, text, len, cut);

		*recent = (struct recent){hash, entry};
	}
	if (recent->entry && !recent->entry->asked)
		ask(fingerprints, recent->entry, text, len);
	return recent->entry ? &recent->entry->fingerprint : NULL;
}

static void on_answer(void *ctx, uint64_t shape, const struct naming *naming)
{
	struct fingerprints *fingerprints = ctx;
	struct naming unparsed;
	struct entry *entry;
	char *text;

	HASH_FIND(hh, fingerprints->table, &shape, sizeof(shape), entry);
	if (!entry || (!*naming->text && entry->fingerprint.id != shape))
		return;       /* given up meanwhile, or answered before the worker died */
	if (!*naming->text) { /* the tag is all that there is */
		naming_unparsed(entry->fingerprint.text, strlen(entry->fingerprint.text), &unparsed);
		naming = &unparsed;
	}
	text = strdup(naming->text);
	if (!text)
		return;
	free(entry->fingerprint.text);
	entry->fingerprint.text = text;
	if (naming->id)
		entry->fingerprint.id = naming->id;
	fingerprints->named(fingerprints->named_ctx, shape, &entry->fingerprint);
}

bool fingerprints_collect(struct fingerprints *fingerprints, fingerprint_named *named, void *ctx)
{
	fingerprints->named = named;
	fingerprints->named_ctx = ctx;
	return fingerprints->parser && parser_collect(fingerprints->parser, on_answer, fingerprints);
}

int fingerprints_new(struct fingerprints **out, size_t capacity, struct parser *parser)
{
	struct fingerprints *fingerprints = calloc(1, sizeof(*fingerprints));

	if (!fingerprints)
		return -ENOMEM;
	fingerprints->capacity = capacity;
	fingerprints->parser = parser;
	*out = fingerprints;
	return 0;
}

void fingerprints_free(struct fingerprints **fingerprints)
{
	if (!*fingerprints)
		return;
	while ((*fingerprints)->table)
		forget(*fingerprints, (*fingerprints)->table);
	free(*fingerprints);
	*fingerprints = NULL;
}

uint64_t fingerprints_evicted(const struct fingerprints *fingerprints)
{
	return fingerprints->evicted;
}
