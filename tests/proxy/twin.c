/* SPDX-License-Identifier: MIT */
#include "twin.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backend.h"
#include "buffer.h"
#include "kind.h"
#include "loop.h"
#include "mirror.h"
#include "proxy.h"

#define WAITING_MAX (4u << 20) /* bytes for the mirror; past it cycles are dropped */

#define FATE_KEPT    1
#define FATE_CONTROL 2

/* A kept statement that the primary's socket has taken and the mirror's has not. */
struct half_sent {
	uint64_t primary_ns;
	bool control;
};

struct twin {
	struct twin *next, **previous;
	struct proxy *proxy;
	struct backend *backend; /* NULL once it failed */
	struct buffer out;       /* whole messages, and the one that arrives */
	struct buffer ends;      /* uint64_t offsets in out: the ends of its statements */
	struct buffer fates; /* uint8_t FATE_* of each statement that the primary's socket has not taken */
	struct buffer half;  /* struct half_sent, in order */
	struct kinds kinds;
	unsigned cycles;         /* in out */
	size_t whole;            /* bytes of out that are whole messages */
	size_t message;          /* where the message that arrives begins in out */
	bool inside, keep;       /* inside a cycle; it is kept */
	bool orphan, terminated; /* the client is gone; Terminate was sent */
};

static void on_sent(void *ctx, uint64_t now_ns)
{
	struct twin *twin = ctx;
	struct truth *truth = &twin->proxy->truth;
	struct half_sent half;

	if (twin->half.len < sizeof(half))
		return;
	memcpy(&half, buffer_at(&twin->half, 0), sizeof(half));
	buffer_consume(&twin->half, sizeof(half));
	truth->mirror++;
	tally_add(&truth->depth, half.control, -1);
	if (!half.control)
		truth_lag(truth, half.primary_ns, now_ns);
}

static void on_ready(void *ctx)
{
	twin_flush(ctx);
}

/* What waits will never be sent; what comes is dropped. */
static void give_up(struct twin *twin)
{
	struct half_sent half;

	for (; twin->half.len; buffer_consume(&twin->half, sizeof(half))) {
		memcpy(&half, buffer_at(&twin->half, 0), sizeof(half));
		tally_add(&twin->proxy->truth.depth, half.control, -1);
		twin->proxy->truth.abandoned++;
	}
	buffer_consume(&twin->out, twin->out.len);
	buffer_consume(&twin->ends, twin->ends.len);
	memset(twin->fates.data ? buffer_at(&twin->fates, 0) : (uint8_t *)"", 0, twin->fates.len);
	twin->whole = 0;
	twin->keep = false;
	backend_free(&twin->backend);
}

static void end_twin(struct twin *twin)
{
	give_up(twin);
	*twin->previous = twin->next;
	if (twin->next)
		twin->next->previous = twin->previous;
	buffer_free(&twin->out);
	buffer_free(&twin->ends);
	buffer_free(&twin->fates);
	buffer_free(&twin->half);
	kinds_free(&twin->kinds);
	loop_free_later(twin->proxy->loop, twin);
}

static void on_failed(void *ctx)
{
	struct twin *twin = ctx;

	if (twin->orphan) {
		end_twin(twin);
		return;
	}
	twin->proxy->truth.failed_requests++;
	give_up(twin);
}

static const struct backend_ops backend_ops = {.ready = on_ready, .sent = on_sent, .failed = on_failed};

int twin_new(struct twin **out, struct proxy *proxy)
{
	struct twin *twin = calloc(1, sizeof(*twin));

	if (!twin)
		return -ENOMEM;
	twin->proxy = proxy;
	twin->next = proxy->twins;
	twin->previous = &proxy->twins;
	if (twin->next)
		twin->next->previous = &twin->next;
	proxy->twins = twin;
	if (backend_new(&twin->backend, proxy, &backend_ops, twin))
		proxy->truth.failed_requests++; /* goes on without a mirror */
	*out = twin;
	return 0;
}

