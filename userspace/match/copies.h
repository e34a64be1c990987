/* SPDX-License-Identifier: MIT */
/*
 * copies - tells a further copy of a statement, for another server of the mirror, from one that was not seen
 * yet.
 *
 * Of an unrepeated key: one that was paired a while ago is a copy. Of a repeated one, once copies are known
 * to be usual here: each server gets its own copy of each statement, so the one that is ahead brings the new
 * ones. Values only.
 */
#ifndef MO_COPIES_H
#define MO_COPIES_H

#include <stdbool.h>
#include <stdint.h>

#include "match/hotkeys.h"

struct copies {
	double share; /* of copies among the mirror's statements of unrepeated keys */
};

/* An unrepeated statement of the mirror was, or was not, a copy. */
void copies_note(struct copies *copies, bool copy);
/* Once they are usual, one may be told before its twin could still come. */
bool copies_usual(const struct copies *copies);
/* Of a repeated key, sent to this server of the mirror: was it not seen yet? */
bool copies_fresh(const struct copies *copies, struct hotkey *hot, uint8_t endpoint);

#endif
