/* SPDX-License-Identifier: MIT */
#include "wire/tls.h"

#include <string.h>

#include "wire/cursor.h"

#define RECORD_MAX (16384u + 2048u) /* TLS 1.2's bound; that of 1.3 is lower */

/* A record's header: content type, version, length. Returns the length, or 0 when it is none. */
static uint32_t header(struct cursor *cursor)
{
	uint8_t type = cursor_u8(cursor);
	uint16_t version = cursor_u16(cursor);
	uint16_t length = cursor_u16(cursor);

	if (cursor->failed || type < 0x14 || type > 0x17 || version < 0x0300 || version > 0x0304)
		return 0;
	return length <= RECORD_MAX ? length : 0;
}

void tls_follow(struct tls *tls, bool begins, const uint8_t *data, size_t len)
{
	struct cursor cursor = cursor_of(data, len);

	if (!tls->records && !begins)
		return;
	for (;;) {
		size_t here = tls->left < cursor_left(&cursor) ? tls->left : cursor_left(&cursor);

		cursor_bytes(&cursor, here);
		tls->left -= here;
		if (!cursor_left(&cursor))
			return;
		tls->left = header(&cursor);
		if (!tls->left) {
			memset(tls, 0, sizeof(*tls));
			return;
		}
		if (tls->records < TLS_CERTAIN)
			tls->records++;
	}
}
