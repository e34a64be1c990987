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

/* What an entry is there for. Its answer is another matter: `done`. */
enum entry_state {
	ENTRY_LOOSE,   /* for nothing but its answer */
	ENTRY_HELD,    /* its connection will decide */
	ENTRY_WAITING, /* for its twin: found by key and by age */
	ENTRY_PAIRED,  /* its twin is known */
};

struct entry {
	uint64_t key;  /* the first half of the statement's XXH3-128; set by pending_add */
	uint64_t time; /* sent, CLOCK_MONOTONIC ns */
	union {
		struct {
			uint32_t younger; /* circular: the youngest's is the oldest */
			uint32_t older;
			uint32_t next_key; /* of the bucket; valid in the oldest of a key */
		} same;                    /* ENTRY_WAITING: its place among those of the same key */
		struct {
			uint32_t twin;
			bool certain;
		} pair; /* ENTRY_PAIRED */
	};
	uint32_t age_next; /* younger, in the list it is in */
	uint32_t age_prev; /* older */
	union {
		uint32_t serial;  /* of the query within its connection (low half), until it is done */
		uint32_t context; /* the caller's, from then on */
	};
	uint32_t block; /* the transaction or request that it belongs to */
	uint32_t tag;   /* the caller's */
	/* Bit fields: side, state and the answer that packed_answer.h writes. */
	uint32_t mirror : 1;    /* sent to the mirror, else to the primary */
	uint32_t state : 2;     /* enum entry_state */
	uint32_t done : 1;      /* answered, or it never will be: its connection names it no more */
	uint32_t status : 2;    /* of the answer */
	uint32_t sqlstate : 26; /* in base 36 */
	union {
		uint32_t next_unanswered; /* of its connection, until it is done */
		uint32_t rows;            /* of the answer, saturated */
	};
	uint32_t duration_us; /* of the answer, saturated; 0 = none was written */
	union {
		uint32_t sent_context; /* the caller's, until it is done */
		uint32_t result;       /* checksum of the answer's rows, folded; 0 = none */
	};
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
/* Another bound, at most the one of pending_init(): what is there stays, but no more is taken. */
void pending_set_max(struct pending *pending, uint32_t max);
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
/* The oldest of that key, or 0. Its same.younger is the next one, its same.older the youngest. */
uint32_t pending_find(const struct pending *pending, uint64_t key);

/* Appended where its time belongs, which is nearly always the end. */
void pending_age_add(struct pending *pending, struct age_list *list, uint32_t index);
void pending_age_remove(struct pending *pending, struct age_list *list, uint32_t index);

#endif
