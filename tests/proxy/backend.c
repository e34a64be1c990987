/* SPDX-License-Identifier: MIT */
#include "backend.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "buffer.h"
#include "link.h"
#include "loop.h"
#include "message.h"
#include "proxy.h"
#include "statement.h"

#define NONE (-1)

struct backend {
	struct proxy *proxy;
	const struct backend_ops *ops;
	void *ctx;
	struct link *link;
	struct framer framer;
	bool ready, closed;
	bool extended, copied; /* see backend_expect */
	unsigned due;          /* ReadyForQuery messages */
	int preparing;         /* statement whose ParseComplete is due, or NONE */
	uint8_t known[STATEMENT_MAX / 8], tried[STATEMENT_MAX / 8];
};

static void on_ready_for_query(struct backend *b, uint8_t status)
{
	if (!b->ready) {
		b->ready = true;
		b->ops->ready(b->ctx);
		return;
	}
	if (b->due && --b->due == 0) {
		b->preparing = NONE;
		if (b->ops->done)
			b->ops->done(b->ctx, status);
	}
}

static void on_copy_in(struct backend *b)
{
	static const uint8_t fail[] = {'f', 0, 0, 0, 5, 0}, sync[] = {'S', 0, 0, 0, 4};

	if (!b->due) /* its owner passes on what the client sends */
		return;
	if (b->copied) {
		b->due -= b->extended && b->due > 1;
		return;
	}
	backend_write(b, fail, sizeof(fail));
	if (b->extended)
		backend_write(b, sync, sizeof(sync));
	backend_flush(b);
}

static void on_message(struct backend *b)
{
	switch (b->framer.header[0]) {
	case 'Z':
		on_ready_for_query(b, b->framer.body[0]);
		break;
	case '1':
		if (b->preparing != NONE)
			b->known[b->preparing / 8] |= (uint8_t)(1u << b->preparing % 8);
		break;
	case 'G':
		on_copy_in(b);
		break;
	case 'R':
		if (memcmp(b->framer.body, "\0\0\0", 4)) /* wants more than trust */
			b->ops->failed(b->ctx);
		break;
	case 'E':
		b->proxy->truth.mirror_errors++;
		break;
	default:
		break;
	}
}

static void on_data(void *ctx, const uint8_t *bytes, size_t len)
{
	struct backend *b = ctx;

	while (len && !b->closed) {
		long used = framer_feed(&b->framer, bytes, len);
		if (used < 0) {
			b->ops->failed(b->ctx);
			return;
		}
		bytes += used;
		len -= (size_t)used;
		if (b->framer.done)
			on_message(b);
	}
}

static void on_sent(void *ctx, uint64_t now_ns)
{
	struct backend *b = ctx;

	b->ops->sent(b->ctx, now_ns);
}

static void on_closed(void *ctx, int error)
{
	struct backend *b = ctx;

	(void)error;
	b->ops->failed(b->ctx);
}

static const struct link_ops link_ops = {.data = on_data, .sent = on_sent, .closed = on_closed};

int backend_new(struct backend **out, struct proxy *proxy, const struct backend_ops *ops, void *ctx)
{
	struct backend *b = calloc(1, sizeof(*b));
	struct buffer startup = {0};

	if (!b)
		return -ENOMEM;
	*b = (struct backend){.proxy = proxy, .ops = ops, .ctx = ctx, .preparing = NONE};
	int fd = endpoint_connect(&proxy->options.mirror, true);
	int err = fd < 0 ? fd : link_new(&b->link, proxy->loop, fd, &link_ops, b);
	if (err) {
		free(b);
		return err;
	}
	message_write_startup(&startup, proxy->options.mirror_user, proxy->options.mirror_database);
	link_write(b->link, startup.data, startup.len);
	buffer_free(&startup);
	link_flush(b->link);
	proxy->truth.connections++;
	*out = b;
	return 0;
}

void backend_free(struct backend **backend)
{
	struct backend *b = *backend;

	*backend = NULL;
	if (!b)
		return;
	b->closed = true;
	b->proxy->truth.connections--;
	link_close(&b->link);
	loop_free_later(b->proxy->loop, b);
}

void backend_write(struct backend *b, const void *bytes, size_t len)
{
	link_write(b->link, bytes, len);
}

void backend_mark(struct backend *b)
{
	link_mark(b->link);
}

void backend_expect(struct backend *b, unsigned answers, bool extended, bool copied)
{
	b->due += answers;
	b->extended = extended;
	b->copied = copied;
}

void backend_flush(struct backend *b)
{
	link_flush(b->link);
}

void backend_query(struct backend *b, const char *text)
{
	struct buffer message = {0};

	message_write_query(&message, text);
	backend_write(b, message.data, message.len);
	backend_expect(b, 1, false, false);
	backend_flush(b);
	buffer_free(&message);
}

bool backend_ready(const struct backend *b)
{
	return b->ready;
}

void backend_begin(struct backend *b)
{
	memset(b->tried, 0, sizeof(b->tried));
}

bool backend_lacks(const struct backend *b, unsigned statement)
{
	return !((b->known[statement / 8] | b->tried[statement / 8]) >> statement % 8 & 1);
}

void backend_prepare(struct backend *b, unsigned statement)
{
	const struct buffer *rest = statements_rest(b->proxy->statements, statement);
	struct buffer message = {0};
	char name[32];

	statement_name(name, statement);
	message_write_parse_sync(&message, name, buffer_at(rest, 0), rest->len);
	b->tried[statement / 8] |= (uint8_t)(1u << statement % 8);
	b->preparing = (int)statement;
	backend_write(b, message.data, message.len);
	backend_expect(b, 1, false, false);
	b->proxy->truth.prepared++;
	backend_flush(b);
	buffer_free(&message);
}
