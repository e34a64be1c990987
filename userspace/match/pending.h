/* SPDX-License-Identifier: MIT */
/*
 * pending - statements that wait for their twin or for their answer: a slab of 64-byte entries, found by key
 * (those of one key in order of time) and by age. Knows nothing of why an entry waits.
 *
 * Bounded by `max` entries. The key index grows by linear hashing, one bucket an insertion, so that no
 * insertion ever pays for rehashing the table. Entries are named by a 32-bit index; 0 is none.
 */
#ifndef MO_PENDING_H
#define MO_PENDING_H

#include <stdbool.h>
#include <stdint.h>

#include "match/slab.h"

struct entry {
	uint64_t key;         /* the first half of the statement's XXH3-128; set by pending_add */
	uint64_t time;        /* sent, CLOCK_MONOTONIC ns */
	uint32_t same_next;   /* of the same key, younger; circular. Once paired: the twin */
	uint32_t same_prev;   /* of the same key, older */
	uint32_t chain;       /* next key of the bucket; valid in the oldest of a key */
	uint32_t age_next;    /* younger, in the list it is in */
	uint32_t age_prev;    /* older */
	uint32_t serial;      /* of the query within its connection (low half) */
	uint32_t block;       /* the transaction or request that it belongs to */
	uint32_t tag;         /* the caller's */
	uint32_t packed;      /* the answer: SQLSTATE in base 36 (26 bits), outcome (2), state (4) */
	uint32_t rows;        /* of the answer, saturated. Before it: next unanswered of the connection */
	uint32_t duration_us; /* of the answer, saturated */
	uint32_t result;      /* checksum of the answer's rows, folded; 0 = none */
};

_Static_assert(sizeof(struct entry) == 64, "one cache line");

struct age_list {
	uint32_t oldest, youngest, count;
};

struct pending {
	struct slab entries;
	struct slab buckets; /* uint32_t each: the oldest entry of the first key */
	uint32_t bucket_count, level, keys;
};

/* Returns 0, -ENOMEM or -EINVAL. */
int pending_init(struct pending *pending, uint32_t max);
void pending_done(struct pending *pending);
size_t pending_bytes(const struct pending *pending);

static inline struct entry *pending_at(const struct pending *pending, uint32_t index)
{
	return slab_at(&pending->entries, index);
}

/* A zeroed entry in no list, or 0 when there is no room. */
uint32_t pending_take(struct pending *pending);
void pending_give(struct pending *pending, uint32_t index);

/* Makes it found by key, behind those of the same key that are not younger. */
void pending_add(struct pending *pending, uint32_t index, uint64_t key);
void pending_remove(struct pending *pending, uint32_t index);
/* The oldest of that key, or 0. Its same_next is the next one, its same_prev the youngest. */
uint32_t pending_find(const struct pending *pending, uint64_t key);

/* Appended where its time belongs, which is nearly always the end. */
void pending_age_add(struct pending *pending, struct age_list *list, uint32_t index);
void pending_age_remove(struct pending *pending, struct age_list *list, uint32_t index);

#endif
