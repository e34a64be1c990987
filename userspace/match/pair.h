/* SPDX-License-Identifier: MIT */
/*
 * pair - the values that match and its parts share: a connection's place in the matching, and a pair of
 * answers.
 */
#ifndef MO_PAIR_H
#define MO_PAIR_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/session.h"

#define MATCH_ENDPOINTS 8 /* servers of one mirror that are told apart */
#define MATCH_DEFERRED  8 /* statements of one mirror transaction that wait for a telling neighbour */

enum match_side { MATCH_PRIMARY, MATCH_MIRROR, MATCH_SIDES };

/* How one half of a pair was answered. */
struct match_answer {
	bool answered; /* false: timed out, or lost */
	bool skipped;  /* never executed: an error earlier in its extended batch */
	enum outcome outcome;
	char sqlstate[6];
	uint64_t sent_ns;
	uint64_t duration_ns; /* to a microsecond */
	uint32_t rows;        /* saturated */
	uint32_t result;      /* as given to match_answered; 0 = none */
	uint32_t tag;         /* as given to match_sent */
	uint32_t context;     /* as it was in its connection then */
};

struct match_pair {
	uint64_t key; /* session_query.key[0] */
	bool certain; /* the only candidate, or known from its transaction */
	struct match_answer primary, mirror;
	uint64_t lag_ns;
};

/* What match keeps of one backend connection: embedded by the caller, zeroed by match_open. */
struct match_connection {
	enum match_side side;
	uint8_t endpoint; /* which server of the mirror, below MATCH_ENDPOINTS */
	bool twin_known;  /* twin_block comes from a certain pair */
	uint8_t deferred_count;
	uint32_t context; /* the caller's: what the next statement runs in, handed back with its answer; 0 =
			     none */
	uint32_t entered_block; /* primary: that of the last statement that takes part */
	uint32_t block;         /* of its current transaction or request; 0 before the first */
	uint32_t twin_block; /* mirror: the primary's block that it is taken for a copy of; 0 = not known */
	uint64_t twin_time;  /* when a statement of that block was sent */
	uint32_t unanswered_first; /* entries, in order of serial */
	uint32_t unanswered_last;
	uint32_t deferred[MATCH_DEFERRED]; /* mirror: entries of this block that are to be paired yet */
};

#endif
