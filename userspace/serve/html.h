/* SPDX-License-Identifier: MIT */
/*
 * html - text as HTML. Pure.
 */
#ifndef MO_HTML_H
#define MO_HTML_H

#include "base/buffer.h"

/* Escaped for element content and for attribute values in double quotes; control characters become spaces. */
void html_text(struct buffer *out, const char *text);

#endif
