/* SPDX-License-Identifier: MIT */
/*
 * text - checks on text that people write, and help with their slips. Pure, no allocation.
 */
#ifndef MO_TEXT_H
#define MO_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Lines and columns count from 1; a column is one character, not one byte. */
struct text_place {
	unsigned line, column;
};

/*
 * True when the bytes are UTF-8 (RFC 3629) without control characters other than tab, CR and LF. Otherwise
 * *place is the first offence and *why, static text, names it.
 */
bool text_is_clean(const char *text, size_t len, struct text_place *place, const char **why);

/* True when the white space that begins a line (from 1) holds a tab; *column is where. */
bool text_indent_has_tab(const char *text, size_t len, unsigned line, unsigned *column);

/* The one of words that differs from text by a slip (edit distance at most 2, and under half its length), or
 * NULL. */
const char *text_nearest(const char *text, const char *const *words, size_t count);

/* text in double quotes, control characters as '?', cut after about 60 bytes; returns out. */
#define TEXT_QUOTED_MAX 72
const char *text_quote(const char *text, char out[TEXT_QUOTED_MAX]);

#endif
