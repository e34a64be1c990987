/* SPDX-License-Identifier: MIT */
/*
 * repeated_keys - when the keys that repeat were last sent to the primary, whether or not those statements
 * have found a twin since: the evidence from which lag_distribution locates the lag when no statement is
 * unique.
 *
 * A set-associative cache of REPEATED_KEYS keys with REPEATED_TIMES times each; the least recently used key
 * leaves. About 600 KiB, no allocation after repeated_keys_new().
 */
#ifndef MO_REPEATED_KEYS_H
#define MO_REPEATED_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REPEATED_KEYS  512
#define REPEATED_TIMES 256

struct repeated_key {
	uint64_t since;   /* times after this are complete */
	uint64_t used;    /* time of the last access */
	uint64_t count;   /* times ever noted */
	uint32_t ahead;   /* the caller's: distinct statements of this key that the mirror has got */
	uint32_t seen[8]; /* the caller's: copies that each of its servers has got */
	uint32_t cursor;  /* the caller's: the waiting entry that was chosen last, or 0 */
	uint32_t time[REPEATED_TIMES]; /* ring, in units of 2^16 ns, modulo 2^32 */
};

struct repeated_keys;

int repeated_keys_new(struct repeated_keys **out); /* 0 or -ENOMEM */
void repeated_keys_free(struct repeated_keys **hot);
size_t repeated_keys_bytes(void);

/* NULL if it is not among them. */
struct repeated_key *repeated_keys_find(struct repeated_keys *hot, uint64_t key);
/* The key becomes one of them; everything sent after `since` will be noted. `evicted` counts displaced ones.
 */
struct repeated_key *repeated_keys_add(struct repeated_keys *hot, uint64_t key, uint64_t since,
				       uint64_t *evicted);

void repeated_key_sent(struct repeated_key *key, uint64_t time);
/* Keys that repeat too fast tell little at a high price; the limit follows what comes. Each yes is counted.
 */
bool repeated_keys_worth_observing(struct repeated_keys *hot, const struct repeated_key *key, uint64_t now);
/* Fills LAG_BINS values as lag_distribution_ambiguous() wants them. */
void repeated_key_observe(const struct repeated_key *key, uint64_t now, float *out);

#endif
