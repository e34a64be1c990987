/* SPDX-License-Identifier: MIT */
/*
 * sqllex - cuts SQL text into tokens, as the PostgreSQL manual's chapter "Lexical Structure" lays down:
 * comments (nesting), strings with their prefixes, dollar quotes, quoted identifiers, numbers, parameters.
 *
 * Pure: no allocation, no I/O, linear time, constant stack. A text that cannot be read for certain - an
 * unterminated literal or comment; a backslash before a quote in an ordinary string, which means one thing
 * with standard_conforming_strings and another without - is read as far as it goes, and the token says so.
 * sqllex_is_certain looks at the whole text: where only one of the two readings comes to an end, it is that.
 */
#ifndef MO_SQLLEX_H
#define MO_SQLLEX_H

#include <stdbool.h>
#include <stddef.h>

enum sqllex_kind {
	SQLLEX_END,
	SQLLEX_SPACE, /* white space and comments */
	SQLLEX_WORD,  /* keyword or identifier */
	SQLLEX_QUOTED_IDENTIFIER,
	SQLLEX_PARAMETER, /* $1 */
	SQLLEX_LITERAL,
	SQLLEX_OTHER, /* one operator character or punctuation */
};

struct sqllex_token {
	enum sqllex_kind kind;
	bool uncertain; /* where it ends is a guess */
	const char *start, *end;
};

/* What is left of a text. */
struct sqllex {
	const char *at, *end;
	bool escapes; /* read as without standard_conforming_strings: a backslash escapes in every string */
	bool endless; /* a literal or comment was not terminated */
};

/* The next token; false, and of kind SQLLEX_END, where nothing is left. */
bool sqllex_next(struct sqllex *lexer, struct sqllex_token *token);
/* The same without SQLLEX_SPACE. */
bool sqllex_next_solid(struct sqllex *lexer, struct sqllex_token *token);
/* True when the text can be read in one way only, which is that of sqllex_next without `escapes`. */
bool sqllex_is_certain(const char *text, size_t len);
/* Upper case of the first size - 1 bytes, NUL-terminated; returns their number. */
size_t sqllex_upper(const struct sqllex_token *token, char *out, size_t size);
/* The first size bytes of what it names, as PostgreSQL takes it: without quotes, else in lower case; no NUL.
 * Returns their number. */
size_t sqllex_name(const struct sqllex_token *token, char *out, size_t size);

#endif
