/* SPDX-License-Identifier: MIT */
#include "client.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "buffer.h"
#include "link.h"
#include "loop.h"
#include "message.h"
#include "mirror.h"
#include "proxy.h"
#include "recorder.h"
#include "request.h"
#include "twin.h"

struct client {
	struct client *next, **previous;
	struct proxy *proxy;
	struct link *link, *primary; /* primary: NULL until the start-up packet is there */
	struct framer asks, answers;
	struct buffer startup;
	bool ready;  /* the primary's first ReadyForQuery has come */
	bool opaque; /* a cancel request: bytes go through */
	struct recorder *recorder;
	struct task *task;
	struct twin *twin;
};

static void end_client(struct client *c)
{
	if (!c->link && !c->primary)
		return;
	*c->previous = c->next;
	if (c->next)
		c->next->previous = c->previous;
	link_finish(&c->link);
	link_finish(&c->primary);
	recorder_free(&c->recorder);
	mirror_task_release(&c->task);
	twin_release(&c->twin);
	buffer_free(&c->startup);
	c->proxy->truth.clients--;
	loop_free_later(c->proxy->loop, c);
}

static void on_request(void *ctx, struct request *request)
{
	struct client *c = ctx;

	mirror_enqueue(c->task, request);
}

/* The client is logged in: from here on its messages are mirrored. */
static void begin_mirroring(struct client *c)
{
	c->ready = true;
	if (!c->proxy->options.mirror.len)
		return;
	int err;
	if (c->proxy->options.mode == MODE_PGCAT) {
		err = twin_new(&c->twin, c->proxy);
	} else {
		err = mirror_task_new(&c->task, c->proxy->mirror);
		if (!err)
			err = recorder_new(&c->recorder, c->proxy, on_request, c);
	}
	if (err)
		end_client(c);
}

static void on_primary_data(void *ctx, const uint8_t *bytes, size_t len)
{
	struct client *c = ctx;

	link_write(c->link, bytes, len);
	link_flush(c->link);
	if (link_unsent(c->link) > LINK_HIGH_WATER)
		link_read(c->primary, false);
	while (len && c->primary && !c->opaque) {
		long used = framer_feed(&c->answers, bytes, len);
		if (used < 0) {
			end_client(c);
			return;
		}
		bytes += used;
		len -= (size_t)used;
		if (!c->answers.done)
			continue;
		if (!c->ready && c->answers.header[0] == 'Z')
			begin_mirroring(c);
		else if (c->recorder)
			recorder_answer(c->recorder, &c->answers);
	}
}

static void on_primary_sent(void *ctx, uint64_t now_ns)
{
	struct client *c = ctx;

	if (c->recorder)
		recorder_sent(c->recorder, now_ns);
	if (c->twin)
		twin_sent(c->twin, now_ns);
}

static void on_primary_drained(void *ctx)
{
	struct client *c = ctx;

	link_read(c->link, true);
	if (c->twin)
		twin_flush(c->twin);
}

static void on_closed(void *ctx, int error)
{
	(void)error;
	end_client(ctx);
}

static const struct link_ops primary_ops = {
    .data = on_primary_data, .sent = on_primary_sent, .drained = on_primary_drained, .closed = on_closed};

static bool show(struct client *c, uint8_t type, bool begins, const uint8_t *bytes, size_t len, bool whole)
{
	if (c->recorder) {
		recorder_bytes(c->recorder, type, begins, bytes, len);
		return whole && recorder_message(c->recorder, type);
	}
	if (c->twin) {
		twin_bytes(c->twin, type, begins, bytes, len);
		return whole && twin_message(c->twin, type);
	}
	return false;
}

static void forward(struct client *c, const uint8_t *bytes, size_t len)
{
	while (len) {
		unsigned had = c->asks.done ? 0 : c->asks.have;
		bool begins = had == 0;
		long used = c->opaque ? (long)len : framer_feed(&c->asks, bytes, len);
		if (used < 0) {
			end_client(c);
			return;
		}
		link_write(c->primary, bytes, (size_t)used);
		if (!c->opaque && show(c, c->asks.header[0], begins, bytes, (size_t)used, c->asks.done))
			link_mark(c->primary);
		bytes += used;
		len -= (size_t)used;
	}
	link_flush(c->primary);
	if (c->primary && link_unsent(c->primary) > LINK_HIGH_WATER)
		link_read(c->link, false);
}

static int connect_primary(struct client *c)
{
	int fd = endpoint_connect(&c->proxy->options.primary, true);

	return fd < 0 ? fd : link_new(&c->primary, c->proxy->loop, fd, &primary_ops, c);
}

/* Handles what stands in c->startup; leaves it empty when the start-up is over. */
static void start_up(struct client *c)
{
	size_t len = 0;

	while (!c->primary && c->startup.len) {
		switch (message_startup(buffer_at(&c->startup, 0), c->startup.len, &len)) {
		case STARTUP_INCOMPLETE:
			return;
		case STARTUP_SSL:
			link_write(c->link, "N", 1);
			link_flush(c->link);
			buffer_consume(&c->startup, len);
			continue;
		case STARTUP_CANCEL:
			c->opaque = true;
			/* fall through */
		case STARTUP_SESSION:
			if (!connect_primary(c))
				break;
			/* fall through */
		default:
			end_client(c);
			return;
		}
		link_write(c->primary, buffer_at(&c->startup, 0), len);
		buffer_consume(&c->startup, len);
		forward(c, c->startup.data + c->startup.start, c->startup.len);
	}
}

static void on_client_data(void *ctx, const uint8_t *bytes, size_t len)
{
	struct client *c = ctx;

	if (c->primary)
		forward(c, bytes, len);
	else if (!buffer_append(&c->startup, bytes, len))
		start_up(c);
}

static void on_client_drained(void *ctx)
{
	struct client *c = ctx;

	if (c->primary)
		link_read(c->primary, true);
}

static const struct link_ops client_ops = {
    .data = on_client_data, .drained = on_client_drained, .closed = on_closed};

int client_new(struct client **list, struct proxy *proxy, int fd)
{
	struct client *c = proxy->truth.clients < PROXY_CLIENTS_MAX ? calloc(1, sizeof(*c)) : NULL;

	if (!c) {
		close(fd);
		return -ENOMEM;
	}
	endpoint_no_delay(fd);
	int err = link_new(&c->link, proxy->loop, fd, &client_ops, c);
	if (err) {
		free(c);
		return err;
	}
	c->proxy = proxy;
	c->next = *list;
	c->previous = list;
	if (c->next)
		c->next->previous = &c->next;
	*list = c;
	proxy->truth.clients++;
	return 0;
}

void client_free_all(struct client **list)
{
	while (*list)
		end_client(*list);
}
