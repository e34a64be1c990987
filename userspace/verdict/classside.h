/* SPDX-License-Identifier: MIT */
/*
 * classside - how one side answered one statement class, in the pairs that were compared: answers, errors by
 * SQLSTATE, rows, durations. Bounded, a part of struct class_record; zero is empty.
 */
#ifndef MO_CLASSSIDE_H
#define MO_CLASSSIDE_H

#include <stdint.h>

#include "match/pair.h"
#include "stats/stats_layout.h"

#define CLASSSIDE_SQLSTATES 4 /* distinct ones; the rest counts in errors alone */

struct classside {
	uint64_t answers, errors;                 /* errors among the answers */
	uint64_t rows;                            /* of those that succeeded */
	uint64_t total_us;                        /* of all answers */
	uint32_t buckets[STATS_BUCKET_COUNT + 1]; /* of durations, by STATS_BUCKETS, not cumulative */
	struct {
		char code[6];
		uint32_t count;
	} sqlstates[CLASSSIDE_SQLSTATES];
};

void classside_add(struct classside *side, const struct match_answer *answer);
/* Seconds; NaN without an answer. */
double classside_mean(const struct classside *side);
double classside_quantile(const struct classside *side, double q);

#endif
