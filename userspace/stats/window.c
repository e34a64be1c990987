/* SPDX-License-Identifier: MIT */
#include "stats/window.h"

#include <string.h>

void window_init(struct window *window, uint64_t span_us)
{
	memset(window, 0, sizeof(*window));
	window->span_us = span_us < WINDOW_BUCKETS ? WINDOW_BUCKETS : span_us;
}

/* Makes the bucket of now the newest one, emptying those in between. */
static void advance(struct window *window, uint64_t now_us)
{
	uint64_t slot = now_us / (window->span_us / WINDOW_BUCKETS);

	if (slot <= window->slot)
		return;
	if (slot - window->slot >= WINDOW_BUCKETS) {
		memset(window->buckets, 0, sizeof(window->buckets));
		window->slot = slot;
	}
	while (window->slot < slot)
		window->buckets[++window->slot % WINDOW_BUCKETS] = (struct window_bucket){0};
}

void window_add(struct window *window, uint64_t now_us, uint64_t success, uint64_t failure)
{
	struct window_bucket *bucket;

	advance(window, now_us);
	bucket = &window->buckets[window->slot % WINDOW_BUCKETS];
	bucket->success += success;
	bucket->failure += failure;
}

struct window_bucket window_sum(struct window *window, uint64_t now_us)
{
	struct window_bucket sum = {0};

	advance(window, now_us);
	for (int i = 0; i < WINDOW_BUCKETS; i++) {
		sum.success += window->buckets[i].success;
		sum.failure += window->buckets[i].failure;
	}
	return sum;
}
