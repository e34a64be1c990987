/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>

#include "match/paired_keys.h"

#define PLACES 16384u
#define MS     1000000u

struct place {
	uint32_t check;
	uint32_t time; /* ms, modulo 2^32 */
};

struct paired_keys {
	struct place place[PLACES];
};

int paired_keys_new(struct paired_keys **out)
{
	*out = calloc(1, sizeof(**out));
	return *out ? 0 : -ENOMEM;
}

void paired_keys_free(struct paired_keys **keys)
{
	free(*keys);
	*keys = NULL;
}

size_t paired_keys_bytes(void)
{
	return sizeof(struct paired_keys);
}

/* 0 marks a place that was never used. */
static uint32_t check_of(uint64_t key)
{
	return (uint32_t)(key >> 32) | 1;
}

void paired_keys_note(struct paired_keys *keys, uint64_t key, uint64_t time)
{
	keys->place[key % PLACES] = (struct place){check_of(key), (uint32_t)(time / MS)};
}

bool paired_keys_seen(const struct paired_keys *keys, uint64_t key, uint64_t time, uint64_t within)
{
	const struct place *place = &keys->place[key % PLACES];
	int32_t apart = (int32_t)((uint32_t)(time / MS) - place->time);
	uint64_t distance = (uint64_t)(apart < 0 ? -(int64_t)apart : apart);

	return place->check == check_of(key) && distance * MS <= within;
}
