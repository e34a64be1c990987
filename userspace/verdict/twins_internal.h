/* SPDX-License-Identifier: MIT */
/* twins_internal - shared by twins.c (pairs, connections, counters) and twins_unpaired.c (what is not
 * paired). */
#ifndef MO_TWINS_INTERNAL_H
#define MO_TWINS_INTERNAL_H

#include "verdict/twins.h"

struct twins {
	struct twins_order order;
	enum config_level level;
	struct match *match;
	struct top *top;
	struct fingerprints *fingerprints;
	struct stats_cluster *stats;
	struct match_counters base; /* counters of the map before this process */
	struct address mirrors[MATCH_ENDPOINTS];
	size_t mirror_count;
	const uint64_t *ignored;
	size_t ignored_count;
	struct contexts contexts;
	uint64_t settled_ns;                               /* when unpaired classes were */
	struct twins_connection *connections[MATCH_SIDES]; /* those that are open */
};

/* The class, entered as one more execution on that side; NULL when out of memory. */
struct class_record *twins_enter_class(struct twins *twins, uint64_t id, const char *text,
				       enum match_side side, uint64_t now_ns);
/* A fingerprint of ignore_fingerprints. */
bool twins_is_ignored(const struct twins *twins, uint64_t fingerprint);

/* Transaction control, and statements whose text was not seen. */
void twins_unpaired_sent(struct twins *twins, struct twins_connection *connection,
			 const struct session_query *query);
void twins_unpaired_answered(struct twins *twins, struct twins_connection *connection,
			     const struct session_query *query);

#endif
