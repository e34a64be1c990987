/* SPDX-License-Identifier: MIT */
/*
 * clock - CLOCK_MONOTONIC as the kernel's records have it, the clock of every interval here; 0 is some time
 * in the past. In a time namespace (a container with offsets, a restored checkpoint) a process is shown
 * another one: clock_find_offset() reads by how much, once, before the clock is first asked.
 */
#ifndef MO_CLOCK_H
#define MO_CLOCK_H

#include <stdint.h>
#include <time.h>

extern int64_t clock_offset_ns; /* of this process's clock to the kernel's; set by clock_find_offset */

/* From /proc/self/timens_offsets. Returns the offset; 0 where there is none, or no such file. */
int64_t clock_find_offset(void);
/* The offset that such a file states; for tests. */
int64_t clock_read_offset(const char *path);

static inline uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + now.tv_nsec - clock_offset_ns;
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
