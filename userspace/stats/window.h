/* SPDX-License-Identifier: MIT */
/*
 * window - successes and failures of the last minutes: a ring of WINDOW_BUCKETS buckets.
 *
 * Pure: time is passed in (CLOCK_MONOTONIC microseconds). A count leaves between span - span / WINDOW_BUCKETS
 * and span after it came, never later. Time that goes backwards counts as the latest time seen. The window
 * lives in memory only: after a restart of the daemon it is empty.
 */
#ifndef MO_WINDOW_H
#define MO_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#define WINDOW_BUCKETS 60

struct window {
	uint64_t span_us;
	uint64_t slot; /* number of the newest bucket since time 0 */
	struct window_bucket {
		uint64_t success, failure;
	} buckets[WINDOW_BUCKETS];
};

/* Empties it. span_us is at least WINDOW_BUCKETS. */
void window_init(struct window *window, uint64_t span_us);
void window_add(struct window *window, uint64_t now_us, uint64_t success, uint64_t failure);
struct window_bucket window_sum(struct window *window, uint64_t now_us);

#endif
