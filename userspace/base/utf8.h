/* SPDX-License-Identifier: MIT */
/* utf8 - where a character ends (RFC 3629). Pure. */
#ifndef MO_UTF8_H
#define MO_UTF8_H

#include <stddef.h>

/* Bytes of the character that begins at text, of which len bytes (at least 1) are there; 0 when it is none:
 * overlong forms, surrogates and what is past U+10FFFF are none either. */
size_t utf8_length(const char *text, size_t len);
/* The most bytes of text, at most len, that end with a whole character. text holds at least len bytes and is
 * UTF-8. */
size_t utf8_cut(const char *text, size_t len);

#endif
