/* SPDX-License-Identifier: MIT */
/*
 * fanout - tells a further copy of a statement, for another server of the mirror, from one that was not seen
 * yet.
 *
 * Of an unrepeated key: one that was paired a while ago is a copy. Of a repeated one, once copies are known
 * to be usual here: each server gets its own copy of each statement, so the one that is ahead brings the new
 * ones. Values only.
 */
#ifndef MO_FANOUT_H
#define MO_FANOUT_H

#include <stdbool.h>
#include <stdint.h>

#include "match/repeated_keys.h"

struct fanout {
	double share; /* of copies among the mirror's statements of unrepeated keys */
};

/* An unrepeated statement of the mirror was, or was not, a copy. */
void fanout_note(struct fanout *fanout, bool copy);
/* Once they are usual, one may be told before its twin could still come. */
bool fanout_usual(const struct fanout *fanout);
/* Of a repeated key, sent to this server of the mirror: was it not seen yet? */
bool fanout_fresh(const struct fanout *fanout, struct repeated_key *hot, uint8_t endpoint);

#endif
