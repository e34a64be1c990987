/* SPDX-License-Identifier: MIT */
/*
 * buffer - a growing, bounded character buffer.
 *
 * Writers never fail half-way: past `max` bytes, or without memory, the whole text is marked `failed` and
 * further writes do nothing, so that a caller checks once at the end. Always NUL-terminated once written to.
 */
#ifndef MO_BUFFER_H
#define MO_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

struct buffer {
	char *data; /* NULL while empty */
	size_t len, capacity;
	size_t max; /* bytes at most; 0 = BUFFER_MAX */
	bool failed;
};

#define BUFFER_MAX (16u << 20)

void buffer_append(struct buffer *buffer, const void *data, size_t len);
void buffer_string(struct buffer *buffer, const char *string);
void buffer_printf(struct buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Empties and keeps the memory. */
void buffer_reset(struct buffer *buffer);
/* Releases the memory; the struct can be used again. */
void buffer_free(struct buffer *buffer);

#endif
