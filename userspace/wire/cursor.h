/* SPDX-License-Identifier: MIT */
/*
 * cursor - bounds-checked reads of big-endian fields, the only way in which bytes of the wire are looked at.
 *
 * A read past the end returns zeros (NULL for pointers) and sets `failed`, which sticks: read all fields,
 * then look at it once.
 */
#ifndef MO_CURSOR_H
#define MO_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct cursor {
	const uint8_t *at, *end;
	bool failed;
};

static inline struct cursor cursor_of(const void *data, size_t len)
{
	const uint8_t *at = data;

	return (struct cursor){.at = at, .end = at ? at + len : at, .failed = false};
}

static inline size_t cursor_left(const struct cursor *cursor)
{
	return cursor->end - cursor->at;
}

/* The next len bytes, or NULL. */
static inline const uint8_t *cursor_bytes(struct cursor *cursor, size_t len)
{
	const uint8_t *at = cursor->at;

	if (cursor->failed || len > cursor_left(cursor)) {
		cursor->failed = true;
		return NULL;
	}
	if (len)
		cursor->at += len;
	return at;
}

static inline uint8_t cursor_u8(struct cursor *cursor)
{
	const uint8_t *at = cursor_bytes(cursor, 1);

	return at ? at[0] : 0;
}

static inline uint16_t cursor_u16(struct cursor *cursor)
{
	const uint8_t *at = cursor_bytes(cursor, 2);

	return at ? (uint16_t)(at[0] << 8 | at[1]) : 0;
}

static inline uint32_t cursor_u32(struct cursor *cursor)
{
	const uint8_t *at = cursor_bytes(cursor, 4);

	return at ? (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3] : 0;
}

/* A string that ends in NUL; its length without the NUL in *len (which may be NULL). */
static inline const char *cursor_string(struct cursor *cursor, size_t *len)
{
	const uint8_t *at = cursor->at, *nul = NULL;

	if (!cursor->failed && cursor_left(cursor))
		nul = memchr(at, 0, cursor_left(cursor));
	if (!nul) {
		cursor->failed = true;
		if (len)
			*len = 0;
		return NULL;
	}
	cursor->at = nul + 1;
	if (len)
		*len = nul - at;
	return (const char *)at;
}

#endif
