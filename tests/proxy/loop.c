/* SPDX-License-Identifier: MIT */
#include "loop.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define ROUND 64 /* events of one epoll_wait */

struct watch {
	int fd;
	bool dead;
	watch_fn *fn;
	void *ctx;
};

struct garbage {
	struct garbage *next;
	void *memory;
};

struct loop {
	int epoll;
	bool stopped;
	struct timer *timers; /* soonest first */
	struct garbage *garbage;
};

uint64_t loop_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

int loop_new(struct loop **out)
{
	struct loop *loop = calloc(1, sizeof(*loop));

	if (!loop)
		return -ENOMEM;
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll < 0) {
		int err = -errno;
		free(loop);
		return err;
	}
	*out = loop;
	return 0;
}

static void collect(struct loop *loop)
{
	while (loop->garbage) {
		struct garbage *next = loop->garbage->next;
		free(loop->garbage->memory);
		free(loop->garbage);
		loop->garbage = next;
	}
}

void loop_free(struct loop **loop)
{
	if (!*loop)
		return;
	collect(*loop);
	close((*loop)->epoll);
	free(*loop);
	*loop = NULL;
}

void loop_stop(struct loop *loop)
{
	loop->stopped = true;
}

static void run_timers(struct loop *loop)
{
	while (loop->timers && loop->timers->at_ns <= loop_now()) {
		struct timer *timer = loop->timers;
		loop->timers = timer->next;
		timer->armed = false;
		timer->fn(timer->ctx);
	}
}

static int wait_ms(const struct loop *loop)
{
	if (!loop->timers)
		return -1;
	uint64_t now = loop_now(), at = loop->timers->at_ns;
	return at <= now ? 0 : (int)((at - now + 999999) / 1000000);
}

int loop_run(struct loop *loop)
{
	struct epoll_event events[ROUND];

	while (!loop->stopped) {
		int n = epoll_wait(loop->epoll, events, ROUND, wait_ms(loop));
		if (n < 0 && errno != EINTR)
			return -errno;
		for (int i = 0; i < n; i++) {
			struct watch *watch = events[i].data.ptr;
			if (!watch->dead)
				watch->fn(watch->ctx, events[i].events);
		}
		run_timers(loop);
		collect(loop);
	}
	return 0;
}

int loop_watch(struct watch **out, struct loop *loop, int fd, uint32_t events, watch_fn *fn, void *ctx)
{
	struct watch *watch = calloc(1, sizeof(*watch));

	if (!watch)
		return -ENOMEM;
	*watch = (struct watch){.fd = fd, .fn = fn, .ctx = ctx};
	struct epoll_event event = {.events = events, .data.ptr = watch};
	if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &event) < 0) {
		int err = -errno;
		free(watch);
		return err;
	}
	*out = watch;
	return 0;
}

void loop_change(struct loop *loop, struct watch *watch, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = watch};

	epoll_ctl(loop->epoll, EPOLL_CTL_MOD, watch->fd, &event);
}

void loop_unwatch(struct loop *loop, struct watch **watch)
{
	if (!*watch)
		return;
	epoll_ctl(loop->epoll, EPOLL_CTL_DEL, (*watch)->fd, NULL);
	(*watch)->dead = true;
	loop_free_later(loop, *watch);
	*watch = NULL;
}

void loop_timer_start(struct loop *loop, struct timer *timer, uint64_t after_ns)
{
	loop_timer_stop(loop, timer);
	timer->at_ns = loop_now() + after_ns;
	timer->armed = true;
	struct timer **at = &loop->timers;
	while (*at && (*at)->at_ns <= timer->at_ns)
		at = &(*at)->next;
	timer->next = *at;
	*at = timer;
}

void loop_timer_stop(struct loop *loop, struct timer *timer)
{
	if (!timer->armed)
		return;
	struct timer **at = &loop->timers;
	while (*at && *at != timer)
		at = &(*at)->next;
	if (*at)
		*at = timer->next;
	timer->armed = false;
}

void loop_free_later(struct loop *loop, void *memory)
{
	struct garbage *garbage = malloc(sizeof(*garbage));

	if (!garbage)
		return; /* leaks rather than frees under someone's feet */
	*garbage = (struct garbage){.next = loop->garbage, .memory = memory};
	loop->garbage = garbage;
}
