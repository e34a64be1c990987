/* SPDX-License-Identifier: MIT */
#include "match/copies.h"

#define WEIGHT (1.0 / 256)
#define USUAL  0.2
#define DRIFT  64 /* copies of a key that one server may be behind another */

void copies_note(struct copies *copies, bool copy)
{
	copies->share += ((copy ? 1 : 0) - copies->share) * WEIGHT;
}

bool copies_usual(const struct copies *copies)
{
	return copies->share > USUAL;
}

bool copies_fresh(const struct copies *copies, struct hotkey *hot, uint8_t endpoint)
{
	uint32_t *seen = &hot->seen[endpoint];
	bool first;

	if (!copies_usual(copies) || hot->ahead - *seen > DRIFT)
		*seen = hot->ahead;
	first = ++*seen > hot->ahead;
	hot->ahead += first;
	return first;
}
