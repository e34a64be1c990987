/* SPDX-License-Identifier: MIT */
/*
 * kind - tells transaction control and session commands (BEGIN, COMMIT, SET ...) from the statements that
 * have a twin to be looked for: an observer leaves the former out of lag and queue depth. By the first word
 * of the text; an Execute is taken to run what was bound last.
 */
#ifndef TESTPROXY_KIND_H
#define TESTPROXY_KIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "statement.h"

/* Of one client; zeroed at first. */
struct kinds {
	struct statement_names names; /* number: 1 = control */
	bool unnamed, bound;          /* what the unnamed statement is, and what was bound last */
};

void kinds_free(struct kinds *kinds);
/* A whole client message, in order. True when it is a Query or Execute of a control command. */
bool kinds_message(struct kinds *kinds, const uint8_t *message, size_t len);

#endif
