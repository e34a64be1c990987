/* SPDX-License-Identifier: MIT */
/*
 * prepared - names of one connection and what stands behind them: prepared statements (their text) and
 * portals (text and parameters). Two tables of this one kind.
 *
 * Bounded by entries and by text bytes; the least recently used goes first and is counted. Names are kept as
 * their 128-bit hash only. Entries are valid until the next put, remove or clear.
 */
#ifndef MO_PREPARED_H
#define MO_PREPARED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/querytext.h"

struct prepared_entry {
	struct prepared_entry *chain, *newer, *older;
	struct querytext_key name;
	uint64_t id;            /* the Parse or Bind that made it: distinguishes uses of one name */
	struct querytext *text; /* NULL: not known */
	const char *likely_tag; /* of the text that it had before bytes of the client were lost, or NULL */
	bool executed;          /* a portal that was executed before */
	bool unbound;           /* a portal that nobody bound, nor declared: a function may have opened it */
	bool confirmed;         /* another connection has the same (capture/names.h) */
	bool params;            /* a portal with parameters */
	bool params_known;
	struct querytext_key params_key;
};

struct prepared {
	uint32_t max_entries, max_bytes;
	uint32_t entries, bytes, bucket_count;
	uint64_t evictions;
	struct prepared_entry **buckets;
	struct prepared_entry *newest, *oldest;
};

void prepared_init(struct prepared *prepared, uint32_t max_entries, uint32_t max_bytes);
void prepared_clear(struct prepared *prepared);
/* Any name may stand for another text by now: forgets the texts, but for the tags that they had. */
void prepared_doubt(struct prepared *prepared);
/* The key of a name; that of "" is known. */
struct querytext_key prepared_name(const char *name, size_t len);
extern const struct querytext_key prepared_unnamed;
/* NULL when not known. Makes the entry the most recently used. */
struct prepared_entry *prepared_get(struct prepared *prepared, const struct querytext_key *name);
/* Replaces what the name stood for; takes over the reference to text (may be NULL). NULL: out of memory, the
 * name is then unknown. */
struct prepared_entry *prepared_put(struct prepared *prepared, const struct querytext_key *name, uint64_t id,
				    struct querytext *text);
/* Forgets the name, if it still is the one made by id (0 = whoever made it). */
void prepared_remove(struct prepared *prepared, const struct querytext_key *name, uint64_t id);

#endif
