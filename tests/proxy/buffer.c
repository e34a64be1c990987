/* SPDX-License-Identifier: MIT */
#include "buffer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void buffer_free(struct buffer *buffer)
{
	free(buffer->data);
	*buffer = (struct buffer){0};
}

static int grow(struct buffer *buffer, size_t need)
{
	size_t size = buffer->size ? buffer->size : 256;

	while (size < need)
		size *= 2;
	uint8_t *data = realloc(buffer->data, size);
	if (!data) {
		buffer->failed = true;
		return -ENOMEM;
	}
	buffer->data = data;
	buffer->size = size;
	return 0;
}

int buffer_append(struct buffer *buffer, const void *bytes, size_t len)
{
	if (!len)
		return 0;
	if (buffer->start + buffer->len + len > buffer->size && buffer->start) {
		memmove(buffer->data, buffer->data + buffer->start, buffer->len);
		buffer->start = 0;
	}
	if (buffer->len + len > buffer->size) {
		int err = grow(buffer, buffer->len + len);
		if (err)
			return err;
	}
	memcpy(buffer->data + buffer->start + buffer->len, bytes, len);
	buffer->len += len;
	return 0;
}

void buffer_consume(struct buffer *buffer, size_t len)
{
	buffer->start += len;
	buffer->len -= len;
	if (!buffer->len)
		buffer->start = 0;
}

void buffer_truncate(struct buffer *buffer, size_t len)
{
	if (len < buffer->len)
		buffer->len = len;
}
