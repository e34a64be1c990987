/* SPDX-License-Identifier: MIT */
/*
 * slab - elements of one size, named by a 32-bit index from 1; grows a chunk (about 256 KiB) at a time up to
 * a bound and never moves an element. Index 0 means "none". Freed elements are reused first.
 *
 * After warm-up nothing is allocated. Memory is returned to the system only by slab_done().
 */
#ifndef MO_SLAB_H
#define MO_SLAB_H

#include <stddef.h>
#include <stdint.h>

struct slab {
	uint8_t **chunk;
	size_t size;    /* of one element, at least 4 */
	uint32_t max;   /* elements at most, ever */
	uint32_t limit; /* ... and now: more than that is there only if it was before */
	uint32_t used;  /* elements ever handed out */
	uint32_t live;  /* of those, not given back */
	uint32_t free;  /* first of the freed ones; they are linked through their first 4 bytes */
	unsigned shift; /* elements of a chunk, as a power of two */
};

/* Returns 0, -ENOMEM or -EINVAL (size or max out of range). */
int slab_init(struct slab *slab, size_t size, uint32_t max);
void slab_done(struct slab *slab);

/* A zeroed element, or 0 when the bound is reached or memory is short. */
uint32_t slab_take(struct slab *slab);
void slab_give(struct slab *slab, uint32_t index);
/* Bytes held now. */
size_t slab_bytes(const struct slab *slab);

static inline void *slab_at(const struct slab *slab, uint32_t index)
{
	uint32_t place = index - 1;

	return slab->chunk[place >> slab->shift] + slab->size * (place & ((1u << slab->shift) - 1));
}

#endif
