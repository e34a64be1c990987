/* SPDX-License-Identifier: MIT */
#include "base/utf8.h"

#include <stdint.h>

size_t utf8_length(const char *text, size_t left)
{
	const uint8_t *at = (const uint8_t *)text;
	uint8_t low = 0x80, high = 0xbf;
	size_t len;

	if (at[0] < 0x80)
		return 1;
	if (at[0] < 0xc2 || at[0] > 0xf4)
		return 0;
	len = at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
	if (at[0] == 0xe0)
		low = 0xa0;
	else if (at[0] == 0xed)
		high = 0x9f;
	else if (at[0] == 0xf0)
		low = 0x90;
	else if (at[0] == 0xf4)
		high = 0x8f;
	if (len > left || at[1] < low || at[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++)
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	return len;
}

size_t utf8_cut(const char *text, size_t len)
{
	size_t at = len;

	while (at > 0 && ((uint8_t)text[at - 1] & 0xc0) == 0x80)
		at--;
	if (at == 0)
		return 0;
	at--;
	return at + utf8_length(text + at, len - at);
}
