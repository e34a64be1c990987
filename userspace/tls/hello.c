/* SPDX-License-Identifier: MIT */
#include "tls/hello.h"

#include <stdlib.h>
#include <string.h>

#include "wire/cursor.h"

#define COLLECTED_MAX (2 * HELLO_MAX) /* a hello's last record may hold other messages as well */

#define CLIENT_HELLO 1
#define SERVER_HELLO 2

#define EXTENSION_EARLY_DATA         42
#define EXTENSION_SUPPORTED_VERSIONS 43

/* RFC 8446, 4.1.3: the random of a ServerHello that is a HelloRetryRequest. */
static const uint8_t retry_random[32] = {0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c,
					 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb,
					 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c};

/* A server names the one version; a client's list says nothing that the server's answer does not. */
static void read_extension(struct cursor *cursor, bool server, struct hello *out)
{
	uint16_t type = cursor_u16(cursor), len = cursor_u16(cursor);
	const uint8_t *data = cursor_bytes(cursor, len);
	struct cursor body = cursor_of(data, data ? len : 0);

	if (!data)
		return;
	if (server && type == EXTENSION_SUPPORTED_VERSIONS)
		out->version = cursor_u16(&body);
	else if (!server && type == EXTENSION_EARLY_DATA)
		out->early_data = true;
}

static bool parse(struct cursor *cursor, bool server, struct hello *out)
{
	const uint8_t *random;

	memset(out, 0, sizeof(*out));
	out->version = cursor_u16(cursor);
	random = cursor_bytes(cursor, sizeof(out->random));
	if (random)
		memcpy(out->random, random, sizeof(out->random));
	cursor_bytes(cursor, cursor_u8(cursor)); /* session id */
	if (server) {
		out->suite = cursor_u16(cursor);
		cursor_u8(cursor); /* compression */
	} else {
		cursor_bytes(cursor, cursor_u16(cursor)); /* suites */
		cursor_bytes(cursor, cursor_u8(cursor));  /* compressions */
	}
	out->retry = server && memcmp(out->random, retry_random, sizeof(retry_random)) == 0;
	if (cursor->failed)
		return false;
	if (cursor_left(cursor)) /* TLS 1.2 may have no extensions */
		cursor_u16(cursor);
	while (!cursor->failed && cursor_left(cursor))
		read_extension(cursor, server, out);
	return !cursor->failed;
}

static bool collect(struct hello_reader *reader, const uint8_t *data, size_t len)
{
	uint8_t *grown;

	if (reader->len + len > COLLECTED_MAX)
		return false;
	grown = realloc(reader->data, reader->len + len + 1);
	if (!grown)
		return false;
	memcpy(grown + reader->len, data, len);
	reader->data = grown;
	reader->len += len;
	return true;
}

enum hello_progress hello_read(struct hello_reader *reader, bool server, const uint8_t *data, size_t len,
			       struct hello *out)
{
	struct cursor cursor;
	uint32_t head;

	if (!collect(reader, data, len))
		return HELLO_INVALID;
	if (reader->len < 4)
		return HELLO_MORE;
	cursor = cursor_of(reader->data, reader->len);
	head = cursor_u32(&cursor);
	if (head >> 24 != (server ? SERVER_HELLO : CLIENT_HELLO) || (head & 0xffffff) > HELLO_MAX)
		return HELLO_INVALID;
	head &= 0xffffff;
	if (cursor_left(&cursor) < head)
		return HELLO_MORE;
	cursor = cursor_of(cursor.at, head);
	return parse(&cursor, server, out) ? HELLO_DONE : HELLO_INVALID;
}

void hello_free(struct hello_reader *reader)
{
	free(reader->data);
	*reader = (struct hello_reader){0};
}
