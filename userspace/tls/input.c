/* SPDX-License-Identifier: MIT */
#include "tls/input.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define KEPT 32768 /* more memory than that is given back when the buffer runs empty */

static int make_room(struct input *input, size_t len)
{
	size_t held = input_len(input), capacity = input->capacity ? input->capacity : 4096;
	uint8_t *grown;

	if (input->begin) {
		memmove(input->data, input->data + input->begin, held);
		input->begin = 0;
		input->end = held;
	}
	while (capacity < held + len)
		capacity *= 2;
	if (capacity == input->capacity)
		return 0;
	grown = realloc(input->data, capacity);
	if (!grown)
		return -ENOMEM;
	input->data = grown;
	input->capacity = capacity;
	return 0;
}

int input_append(struct input *input, const uint8_t *data, size_t len)
{
	if (input->capacity - input->end < len && make_room(input, len))
		return -ENOMEM;
	memcpy(input->data + input->end, data, len);
	input->end += len;
	return 0;
}

void input_take(struct input *input, size_t len)
{
	input->begin += len;
	input->position += len;
	if (input->begin < input->end)
		return;
	input->begin = input->end = 0;
	if (input->capacity > KEPT) {
		free(input->data);
		input->data = NULL;
		input->capacity = 0;
	}
}

void input_free(struct input *input)
{
	free(input->data);
	*input = (struct input){0};
}
