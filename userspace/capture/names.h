/* SPDX-License-Identifier: MIT */
/*
 * names - what the prepared statements of a proxy are called, over all its connections.
 *
 * A proxy that prepares for its clients (PgDog, pgcat) keeps statements for the life of a server connection
 * and uses one name for one text on all of them: then a text that was seen once, on whichever connection,
 * tells what the name stands for on one that is older than the observer. Others hand on their
 * clients' names, and every client has its own "S_1".
 *
 * So a process is trusted only where that was observed to hold: NAMES_PROOF names were prepared with the same
 * text on two connections, and none ever with two texts; of a name that PgDog itself makes ("__pgdog_1") it
 * is known. One counterexample, and the process is not trusted any more.
 *
 * Bounded by processes, and by names and bytes of each: the least recently used go.
 */
#ifndef MO_NAMES_H
#define MO_NAMES_H

#include <stdint.h>

#include "wire/querytext.h"

#define NAMES_PROOF 20

struct names;

/* NULL when out of memory. */
struct names *names_new(void);
void names_free(struct names **names);

/* A Parse of a named statement, on that connection of that process. The text stays the caller's. */
void names_prepared(struct names *names, uint32_t process, uint64_t connection, const char *name, size_t len,
		    struct querytext *text);
/* What a name stands for that was not seen prepared on its own connection; a reference that is the caller's,
 * or NULL. */
struct querytext *names_text(struct names *names, uint32_t process, const char *name, size_t len);

#endif
