/* SPDX-License-Identifier: MIT */
/*
 * buffer - a growing FIFO of bytes. Owns its memory. A failed allocation is remembered in `failed`, so that a
 * writer of many pieces needs to look once.
 */
#ifndef TESTPROXY_BUFFER_H
#define TESTPROXY_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buffer {
	uint8_t *data;
	size_t start, len, size; /* the content is data[start .. start + len) */
	bool failed;
};

void buffer_free(struct buffer *buffer);
/* Returns 0 or -ENOMEM (and sets failed). */
int buffer_append(struct buffer *buffer, const void *bytes, size_t len);
void buffer_consume(struct buffer *buffer, size_t len);
/* Shortens the content to its first len bytes. */
void buffer_truncate(struct buffer *buffer, size_t len);

static inline uint8_t *buffer_at(const struct buffer *buffer, size_t offset)
{
	return buffer->data + buffer->start + offset;
}

#endif
