/* SPDX-License-Identifier: MIT */
/*
 * top - which statements are in the way: a bounded table of statement classes (fingerprints) of one cluster,
 * ranked by harm.
 *
 * Harm is, in this order: pairs whose errors differ, pairs whose rows or results differ beyond the class's
 * own noise, never having reached the mirror, then the extra time that the mirror took. Past its capacity the
 * table gives up its most harmless, longest unseen class of a small sample, and counts that; a class that did
 * harm is kept over one that did none.
 */
#ifndef MO_TOP_H
#define MO_TOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "verdict/class.h"

struct top;

int top_new(struct top **out, size_t capacity);
void top_free(struct top **top);

/* The entry of that class, created when new (text is copied then). NULL only when out of memory. Valid until
 * the next call. */
struct class_record *top_entry(struct top *top, uint64_t id, const char *text, uint64_t now_ns);
/* The entry if it is (still) there, else NULL. */
struct class_record *top_find(struct top *top, uint64_t id);

/*
 * The class `from` is `to` from now on, and called text: what it counted goes to that class, of which it may
 * have been known as one all along. top_find takes either number. Returns the entry, NULL where neither is
 * there or memory is out (then nothing is changed).
 */
struct class_record *top_rename(struct top *top, uint64_t from, uint64_t to, const char *text);

/* An answer: learns noise. key stands for statement, parameters and context, outcome_hash for row count and
 * result. */
void top_answered(struct top *top, struct class_record *record, enum match_side side, uint64_t key,
		  uint64_t outcome_hash, uint64_t sent_ns);

/* The k worst, worst first; returns how many there are. Pointers are valid until the next top_entry. */
size_t top_worst(const struct top *top, const struct class_record **out, size_t k);

/*
 * Classes that the primary ran at least `enough` times, all of them longer ago than `settled_ns`, and the
 * mirror never: what has not been tried. enough should follow the share that is mirrored.
 */
size_t top_mark_unseen(struct top *top, double enough, uint64_t settled_ns, uint64_t now_ns);

/* How many classes are in which state. */
struct top_faults {
	size_t broken, doubtful;
	double open;    /* divergences by rows and result of which it is not known whether they are lawful */
	double revoked; /* ... that were taken for lawful, and are not */
	size_t uncompared; /* of which there were pairs, and none could be compared */
	const struct class_record
	    *worst; /* the most harmful of the broken, then of the doubtful ones; or NULL */
};
struct top_faults top_faults(struct top *top);
/* Settles the classes that are not paired; returns by how much their divergences grew. */
uint64_t top_settle_unpaired(struct top *top);

size_t top_count(const struct top *top);
/* Calls one() for every class, in no particular order; it must not call back into the table. */
void top_each(const struct top *top, void (*one)(void *ctx, const struct class_record *entry), void *ctx);
uint64_t top_evicted(const struct top *top);
/* Forgets all classes. */
void top_reset(struct top *top);

#endif
