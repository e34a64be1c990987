/* SPDX-License-Identifier: MIT */
/* json - the few pieces of JSON (RFC 8259) that we write. There is no parser here. */
#ifndef MO_JSON_H
#define MO_JSON_H

#include "base/buffer.h"

/* A quoted string; what is not valid UTF-8 becomes U+FFFD. */
void json_string(struct buffer *out, const char *text);
/* A number; null for NaN and infinities, which JSON has not. */
void json_number(struct buffer *out, double value);

#endif
