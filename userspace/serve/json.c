/* SPDX-License-Identifier: MIT */
#include "serve/json.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

/* Length of the UTF-8 sequence at text, 0 if it is none (RFC 3629: no overlong forms, no surrogates). */
static size_t utf8_length(const unsigned char *text)
{
	unsigned char c = text[0];
	size_t n = c < 0x80                 ? 1
		   : c >= 0xc2 && c <= 0xdf ? 2
		   : c >= 0xe0 && c <= 0xef ? 3
		   : c >= 0xf0 && c <= 0xf4 ? 4
					    : 0;

	for (size_t i = 1; i < n; i++)
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	if ((c == 0xe0 && text[1] < 0xa0) || (c == 0xed && text[1] > 0x9f) || (c == 0xf0 && text[1] < 0x90) ||
	    (c == 0xf4 && text[1] > 0x8f))
		return 0;
	return n;
}

void json_string(struct buffer *out, const char *text)
{
	const unsigned char *at = (const unsigned char *)text;

	buffer_append(out, "\"", 1);
	while (*at) {
		size_t n = utf8_length(at);

		if (!n)
			buffer_string(out, "\\ufffd");
		else if (*at == '"' || *at == '\\')
			buffer_printf(out, "\\%c", *at);
		else if (*at < 0x20 || *at == 0x7f)
			buffer_printf(out, "\\u%04x", *at);
		else
			buffer_append(out, at, n);
		at += n ? n : 1;
	}
	buffer_append(out, "\"", 1);
}

void json_number(struct buffer *out, double value)
{
	if (!isfinite(value))
		buffer_string(out, "null");
	else if (value == floor(value) && fabs(value) < 1e15)
		buffer_printf(out, "%.0f", value);
	else
		buffer_printf(out, "%.6g", value);
}
