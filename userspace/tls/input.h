/* SPDX-License-Identifier: MIT */
/* input - the bytes of one direction that wait to be read: contiguous, appended at the end, taken from the
 * front. Holds cipher text only. */
#ifndef MO_INPUT_H
#define MO_INPUT_H

#include <stddef.h>
#include <stdint.h>

struct input {
	uint8_t *data; /* NULL while empty */
	size_t begin, end, capacity;
	uint64_t position; /* bytes that were taken so far */
};

/* 0 or -ENOMEM. */
int input_append(struct input *input, const uint8_t *data, size_t len);
void input_take(struct input *input, size_t len);
void input_free(struct input *input);

static inline const uint8_t *input_at(const struct input *input)
{
	return input->data + input->begin;
}

static inline size_t input_len(const struct input *input)
{
	return input->end - input->begin;
}

#endif
