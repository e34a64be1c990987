/* SPDX-License-Identifier: MIT */
/*
 * answer - one answer of the daemon's API, fetched and parsed, and what is read out of it. What a server sent
 * is not trusted: a member that is missing or of another type reads as "", NaN or an empty array.
 *
 * With report.c, terminal.c and signoff.c the only files that know jansson.
 */
#ifndef MO_ANSWER_H
#define MO_ANSWER_H

#include <jansson.h>
#include <stdbool.h>

#include "base/buffer.h"

/* path with its query, without cluster; cluster may be NULL. NULL when the daemon does not answer with 200
 * and an object: answer_error() says why, answer_status() with which status of HTTP (0 = not at all). The
 * caller owns it. */
json_t *answer_get(const char *url, const char *path, const char *cluster);
const char *answer_error(void);
long answer_status(void);

const char *answer_text(const json_t *object, const char *key);
double answer_number(const json_t *object, const char *key);
/* The "text" of a figure, {"value","unit","text"}. */
const char *answer_figure(const json_t *object, const char *key);
/* The member of that name in the array `key` of objects; NULL when there is none. */
const json_t *answer_find(const json_t *object, const char *key, const char *name);

/* Text from outside for a terminal: control characters become '?', at most `columns` characters and never
 * half of one, "..." where something is left out. */
void answer_plain(struct buffer *out, const char *text, size_t columns);

#endif
