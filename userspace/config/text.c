/* SPDX-License-Identifier: MIT */
#include "config/text.h"

#include <stdint.h>
#include <string.h>

#include "base/utf8.h"

#define WORD_MAX 32 /* longest word that text_nearest compares */

bool text_is_clean(const char *text, size_t len, struct text_place *place, const char **why)
{
	const uint8_t *bytes = (const uint8_t *)text;
	size_t step;

	*place = (struct text_place){1, 1};
	for (size_t i = 0; i < len; i += step) {
		step = utf8_length(text + i, len - i);
		*why = "not UTF-8";
		if (step == 0)
			return false;
		*why = bytes[i] == 0 ? "a NUL byte" : "a control character";
		if ((bytes[i] < ' ' && !strchr("\t\r\n", bytes[i])) || bytes[i] == 0x7f || bytes[i] == 0)
			return false;
		place->column++;
		if (bytes[i] == '\n')
			*place = (struct text_place){place->line + 1, 1};
	}
	return true;
}

bool text_indent_has_tab(const char *text, size_t len, unsigned line, unsigned *column)
{
	const char *at = text, *end = text + len;

	for (unsigned i = 1; i < line && at; i++) {
		at = memchr(at, '\n', end - at);
		at = at ? at + 1 : NULL;
	}
	for (*column = 1; at && at < end && (*at == ' ' || *at == '\t'); at++, ++*column)
		if (*at == '\t')
			return true;
	return false;
}

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
	unsigned least = a < b ? a : b;

	return least < c ? least : c;
}

/* Levenshtein's distance, one row at a time; both at most WORD_MAX bytes. */
static unsigned distance(const char *a, const char *b)
{
	unsigned row[WORD_MAX + 1], left, corner, cost;
	size_t len = strlen(b);

	for (size_t j = 0; j <= len; j++)
		row[j] = j;
	for (size_t i = 0; a[i]; i++) {
		corner = row[0];
		row[0] = i + 1;
		for (size_t j = 0; j < len; j++) {
			left = row[j];
			cost = corner + (a[i] != b[j]);
			corner = row[j + 1];
			row[j + 1] = min3(left + 1, corner + 1, cost);
		}
	}
	return row[len];
}

const char *text_nearest(const char *text, const char *const *words, size_t count)
{
	unsigned best = 3, d;
	const char *nearest = NULL;

	if (strlen(text) > WORD_MAX)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		d = distance(text, words[i]);
		if (d >= best || 2 * d >= strlen(words[i]))
			continue;
		best = d;
		nearest = words[i];
	}
	return nearest;
}

const char *text_quote(const char *text, char out[TEXT_QUOTED_MAX])
{
	size_t n = 0;

	out[n++] = '"';
	for (; *text && n < TEXT_QUOTED_MAX - 6; text++)
		out[n++] = (unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text;
	/* Not in the middle of a character. */
	while (*text && n > 1 && ((unsigned char)*text & 0xc0) == 0x80) {
		text--;
		n--;
	}
	strcpy(out + n, *text ? "...\"" : "\"");
	return out;
}
