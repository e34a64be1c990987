/* SPDX-License-Identifier: MIT */
/* random - the one source of chance: the same seed gives the same session. */
#ifndef MO_RANDOM_H
#define MO_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

struct random {
	uint64_t state;
};

void random_seed(struct random *random, uint64_t seed);
/* Uniform in 0 .. below-1; below is at least 1. */
uint32_t random_below(struct random *random, uint32_t below);
/* True in `percent` of 100 cases. */
bool random_chance(struct random *random, uint32_t percent);

#endif