void twin_release(struct twin **twinp)
{
	struct twin *twin = *twinp;

	*twinp = NULL;
	if (!twin)
		return;
	twin->orphan = true;
	if (twin->backend)
		twin_flush(twin);
	else
		end_twin(twin);
}

void twin_free_all(struct proxy *proxy)
{
	while (proxy->twins)
		end_twin(proxy->twins);
}

/* A cycle begins: is there room for it? */
static void begin_cycle(struct twin *twin)
{
	twin->inside = true;
	twin->keep = twin->backend && twin->cycles < twin->proxy->options.queue &&
		     twin->out.len < WAITING_MAX && !mirror_take_drop(twin->proxy->mirror);
	if (twin->keep) {
		twin->cycles++;
		twin->proxy->truth.enqueued_requests++;
	} else {
		twin->proxy->truth.dropped_requests++;
	}
}

void twin_bytes(struct twin *twin, uint8_t type, bool begins, const uint8_t *bytes, size_t len)
{
	bool copy_data = type == 'd' || type == 'c' || type == 'f';

	if (begins && !twin->inside && !copy_data)
		begin_cycle(twin);
	if (begins)
		twin->message = twin->out.len;
	if (twin->keep && type != 'X')
		buffer_append(&twin->out, bytes, len);
}

bool twin_message(struct twin *twin, uint8_t type)
{
	bool statement = type == 'Q' || type == 'E' || type == 'F';
	uint8_t fate = twin->keep ? FATE_KEPT : 0;

	if (type == 'Q' || type == 'F' || type == 'S')
		twin->inside = false;
	if (fate) {
		twin->whole = twin->out.len;
		if (kinds_message(&twin->kinds, buffer_at(&twin->out, twin->message),
				  twin->whole - twin->message))
			fate |= FATE_CONTROL;
	}
	if (!statement)
		return false;
	buffer_append(&twin->fates, &fate, 1);
	if (fate) {
		uint64_t end = twin->out.len;
		buffer_append(&twin->ends, &end, sizeof(end));
		twin->proxy->truth.enqueued++;
	} else {
		twin->proxy->truth.dropped++;
	}
	return true;
}

void twin_sent(struct twin *twin, uint64_t now_ns)
{
	if (!twin->fates.len)
		return;
	uint8_t fate = *buffer_at(&twin->fates, 0);
	struct half_sent half = {.primary_ns = now_ns, .control = fate & FATE_CONTROL};
	buffer_consume(&twin->fates, 1);
	twin->proxy->truth.primary++;
	if ((fate & FATE_KEPT) && twin->backend && !buffer_append(&twin->half, &half, sizeof(half)))
		tally_add(&twin->proxy->truth.depth, half.control, 1);
}

static void send_waiting(struct twin *twin)
{
	size_t at = 0;
	uint64_t end;

	for (; twin->ends.len; at = end) {
		memcpy(&end, buffer_at(&twin->ends, 0), sizeof(end));
		buffer_consume(&twin->ends, sizeof(end));
		backend_write(twin->backend, buffer_at(&twin->out, at), end - at);
		backend_mark(twin->backend);
	}
	backend_write(twin->backend, buffer_at(&twin->out, at), twin->whole - at);
	buffer_consume(&twin->out, twin->whole);
	twin->message = twin->message > twin->whole ? twin->message - twin->whole : 0;
	twin->whole = 0;
	twin->cycles = twin->inside && twin->keep;
}

void twin_flush(struct twin *twin)
{
	static const uint8_t terminate[] = {'X', 0, 0, 0, 4};

	if (!twin->backend || !backend_ready(twin->backend) || mirror_paused(twin->proxy->mirror))
		return;
	if (twin->whole)
		send_waiting(twin);
	if (twin->orphan && !twin->terminated) {
		twin->terminated = true;
		backend_write(twin->backend, terminate, sizeof(terminate));
	}
	backend_flush(twin->backend);
}

void twin_flush_all(struct proxy *proxy)
{
	for (struct twin *twin = proxy->twins; twin; twin = twin->next)
		twin_flush(twin);
}
