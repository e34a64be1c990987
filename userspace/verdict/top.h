/* SPDX-License-Identifier: MIT */
/*
 * top - which statements are in the way: a bounded table of statement classes (fingerprints) of one cluster,
 * ranked by harm.
 *
 * Harm is, in this order: pairs whose errors differ, pairs whose rows or results differ beyond the class's
 * own noise, never having reached the mirror, then the extra time that the mirror took. Past its capacity the
 * table gives up its most harmless, longest unseen class of a small sample, and counts that; a class that did
 * harm is kept over one that did none.
 *
 * Noise: a class that answers differently when the primary itself repeats it (now(), random(), LIMIT without
 * ORDER BY, data that changes) is measured by repeated executions of the same statement and parameters on the
 * primary within TOP_REPEAT_NS; the share that differed is expected of the pairs too and is taken off.
 */
#ifndef MO_TOP_H
#define MO_TOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stats/stats_layout.h"
#include "verdict/classside.h"

#define TOP_REPEAT_NS 1000000000ull

struct top_entry {
	uint64_t id;              /* key in the table */
	uint64_t fingerprint;     /* for people and `ignore_fingerprints` */
	char *text;               /* normalised, no literals */
	bool ignored;             /* by the configuration: shown, not held against the mirror */
	uint64_t primary, mirror; /* queries sent */
	uint64_t compared;        /* pairs of which both outcomes are known */
	struct stats_DIVERGENCE divergences;
	uint64_t primary_us, mirror_us;               /* summed durations of pairs that both succeeded */
	uint64_t repeats, repeats_differ;             /* on the primary */
	char primary_sqlstate[6], mirror_sqlstate[6]; /* of the last divergence by error */
	struct classside sides[MATCH_SIDES];          /* of the compared pairs */
	uint64_t first_ns, last_ns;
	bool unseen; /* as the last top_mark_unseen found */
};

struct top;

int top_new(struct top **out, size_t capacity);
void top_free(struct top **top);

/* The entry of that class, created when new (text is copied then). NULL only when out of memory. Valid until
 * the next call. */
struct top_entry *top_entry(struct top *top, uint64_t id, const char *text, uint64_t now_ns);
/* The entry if it is (still) there, else NULL. */
struct top_entry *top_find(struct top *top, uint64_t id);

/*
 * The class `from` is `to` from now on, and called text: what it counted goes to that class, of which it may
 * have been known as one all along. top_find takes either number. Returns the entry, NULL where neither is
 * there or memory is out (then nothing is changed).
 */
struct top_entry *top_rename(struct top *top, uint64_t from, uint64_t to, const char *text);

/* A primary answer: learns noise. outcome_hash stands for its SQLSTATE, row count and result. */
void top_primary_answered(struct top *top, struct top_entry *entry, uint64_t key, uint64_t outcome_hash,
			  uint64_t now_ns);

/* Divergences by rows or result beyond what the class's noise explains. */
double top_excess(const struct top_entry *entry);
double top_extra_us(const struct top_entry *entry);

/* True when the divergences by rows and result are no more than the class's noise explains. */
bool top_is_noise(const struct top_entry *entry);
/* Why the class is in the way, as a person reads it ("fails on the mirror only (42P01), 12 of 12 times"); ""
 * when it is not. Returns out. */
#define TOP_REASON_MAX 128
const char *top_reason(const struct top_entry *entry, char out[TOP_REASON_MAX]);

/* The k worst, worst first; returns how many there are. Pointers are valid until the next top_entry. */
size_t top_worst(const struct top *top, const struct top_entry **out, size_t k);

/*
 * Classes that the primary ran at least `enough` times, all of them longer ago than `settled_ns`, and the
 * mirror never: what has not been tried. enough should follow the share that is mirrored.
 */
size_t top_mark_unseen(struct top *top, double enough, uint64_t settled_ns, uint64_t now_ns);

size_t top_count(const struct top *top);
/* Calls one() for every class, in no particular order; it must not call back into the table. */
void top_each(const struct top *top, void (*one)(void *ctx, const struct top_entry *entry), void *ctx);
uint64_t top_evicted(const struct top *top);
/* Forgets all classes. */
void top_reset(struct top *top);

#endif
