/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "match/slab.h"

#define SLAB_CHUNK_BYTES (256u << 10)

static size_t slab_chunks(const struct slab *slab)
{
	return ((size_t)slab->max + (1u << slab->shift) - 1) >> slab->shift;
}

int slab_init(struct slab *slab, size_t size, uint32_t max)
{
	memset(slab, 0, sizeof(*slab));
	if (size < sizeof(uint32_t) || size > SLAB_CHUNK_BYTES || max == 0 || max == UINT32_MAX)
		return -EINVAL;
	slab->size = size;
	slab->max = slab->limit = max;
	while (((size_t)2 << slab->shift) * size <= SLAB_CHUNK_BYTES)
		slab->shift++;
	slab->chunk = calloc(slab_chunks(slab), sizeof(*slab->chunk));
	return slab->chunk ? 0 : -ENOMEM;
}

void slab_done(struct slab *slab)
{
	if (slab->chunk)
		for (size_t i = 0; i < slab_chunks(slab); i++)
			free(slab->chunk[i]);
	free(slab->chunk);
	memset(slab, 0, sizeof(*slab));
}

static uint32_t slab_extend(struct slab *slab)
{
	uint32_t number = slab->used >> slab->shift;

	if (slab->used >= slab->limit)
		return 0;
	if (!slab->chunk[number])
		slab->chunk[number] = malloc(slab->size << slab->shift);
	return slab->chunk[number] ? ++slab->used : 0;
}

uint32_t slab_take(struct slab *slab)
{
	uint32_t index = slab->free;

	if (slab->live >= slab->limit)
		return 0;
	if (index)
		memcpy(&slab->free, slab_at(slab, index), sizeof(slab->free));
	else
		index = slab_extend(slab);
	if (!index)
		return 0;
	slab->live++;
	memset(slab_at(slab, index), 0, slab->size);
	return index;
}

void slab_give(struct slab *slab, uint32_t index)
{
	memcpy(slab_at(slab, index), &slab->free, sizeof(slab->free));
	slab->free = index;
	slab->live--;
}

size_t slab_bytes(const struct slab *slab)
{
	size_t chunks = ((size_t)slab->used + (1u << slab->shift) - 1) >> slab->shift;

	return chunks * (slab->size << slab->shift) + slab_chunks(slab) * sizeof(*slab->chunk);
}
