/* SPDX-License-Identifier: MIT */
#include "message.h"

#include <errno.h>
#include <string.h>

#define LENGTH_MAX 0x3fffffffu /* PostgreSQL's own limit of an allocation, about */

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void put32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

long framer_feed(struct framer *f, const uint8_t *bytes, size_t len)
{
	size_t used = 0;

	if (f->done)
		*f = (struct framer){0};
	while (f->have < MESSAGE_HEADER && used < len) {
		f->header[f->have++] = bytes[used++];
		if (f->have < MESSAGE_HEADER)
			continue;
		uint32_t length = get32(f->header + 1);
		if (length < 4 || length > LENGTH_MAX)
			return -EPROTO;
		f->remaining = length - 4;
	}
	if (f->have == MESSAGE_HEADER) {
		size_t body = len - used < f->remaining ? len - used : f->remaining;
		for (size_t i = 0; i < body && f->body_have < sizeof(f->body); i++)
			f->body[f->body_have++] = bytes[used + i];
		f->remaining -= (uint32_t)body;
		used += body;
		f->done = f->remaining == 0;
	}
	return (long)used;
}

enum startup_kind message_startup(const uint8_t *bytes, size_t have, size_t *len)
{
	if (have < 8)
		return STARTUP_INCOMPLETE;
	uint32_t length = get32(bytes), code = get32(bytes + 4);
	if (length < 8 || length > MESSAGE_STARTUP_MAX)
		return STARTUP_INVALID;
	if (have < length)
		return STARTUP_INCOMPLETE;
	*len = length;
	if (code == 80877103 || code == 80877104) /* SSLRequest, GSSENCRequest */
		return STARTUP_SSL;
	if (code == 80877102)
		return STARTUP_CANCEL;
	return code >> 16 == 3 ? STARTUP_SESSION : STARTUP_INVALID;
}

/* Writes the length of what stands behind `at` in out. */
static void close_message(struct buffer *out, size_t at)
{
	if (!out->failed)
		put32(buffer_at(out, at), (uint32_t)(out->len - at));
}

static void put_string(struct buffer *out, const char *text)
{
	buffer_append(out, text, strlen(text) + 1);
}

static size_t open_message(struct buffer *out, char type)
{
	uint8_t header[MESSAGE_HEADER] = {(uint8_t)type};

	buffer_append(out, header, sizeof(header));
	return out->len - 4;
}

void message_write_startup(struct buffer *out, const char *user, const char *database)
{
	static const uint8_t head[8] = {0, 0, 0, 0, 0, 3, 0, 0}; /* length, protocol 3.0 */
	size_t at = out->len;

	buffer_append(out, head, sizeof(head));
	put_string(out, "user");
	put_string(out, user);
	put_string(out, "database");
	put_string(out, database);
	put_string(out, "");
	close_message(out, at);
}

void message_write_query(struct buffer *out, const char *text)
{
	size_t at = open_message(out, 'Q');

	put_string(out, text);
	close_message(out, at);
}

void message_write_parse_sync(struct buffer *out, const char *name, const uint8_t *rest, size_t rest_len)
{
	size_t at = open_message(out, 'P');

	put_string(out, name);
	buffer_append(out, rest, rest_len);
	close_message(out, at);
	close_message(out, open_message(out, 'S'));
}

/* The length of a string with its NUL at p, or 0 when it does not end before `end`. */
static size_t string_size(const uint8_t *p, const uint8_t *end)
{
	const uint8_t *nul = p < end ? memchr(p, 0, (size_t)(end - p)) : NULL;

	return nul ? (size_t)(nul - p) + 1 : 0;
}

bool message_statement_name(const uint8_t *message, size_t len, const char **name, size_t *offset)
{
	const uint8_t *end = message + len;
	size_t at = MESSAGE_HEADER;

	if (len <= MESSAGE_HEADER)
		return false;
	if (message[0] == 'B') {
		size_t portal = string_size(message + at, end);
		if (!portal)
			return false;
		at += portal;
	} else if (message[0] == 'D' || message[0] == 'C') {
		if (message[at++] != 'S')
			return false;
	} else if (message[0] != 'P') {
		return false;
	}
	if (!string_size(message + at, end))
		return false;
	*name = (const char *)message + at;
	*offset = at;
	return true;
}

void message_write_renamed(struct buffer *out, const uint8_t *message, size_t len, size_t offset,
			   const char *name)
{
	size_t old = strlen((const char *)message + offset) + 1, at = out->len + 1;

	buffer_append(out, message, offset);
	put_string(out, name);
	buffer_append(out, message + offset + old, len - offset - old);
	close_message(out, at);
}
