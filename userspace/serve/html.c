/* SPDX-License-Identifier: MIT */
#include "serve/html.h"

void html_text(struct buffer *out, const char *text)
{
	for (; *text; text++)
		switch (*text) {
		case '<':
			buffer_string(out, "&lt;");
			break;
		case '>':
			buffer_string(out, "&gt;");
			break;
		case '&':
			buffer_string(out, "&amp;");
			break;
		case '"':
			buffer_string(out, "&quot;");
			break;
		default:
			buffer_append(out, (unsigned char)*text < ' ' ? " " : text, 1);
		}
}
