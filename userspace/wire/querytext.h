/* SPDX-License-Identifier: MIT */
/*
 * querytext - a statement's text as the wire showed it: its first SESSION_TEXT_MAX bytes, what they tell, and
 * the hash over all of it, however long it was. Shared by reference count between the statements and portals
 * that use it.
 *
 * The key of a text is XXH3-128 over its bytes without white space and semicolons at either end ("trailing"
 * ones as far as they stand together in runs of at most QUERYTEXT_RUN), so that a Query and an Execute of the
 * same statement agree. The key of a query with parameters is XXH3-128 over the text's key and that of the
 * parameter formats and values as Bind carries them; result formats, parameter types and names are left out.
 */
#ifndef MO_QUERYTEXT_H
#define MO_QUERYTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sql/sqltext.h"

#define QUERYTEXT_RUN 64

struct querytext_key {
	uint64_t word[2];
};

/* Streaming hash of a text; bytes may come in pieces of any size. Owns its hash state. */
struct querytext_hash {
	struct XXH3_state_s *state;
	bool begun; /* a byte that counts was seen */
	uint32_t run;
	uint8_t pending[QUERYTEXT_RUN]; /* blanks and semicolons that may turn out to be trailing */
};

/* Returns 0 or -ENOMEM. */
int querytext_hash_init(struct querytext_hash *hash);
void querytext_hash_done(struct querytext_hash *hash);
void querytext_hash_begin(struct querytext_hash *hash);
void querytext_hash_text(struct querytext_hash *hash, const void *text, size_t len);
/* Bytes as they are: parameters. */
void querytext_hash_raw(struct querytext_hash *hash, const void *data, size_t len);
struct querytext_key querytext_hash_end(const struct querytext_hash *hash);
/* The same at once, for a text or for bytes that are there whole. */
struct querytext_key querytext_key(const char *text, size_t len);
struct querytext_key querytext_key_raw(const void *data, size_t len);
struct querytext_key querytext_key_with(struct querytext_key text, struct querytext_key parameters);

struct querytext {
	uint32_t references;
	bool keyed; /* key covers the whole text */
	bool cut;   /* the text is longer than what is here */
	struct querytext_key key;
	struct sqltext scan;
	size_t len;
	char text[]; /* NUL-terminated */
};

/* One reference is the caller's. Returns NULL when out of memory. */
struct querytext *querytext_new(const char *text, size_t len, bool cut, const struct querytext_key *key);
struct querytext *querytext_get(struct querytext *text);
void querytext_put(struct querytext **text);

#endif
