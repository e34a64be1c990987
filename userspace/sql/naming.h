/* SPDX-License-Identifier: MIT */
/*
 * naming - what one statement text is called outside of the process. The only file that knows libpg_query.
 *
 * A text that PostgreSQL's grammar takes gets libpg_query's fingerprint as its number (statements that differ
 * in literals, aliases or list lengths share it). Shown is the text of SELECT, INSERT, UPDATE, DELETE and
 * MERGE, of other commands the tag. In the text each literal is replaced by the next free $n, also those that
 * are no data, such as the 2 of ORDER BY 2 and of numeric(10, 2): one name stands for all texts of its shape,
 * in which these numbers may be others.
 *
 * libpg_query costs about 9 us for an ordinary text, 100 ms for a select list of 16 KiB, and overflows its
 * stack on deep nesting: ask in a process that may be slow and may die (parser.h).
 */
#ifndef MO_NAMING_H
#define MO_NAMING_H

#include <stddef.h>
#include <stdint.h>

#define NAMING_INPUT_MAX 16384 /* bytes of text that libpg_query is given; longer ones are "<unparsed>" */
#define NAMING_TEXT_MAX  1024  /* of the name, cut there */

struct naming {
	uint64_t id;                    /* 0: the text cannot be parsed */
	char text[NAMING_TEXT_MAX + 1]; /* "SELECT <unparsed>" and the like where it cannot be shown */
};

void naming_of(const char *text, size_t len, struct naming *out);
/* What is known without a parser: the tag alone, or "<unparsed>" where the text does not begin with a
 * command. */
void naming_tag(const char *text, size_t len, struct naming *out);
/* That, marked as unparsed: the text is too long, or the parser could not tell. */
void naming_unparsed(const char *text, size_t len, struct naming *out);

#endif
