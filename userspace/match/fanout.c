/* SPDX-License-Identifier: MIT */
#include "match/fanout.h"

#define WEIGHT (1.0 / 256)
#define USUAL  0.2
#define DRIFT  64 /* copies of a key that one server may be behind another */

void fanout_note(struct fanout *fanout, bool copy)
{
	fanout->share += ((copy ? 1 : 0) - fanout->share) * WEIGHT;
}

bool fanout_usual(const struct fanout *fanout)
{
	return fanout->share > USUAL;
}

bool fanout_fresh(const struct fanout *fanout, struct repeated_key *hot, uint8_t endpoint)
{
	uint32_t *seen = &hot->seen[endpoint];
	bool first;

	if (!fanout_usual(fanout) || hot->ahead - *seen > DRIFT)
		*seen = hot->ahead;
	first = ++*seen > hot->ahead;
	hot->ahead += first;
	return first;
}
