/* SPDX-License-Identifier: MIT */
/*
 * loop - one epoll loop with timers. Everything may be removed from within any callback: memory of watches,
 * and what was given to loop_free_later, is released when the round of events is over.
 */
#ifndef TESTPROXY_LOOP_H
#define TESTPROXY_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct loop;
struct watch;

typedef void watch_fn(void *ctx, uint32_t events); /* EPOLLIN ... */
typedef void timer_fn(void *ctx);

/* Belongs to its owner; must be stopped before it is freed. */
struct timer {
	struct timer *next;
	uint64_t at_ns;
	timer_fn *fn;
	void *ctx;
	bool armed;
};

int loop_new(struct loop **out);
void loop_free(struct loop **loop);
/* Returns when loop_stop was called (0) or epoll failed (-errno). */
int loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

/* The file descriptor stays the caller's; loop_unwatch before closing it. */
int loop_watch(struct watch **out, struct loop *loop, int fd, uint32_t events, watch_fn *fn, void *ctx);
void loop_change(struct loop *loop, struct watch *watch, uint32_t events);
void loop_unwatch(struct loop *loop, struct watch **watch);

/* Replaces an earlier setting. */
void loop_timer_start(struct loop *loop, struct timer *timer, uint64_t after_ns);
void loop_timer_stop(struct loop *loop, struct timer *timer);

/* free(memory) at the end of the round. */
void loop_free_later(struct loop *loop, void *memory);

/* CLOCK_MONOTONIC in nanoseconds. */
uint64_t loop_now(void);

#endif
