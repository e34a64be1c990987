/* SPDX-License-Identifier: MIT */
#include "serve/json.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/utf8.h"

void json_string(struct buffer *out, const char *text)
{
	const unsigned char *at = (const unsigned char *)text, *end = at + strlen(text);

	buffer_append(out, "\"", 1);
	while (at < end) {
		size_t n = utf8_length((const char *)at, (size_t)(end - at));

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
