/* SPDX-License-Identifier: MIT */
#include "sql/fingerprint.h"

#include <errno.h>
#include <pg_query.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <xxhash.h>

#include "sql/sqlshape.h"

#define NESTING_MAX 200 /* brackets; libpg_query's recursion is bounded by what we let through */
#define RECENT      1024

struct entry {
	UT_hash_handle hh; /* uthash keeps insertion order: the head is looked at first for eviction */
	uint64_t shape;
	bool used; /* since it was last looked at for eviction */
	struct fingerprint fingerprint;
};

/* A text that was asked for lately, by the hash of its bytes: spares prepared statements the lexer. */
struct recent {
	uint64_t text;
	struct entry *entry;
};

struct fingerprints {
	struct entry *table;
	size_t capacity;
	uint64_t evicted;
	struct recent recent[RECENT];
};

static bool shows_text(const char *tag)
{
	static const char *const shown[] = {"SELECT", "INSERT", "UPDATE", "DELETE",
					    "MERGE",  "WITH",   "VALUES", "TABLE"};

	for (size_t i = 0; i < sizeof(shown) / sizeof(*shown); i++)
		if (strcmp(tag, shown[i]) == 0)
			return true;
	return false;
}

/* Every opening bracket counts, also those in literals: only the deep ones matter. */
static bool too_deep(const char *text)
{
	int depth = 0, deepest = 0;

	for (; *text; text++) {
		if (*text == '(' || *text == '[')
			depth++;
		else if ((*text == ')' || *text == ']') && depth > 0)
			depth--;
		if (depth > deepest)
			deepest = depth;
	}
	return deepest > NESTING_MAX;
}

/* A row of prefix operators or CASEs nests without brackets; what libpg_query may recurse on is bounded by
 * length alone there. */
static bool single_statement(const char *text)
{
	PgQuerySplitResult split = pg_query_split_with_parser(text);
	bool one = !split.error && split.n_stmts == 1;

	pg_query_free_split_result(split);
	return one;
}

static char *normalised(const char *stripped)
{
	PgQueryNormalizeResult result = pg_query_normalize(stripped);
	char *text = NULL;

	if (!result.error && !sqlshape_has_literal(result.normalized_query, strlen(result.normalized_query)))
		text = strndup(result.normalized_query, FINGERPRINT_TEXT_MAX);
	pg_query_free_normalize_result(result);
	return text;
}

static void ask_libpg_query(const char *stripped, const char *tag, struct fingerprint *out)
{
	PgQueryFingerprintResult result = pg_query_fingerprint(stripped);

	if (!result.error) {
		out->id = result.fingerprint;
		if (!shows_text(tag))
			out->text = strdup(tag[0] ? tag : "<unparsed>");
		else if (single_statement(stripped))
			out->text = normalised(stripped);
	}
	pg_query_free_fingerprint_result(result);
}

/* Several commands in one text, or one that libpg_query does not know: the tag alone says something, and
 * nothing private. */
static int describe(const char *text, size_t len, bool cut, struct fingerprint *out)
{
	char stripped[FINGERPRINT_INPUT_MAX + 1], tag[32];

	sqlshape_tag(text, len, tag);
	if (!cut && len <= FINGERPRINT_INPUT_MAX &&
	    sqlshape_strip(text, len, stripped, sizeof(stripped)) > 0 && !too_deep(stripped))
		ask_libpg_query(stripped, tag, out);
	if (!out->text && asprintf(&out->text, tag[0] ? "%s <unparsed>" : "<unparsed>", tag) < 0)
		out->text = NULL;
	return out->text ? 0 : -ENOMEM;
}

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

static struct entry *remember(struct fingerprints *fingerprints, uint64_t shape, const char *text, size_t len,
			      bool cut)
{
	struct entry *entry = calloc(1, sizeof(*entry));

	if (!entry)
		return NULL;
	entry->shape = shape;
	entry->fingerprint.id = shape;
	if (describe(text, len, cut, &entry->fingerprint)) {
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
	return recent->entry ? &recent->entry->fingerprint : NULL;
}

int fingerprints_new(struct fingerprints **out, size_t capacity)
{
	struct fingerprints *fingerprints = calloc(1, sizeof(*fingerprints));

	if (!fingerprints)
		return -ENOMEM;
	fingerprints->capacity = capacity;
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
	*fingerprints = NULL; /* not pg_query_exit(): libpg_query 15 cannot be used again after it */
}

uint64_t fingerprints_evicted(const struct fingerprints *fingerprints)
{
	return fingerprints->evicted;
}
