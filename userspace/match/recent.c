/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>

#include "match/recent.h"

#define PLACES 16384u
#define MS     1000000u

struct place {
	uint32_t check;
	uint32_t time; /* ms, modulo 2^32 */
};

struct recent {
	struct place place[PLACES];
};

int recent_new(struct recent **out)
{
	*out = calloc(1, sizeof(**out));
	return *out ? 0 : -ENOMEM;
}

void recent_free(struct recent **recent)
{
	free(*recent);
	*recent = NULL;
}

size_t recent_bytes(void)
{
	return sizeof(struct recent);
}

/* 0 marks a place that was never used. */
static uint32_t check_of(uint64_t key)
{
	return (uint32_t)(key >> 32) | 1;
}

void recent_note(struct recent *recent, uint64_t key, uint64_t time)
{
	recent->place[key % PLACES] = (struct place){check_of(key), (uint32_t)(time / MS)};
}

bool recent_seen(const struct recent *recent, uint64_t key, uint64_t time, uint64_t within)
{
	const struct place *place = &recent->place[key % PLACES];
	int32_t apart = (int32_t)((uint32_t)(time / MS) - place->time);
	uint64_t distance = (uint64_t)(apart < 0 ? -(int64_t)apart : apart);

	return place->check == check_of(key) && distance * MS <= within;
}
