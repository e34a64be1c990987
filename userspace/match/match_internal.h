/* SPDX-License-Identifier: MIT */
/* match_internal - shared by match.c (which statement is whose twin) and match_figures.c (what is asked about
 * it). */
#ifndef MO_MATCH_INTERNAL_H
#define MO_MATCH_INTERNAL_H

#include "match/arrivals.h"
#include "match/entries.h"
#include "match/estimates.h"
#include "match/fanout.h"
#include "match/match.h"
#include "match/paired_keys.h"
#include "match/repeated_keys.h"

struct match {
	struct match_options options;
	struct match_sink sink;
	struct match_counters counters;
	struct entries entries;
	struct repeated_keys *repeated;
	struct paired_keys *paired;
	struct fanout fanout;
	struct estimates estimates;
	struct arrivals arrivals;
	uint32_t blocks;
	uint32_t deferred; /* mirror statements that have arrived but are not paired yet */
};

#endif
