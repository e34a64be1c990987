/* SPDX-License-Identifier: MIT */
/*
 * sqlwords - reads a text word by word, one ahead: for those who ask what a statement says, not how it is
 * written.
 */
#ifndef MO_SQLWORDS_H
#define MO_SQLWORDS_H

#include <stdbool.h>
#include <stddef.h>

#include "sql/sqllex.h"

struct sqlwords {
	struct sqllex lexer;
	struct sqllex_token token; /* the one ahead; never space */
};

struct sqlwords sqlwords_of(const char *text, size_t len);
void sqlwords_advance(struct sqlwords *words);
bool sqlwords_is_sign(const struct sqlwords *words, char sign);
/* Of the statement. */
bool sqlwords_at_end(const struct sqlwords *words);
/* In any case; a keyword is written in lower case here. */
bool sqlwords_is(const struct sqlwords *words, const char *word);
/* The same, and moves behind it. */
bool sqlwords_take(struct sqlwords *words, const char *word);
/* To the end of the statement, before its semicolon. */
void sqlwords_skip(struct sqlwords *words);
/* To the next statement; false where none is left. */
bool sqlwords_next(struct sqlwords *words);
/* What stands behind ROLLBACK: true for TO, and the name is ahead. */
bool sqlwords_take_to(struct sqlwords *words);

#endif
