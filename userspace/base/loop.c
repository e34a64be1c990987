/* SPDX-License-Identifier: MIT */
#include "base/loop.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"

#define BATCH 16

enum source_kind { SOURCE_FD, SOURCE_TIMER, SOURCE_SIGNALS };

struct loop_source {
	LIST_ENTRY(loop_source) entry;
	struct loop *loop;
	enum source_kind kind;
	int fd;
	loop_handler *handler;
	void *ctx;
};

struct loop {
	int epoll;
	bool stopped;
	int result;
	uint64_t begun; /* the pass under way */
	loop_pass *pass;
	void *pass_ctx;
	LIST_HEAD(, loop_source) sources;
	struct epoll_event batch[BATCH]; /* what epoll_wait returned; entries of removed sources are NULL */
	int batch_count;
};

int loop_new(struct loop **out)
{
	struct loop *loop = calloc(1, sizeof(*loop));

	if (!loop)
		return -ENOMEM;
	LIST_INIT(&loop->sources);
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll < 0) {
		free(loop);
		return -errno;
	}
	*out = loop;
	return 0;
}

void loop_free(struct loop **loop)
{
	struct loop_source *source;

	if (!*loop)
		return;
	while ((source = LIST_FIRST(&(*loop)->sources)))
		loop_remove(&source);
	close((*loop)->epoll);
	free(*loop);
	*loop = NULL;
}

static int add(struct loop *loop, const struct loop_source *model, uint32_t events, struct loop_source **out)
{
	struct loop_source *source = malloc(sizeof(*source));
	struct epoll_event event = {.events = events, .data.ptr = source};

	if (!source)
		return -ENOMEM;
	*source = *model;
	source->loop = loop;
	if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, source->fd, &event)) {
		int err = -errno;
		free(source);
		return err;
	}
	LIST_INSERT_HEAD(&loop->sources, source, entry);
	if (out)
		*out = source;
	return 0;
}

int loop_add_fd(struct loop *loop, int fd, uint32_t events, loop_handler *handler, void *ctx,
		struct loop_source **out)
{
	struct loop_source model = {.kind = SOURCE_FD, .fd = fd, .handler = handler, .ctx = ctx};

	return add(loop, &model, events, out);
}

int loop_change_fd(struct loop_source *source, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = source};

	return epoll_ctl(source->loop->epoll, EPOLL_CTL_MOD, source->fd, &event) ? -errno : 0;
}

static struct timespec timespec_of(uint64_t us)
{
	return (struct timespec){.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
}

static int set_timer(int fd, uint64_t first_us, uint64_t interval_us)
{
	struct itimerspec spec = {.it_value = timespec_of(first_us), .it_interval = timespec_of(interval_us)};

	return timerfd_settime(fd, 0, &spec, NULL) ? -errno : 0;
}

/* Adds a descriptor that the loop made and closes on removal. */
static int add_own(struct loop *loop, struct loop_source *model, struct loop_source **out)
{
	int err;

	if (model->fd < 0)
		return -errno;
	err = add(loop, model, EPOLLIN, out);
	if (err)
		close(model->fd);
	return err;
}

int loop_add_timer(struct loop *loop, uint64_t first_us, uint64_t interval_us, loop_handler *handler,
		   void *ctx, struct loop_source **out)
{
	struct loop_source model = {.kind = SOURCE_TIMER,
				    .fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC),
				    .handler = handler,
				    .ctx = ctx};
	int err = add_own(loop, &model, out);

	return err ? err : set_timer(model.fd, first_us, interval_us);
}

int loop_set_timer(struct loop_source *timer, uint64_t first_us, uint64_t interval_us)
{
	return set_timer(timer->fd, first_us, interval_us);
}

int loop_add_signals(struct loop *loop, const int *signals, size_t count, loop_handler *handler, void *ctx)
{
	struct loop_source model = {.kind = SOURCE_SIGNALS, .handler = handler, .ctx = ctx};
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < count; i++)
		sigaddset(&set, signals[i]);
	if (sigprocmask(SIG_BLOCK, &set, NULL) || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		return -errno;
	model.fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	return add_own(loop, &model, NULL);
}

void loop_remove(struct loop_source **source)
{
	struct loop_source *gone = *source;

	if (!gone)
		return;
	*source = NULL;
	/* Fails only when the caller closed the descriptor first: then the kernel has forgotten it already.
	 */
	epoll_ctl(gone->loop->epoll, EPOLL_CTL_DEL, gone->fd, NULL);
	for (int i = 0; i < gone->loop->batch_count; i++)
		if (gone->loop->batch[i].data.ptr == gone)
			gone->loop->batch[i].data.ptr = NULL;
	if (gone->kind != SOURCE_FD)
		close(gone->fd);
	LIST_REMOVE(gone, entry);
	free(gone);
}

static void dispatch(struct loop_source *source, uint32_t events)
{
	struct signalfd_siginfo info;
	uint64_t expirations;

	switch (source->kind) {
	case SOURCE_FD:
		source->handler(source->ctx, events);
		break;
	case SOURCE_TIMER:
		/* Nothing to read when an earlier handler of this batch armed it anew. */
		if (read(source->fd, &expirations, sizeof(expirations)) == sizeof(expirations))
			source->handler(source->ctx,
					expirations > UINT32_MAX ? UINT32_MAX : (uint32_t)expirations);
		break;
	case SOURCE_SIGNALS:
		if (read(source->fd, &info, sizeof(info)) == sizeof(info))
			source->handler(source->ctx, info.ssi_signo);
		break;
	}
}

void loop_measure(struct loop *loop, loop_pass *pass, void *ctx)
{
	loop->pass = pass;
	loop->pass_ctx = ctx;
}

uint64_t loop_pass_begun(const struct loop *loop)
{
	return loop->begun;
}

int loop_run(struct loop *loop)
{
	loop->stopped = false;
	while (!loop->stopped) {
		loop->batch_count = epoll_wait(loop->epoll, loop->batch, BATCH, -1);
		if (loop->batch_count < 0 && errno != EINTR)
			return -errno;
		loop->begun = clock_ns();
		for (int i = 0; i < loop->batch_count && !loop->stopped; i++)
			if (loop->batch[i].data.ptr)
				dispatch(loop->batch[i].data.ptr, loop->batch[i].events);
		loop->batch_count = 0;
		if (loop->pass)
			loop->pass(loop->pass_ctx, clock_ns() - loop->begun);
	}
	return loop->result;
}

void loop_stop(struct loop *loop, int result)
{
	loop->stopped = true;
	loop->result = result;
}
