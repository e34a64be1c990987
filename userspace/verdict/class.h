/* SPDX-License-Identifier: MIT */
/*
 * class - what is known of one statement class (a fingerprint): how often it ran and failed on either side,
 * how its pairs compared, whether it blocks a switch by itself, and why.
 *
 * A class is broken, however rare it is, when it always fails or differs, or does so more often than chance
 * can explain. Not held against it: what may end so or so at any time (deadlocks, cancels, what follows in a
 * failed transaction), what goes either way alike, and noise.
 *
 * Noise is proven, not presumed: repeated in the same context within CLASS_REPEAT_NS, the statement answers
 * differently on *both* sides, equally often; pairs differ no more often than that; and the mirror has not
 * always the fewer rows, or always the more. Pure; plain values.
 */
#ifndef MO_CLASS_H
#define MO_CLASS_H

#include <stdbool.h>
#include <stdint.h>

#include "match/pair.h"
#include "stats/stats_layout.h"
#include "verdict/classside.h"

#define CLASS_REPEAT_NS 60000000000ull

/* Executions of one statement that came again in the same context. */
struct class_repeats {
	uint64_t count, differ;
};

struct class_record {
	uint64_t id;              /* key in the table */
	uint64_t fingerprint;     /* for people and `ignore_fingerprints` */
	char *text;               /* normalised, no literals */
	bool ignored;             /* by the configuration: shown, not held against the mirror */
	bool unpaired;            /* transaction control, texts not seen: counted, not paired */
	uint64_t primary, mirror; /* queries sent */
	uint64_t compared;        /* pairs of which both outcomes are known, in the same context */
	uint64_t uncompared;      /* pairs that ran in different contexts, or in unknown ones */
	struct stats_DIVERGENCE divergences;
	uint64_t passing; /* of the divergences by error: of a kind that passes (deadlocks and the like) */
	uint64_t noisy;   /* of those by rows and result: counted as noise */
	uint64_t more, fewer;           /* pairs with more, fewer rows on the mirror */
	uint64_t failed[MATCH_SIDES];   /* executions that failed */
	uint64_t excused;               /* of the mirror's, as the primary's did */
	uint64_t primary_us, mirror_us; /* summed durations of pairs that both succeeded */
	struct class_repeats repeats[MATCH_SIDES];
	char primary_sqlstate[6], mirror_sqlstate[6]; /* of the last divergence by error */
	char failed_sqlstate[MATCH_SIDES][6];         /* of the last failure */
	struct classside sides[MATCH_SIDES];          /* of the compared pairs */
	uint64_t first_ns, last_ns;
	bool unseen; /* as the last top_mark_unseen found */
};

/* What `from` counted goes to the other. */
void class_merge(struct class_record *into, const struct class_record *from);

/* Whether the class is in the way by itself. */
enum class_fault {
	CLASS_FINE,
	CLASS_DOUBTFUL, /* results differ, and whether lawfully is not known: neither side repeated them */
	CLASS_BROKEN,
};
enum class_fault class_fault(const struct class_record *record);

/* What is known of the divergences by rows and result. */
enum class_variation {
	CLASS_DIFFERS, /* the sides differ */
	CLASS_OPEN,    /* not repeated often enough on both sides to tell */
	CLASS_VARIES,  /* noise, proven */
};
enum class_variation class_variation(const struct class_record *record);
uint64_t class_errors(const struct class_record *record);
/* Divergences by rows or result that are not noise; those of a class that is open count. */
double class_excess(const struct class_record *record);
double class_extra_us(const struct class_record *record);
/* Transaction control and texts not seen: failures on the mirror that those on the primary do not account
 * for. */
void class_settle_unpaired(struct class_record *record);
/* A SQLSTATE of what may end so or so at any time, or only follows. */
bool class_passes(const char *sqlstate);

/* Why the class is in the way, as a person reads it ("fails on the mirror only (42P01), 12 of 12 times"); ""
 * when it is not. Returns out. */
#define CLASS_REASON_MAX 128
const char *class_reason(const struct class_record *record, char out[CLASS_REASON_MAX]);

#endif
