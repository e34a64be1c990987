/* SPDX-License-Identifier: MIT */
/* clock - CLOCK_MONOTONIC, the clock of the kernel's records and of every interval here; 0 is some time in
 * the past. */
#ifndef MO_CLOCK_H
#define MO_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static inline uint64_t clock_us(void)
{
	return clock_ns() / 1000;
}

static inline uint64_t clock_ms(void)
{
	return clock_ns() / 1000000;
}

#endif
