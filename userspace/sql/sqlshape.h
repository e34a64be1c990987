/* SPDX-License-Identifier: MIT */
/*
 * sqlshape - what SQL texts have in common that differ in literals, spacing and comments only.
 *
 * Reads no more than the lexical structure (sqllex.h). Pure, linear time, constant stack. Where the text
 * cannot be read for certain the functions say -EILSEQ rather than guess: what leaves the process must not
 * carry a literal.
 */
#ifndef MO_SQLSHAPE_H
#define MO_SQLSHAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Copies text without comments, each run of white space outside of literals folded to one blank, trimmed,
 * trailing semicolons removed, NUL-terminated. Returns the length, -EILSEQ, or -ENOSPC when it does not fit
 * in size bytes.
 */
int sqlshape_strip(const char *text, size_t len, char *out, size_t size);

/*
 * A hash (XXH3-64) that texts share when they differ in literals, white space, comments or the case of words
 * only: the key under which a normalised text is remembered. Returns 0 or -EILSEQ.
 */
int sqlshape_hash(const char *text, size_t len, uint64_t *shape);

/* True when text holds a string, bit-string or number literal, or cannot be read for certain. Parameters ($1)
 * are none. */
bool sqlshape_has_literal(const char *text, size_t len);

/*
 * The first words, upper case, as a command tag ("SELECT", "CREATE TABLE"): one word, or two after CREATE,
 * ALTER, DROP and the like where the second names the kind of object. Letters and blanks only. Returns tag.
 */
const char *sqlshape_tag(const char *text, size_t len, char tag[32]);

#endif
