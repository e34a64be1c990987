/* SPDX-License-Identifier: MIT */
#include "link.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "buffer.h"
#include "loop.h"

struct link {
	struct loop *loop;
	struct watch *watch;
	int fd;
	const struct link_ops *ops;
	void *ctx;
	struct buffer out;
	struct buffer marks;        /* uint64_t positions in the output stream */
	uint64_t appended, written; /* positions: end of out, end of what was sent */
	uint32_t events;
	int error;
	bool reading, finishing, closed;
};

static const struct link_ops silent;

static void update_events(struct link *link)
{
	uint32_t events = (link->reading ? EPOLLIN : 0) | (link->out.len && !link->error ? EPOLLOUT : 0);

	if (events != link->events && !link->closed)
		loop_change(link->loop, link->watch, events);
	link->events = events;
}

static struct link_sends sends;

struct link_sends link_sends(void)
{
	return sends;
}

static void report_marks(struct link *link, uint64_t began_ns)
{
	uint64_t now = loop_now(), position;

	while (!link->closed && link->marks.len) {
		__builtin_memcpy(&position, buffer_at(&link->marks, 0), sizeof(position));
		if (position > link->written)
			break;
		buffer_consume(&link->marks, sizeof(position));
		sends.count++;
		sends.sum_ns += now - began_ns;
		if (link->ops->sent)
			link->ops->sent(link->ctx, now);
	}
}

static void flush(struct link *link)
{
	while (link->out.len && !link->error) {
		uint64_t began_ns = link->marks.len ? loop_now() : 0;
		ssize_t n = send(link->fd, buffer_at(&link->out, 0), link->out.len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == ENOTCONN))
			break;
		if (n < 0) {
			link->error = -errno;
			break;
		}
		link->written += (uint64_t)n;
		buffer_consume(&link->out, (size_t)n);
		if (link->marks.len)
			report_marks(link, began_ns);
		if (link->closed)
			return;
	}
}

void link_flush(struct link *link)
{
	if (link->closed || !link->out.len)
		return;
	flush(link);
	if (link->closed)
		return;
	update_events(link);
	if (!link->out.len && link->ops->drained)
		link->ops->drained(link->ctx);
}

static void receive(struct link *link)
{
	uint8_t bytes[65536];
	ssize_t n = recv(link->fd, bytes, sizeof(bytes), 0);

	if (n > 0 && link->ops->data)
		link->ops->data(link->ctx, bytes, (size_t)n);
	else if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		link->error = n ? -errno : 1;
}

static void on_event(void *ctx, uint32_t events)
{
	struct link *link = ctx;

	if (events & EPOLLOUT)
		link_flush(link);
	if (!link->closed && !link->error && (events & (EPOLLIN | EPOLLERR | EPOLLHUP)))
		receive(link);
	if (!link->closed && !link->error && link->out.failed)
		link->error = -ENOMEM;
	if (link->closed)
		return;
	if (link->finishing && (link->error || !link->out.len)) {
		link_close(&link);
	} else if (link->error) {
		link->reading = false;
		if (link->ops->closed)
			link->ops->closed(link->ctx, link->error == 1 ? 0 : link->error);
		if (!link->closed)
			update_events(link);
	}
}

int link_new(struct link **out, struct loop *loop, int fd, const struct link_ops *ops, void *ctx)
{
	struct link *link = calloc(1, sizeof(*link));
	int err = link ? loop_watch(&link->watch, loop, fd, EPOLLIN, on_event, link) : -ENOMEM;

	if (err) {
		free(link);
		close(fd);
		return err;
	}
	link->loop = loop;
	link->fd = fd;
	link->ops = ops;
	link->ctx = ctx;
	link->events = EPOLLIN;
	link->reading = true;
	*out = link;
	return 0;
}

void link_close(struct link **linkp)
{
	struct link *link = *linkp;

	*linkp = NULL;
	if (!link || link->closed)
		return;
	link->closed = true;
	loop_unwatch(link->loop, &link->watch);
	close(link->fd);
	buffer_free(&link->out);
	buffer_free(&link->marks);
	loop_free_later(link->loop, link);
}

void link_finish(struct link **linkp)
{
	struct link *link = *linkp;

	*linkp = NULL;
	if (!link)
		return;
	flush(link);
	if (!link->out.len || link->error) {
		link_close(&link);
		return;
	}
	link->ops = &silent;
	link->finishing = true;
	link->reading = false;
	update_events(link);
}

void link_write(struct link *link, const void *bytes, size_t len)
{
	if (!buffer_append(&link->out, bytes, len))
		link->appended += len;
}

void link_mark(struct link *link)
{
	buffer_append(&link->marks, &link->appended, sizeof(link->appended));
}

size_t link_unsent(const struct link *link)
{
	return link->out.len;
}

void link_read(struct link *link, bool on)
{
	link->reading = on && !link->error;
	update_events(link);
}
