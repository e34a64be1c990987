/* SPDX-License-Identifier: MIT */
#include "verdict/classside.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "stats/stats.h"
#include "verdict/quantile.h"

static void add_sqlstate(struct classside *side, const char *code)
{
	for (size_t i = 0; *code && i < CLASSSIDE_SQLSTATES; i++) {
		if (!*side->sqlstates[i].code)
			memcpy(side->sqlstates[i].code, code, strnlen(code, 5));
		if (strncmp(side->sqlstates[i].code, code, 5) == 0) {
			side->sqlstates[i].count++;
			return;
		}
	}
}

void classside_add(struct classside *side, const struct match_answer *answer)
{
	uint64_t us = answer->duration_ns / 1000;
	size_t i = 0;

	side->answers++;
	side->total_us += us;
	while (i < STATS_BUCKET_COUNT && us > stats_bucket_bound(i))
		i++;
	side->buckets[i]++;
	if (answer->outcome == OUTCOME_FAILURE) {
		side->errors++;
		add_sqlstate(side, answer->sqlstate);
	} else {
		side->rows += answer->rows;
	}
}

double classside_mean(const struct classside *side)
{
	return side->answers ? side->total_us / 1e6 / side->answers : NAN;
}

double classside_quantile(const struct classside *side, double q)
{
	struct stats_histogram histogram = {.count = side->answers, .sum_us = side->total_us};

	for (size_t i = 0; i <= STATS_BUCKET_COUNT; i++)
		*stats_cell(&histogram.buckets, i) = side->buckets[i];
	return quantile_of_histogram(&histogram, q) / 1e6;
}
