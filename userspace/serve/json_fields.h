/* SPDX-License-Identifier: MIT */
/* json_fields - members of JSON objects, with the comma that separates them: `"key":value`. */
#ifndef MO_JSON_FIELDS_H
#define MO_JSON_FIELDS_H

#include <stdbool.h>

#include "base/buffer.h"

/* Each puts a comma first unless the document so far ends in { or [ or :. */
void json_key(struct buffer *out, const char *key);
void json_field_string(struct buffer *out, const char *key, const char *value);
void json_field_number(struct buffer *out, const char *key, double value);
void json_field_bool(struct buffer *out, const char *key, bool value);
/* The same for an item of an array: only the comma. */
void json_next(struct buffer *out);

#endif
