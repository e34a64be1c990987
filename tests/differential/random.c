/* SPDX-License-Identifier: MIT */
#include "random.h"

void random_seed(struct random *random, uint64_t seed)
{
	random->state = seed;
}

/* SplitMix64 (Steele, Lea, Flood 2014): good enough for tests, and every seed will do. */
static uint64_t next(struct random *random)
{
	uint64_t z = random->state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

uint32_t random_below(struct random *random, uint32_t below)
{
	return (uint32_t)(next(random) % below);
}

bool random_chance(struct random *random, uint32_t percent)
{
	return random_below(random, 100) < percent;
}
