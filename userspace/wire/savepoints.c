/* SPDX-License-Identifier: MIT */
#include "wire/savepoints.h"

#include <stdlib.h>

static bool grow(struct savepoints *savepoints)
{
	uint32_t size = savepoints->size ? 2 * savepoints->size : 8;
	struct savepoint *at =
	    size > SAVEPOINTS_MAX ? NULL : realloc(savepoints->at, size * sizeof(*savepoints->at));

	if (!at)
		return false;
	savepoints->at = at;
	savepoints->size = size;
	return true;
}

void savepoints_set(struct savepoints *savepoints, uint64_t name, uint64_t bound)
{
	if (savepoints->count == savepoints->size && !grow(savepoints)) {
		savepoints->torn = true;
		if (savepoints->count)
			savepoints->at[savepoints->count - 1] = (struct savepoint){0, bound};
		return;
	}
	savepoints->at[savepoints->count++] = (struct savepoint){name, bound};
}

/* The place of the one that is meant, or count where that is not known for certain. */
static uint32_t find(const struct savepoints *savepoints, uint64_t name)
{
	for (uint32_t i = savepoints->count; name && i > 0 && savepoints->at[i - 1].name; i--)
		if (savepoints->at[i - 1].name == name)
			return i - 1;
	return savepoints->count;
}

/* Which are left is not known any more. */
static void forget_names(struct savepoints *savepoints)
{
	for (uint32_t i = 0; i < savepoints->count; i++)
		savepoints->at[i].name = 0;
}

void savepoints_release(struct savepoints *savepoints, uint64_t name)
{
	uint32_t i = find(savepoints, name);

	if (i < savepoints->count)
		savepoints->count = i;
	else
		forget_names(savepoints);
}

struct savepoints_cut savepoints_roll_back(struct savepoints *savepoints, uint64_t name)
{
	uint32_t i = find(savepoints, name);
	struct savepoints_cut cut = {0, UINT64_MAX};

	if (i < savepoints->count) {
		cut.kept = cut.gone = savepoints->at[i].bound;
		savepoints->count = i + 1;
		return cut;
	}
	if (savepoints->count && !savepoints->torn)
		cut.kept = savepoints->at[0].bound;
	if (savepoints->count)
		cut.gone = savepoints->at[savepoints->count - 1].bound;
	forget_names(savepoints);
	return cut;
}

void savepoints_clear(struct savepoints *savepoints)
{
	savepoints->count = 0;
	savepoints->torn = false;
}

void savepoints_free(struct savepoints *savepoints)
{
	free(savepoints->at);
	*savepoints = (struct savepoints){0};
}
