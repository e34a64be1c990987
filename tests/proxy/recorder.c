/* SPDX-License-Identifier: MIT */
#include "recorder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kind.h"
#include "message.h"
#include "proxy.h"
#include "request.h"
#include "statement.h"

struct recorder {
	struct proxy *proxy;
	recorder_fn *fn;
	void *ctx;
	struct cycle *first, *last; /* sent and not answered, oldest first; the last may still be open */
	struct request *request;    /* cycles of the running request that were answered */
	size_t message;             /* offset of the message that arrives, in last->bytes */
	size_t bytes;               /* recorded for the cycles above */
	struct tally waiting;       /* statements sent, in the cycles above */
	bool skip;                  /* the message that arrives is not recorded */
	bool sampled;               /* the running request, or else the next one, goes to the mirror */
	struct statement_names names;
	struct kinds kinds;
};

static void draw(struct recorder *r)
{
	bool before = r->sampled;

	r->sampled = erand48(r->proxy->random) < r->proxy->options.exposure;
	tally_add_all(&r->proxy->truth.depth, r->waiting, (int)r->sampled - (int)before);
}

int recorder_new(struct recorder **out, struct proxy *proxy, recorder_fn *fn, void *ctx)
{
	struct recorder *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->proxy = proxy;
	r->fn = fn;
	r->ctx = ctx;
	draw(r);
	*out = r;
	return 0;
}

void recorder_free(struct recorder **recorder)
{
	struct recorder *r = *recorder;

	if (!r)
		return;
	if (r->sampled) {
		tally_add_all(&r->proxy->truth.depth, r->waiting, -1);
		r->proxy->truth.abandoned += (uint64_t)r->waiting.all;
	}
	while (r->first) {
		struct cycle *next = r->first->next;
		cycle_free(&r->first);
		r->first = next;
	}
	request_free(&r->request);
	names_free(&r->names);
	kinds_free(&r->kinds);
	free(r);
	*recorder = NULL;
}

static struct cycle *open_cycle(struct recorder *r)
{
	struct cycle *cycle = cycle_new();

	if (!cycle)
		return NULL;
	*(r->last ? &r->last->next : &r->first) = cycle;
	r->last = cycle;
	return cycle;
}

void recorder_bytes(struct recorder *r, uint8_t type, bool begins, const uint8_t *bytes, size_t len)
{
	if (begins) {
		bool copy_data = type == 'd' || type == 'c' || type == 'f';
		struct cycle *cycle = r->last;
		if (!cycle || (cycle->ended && !copy_data))
			cycle = type == 'X' || copy_data ? NULL : open_cycle(r);
		r->skip = !cycle;
		r->message = cycle ? cycle->bytes.len : 0;
	}
	/* The cycle may have been answered while a stray message was still arriving. */
	if (r->skip || !r->last || r->message > r->last->bytes.len)
		return;
	if (r->bytes + len > RECORDER_REQUEST_MAX || buffer_append(&r->last->bytes, bytes, len)) {
		r->last->lost = true;
		return;
	}
	r->bytes += len;
}

/* The name as the mirror knows it, or -errno. Parse makes it, Close forgets it. */
static int number_of(struct recorder *r, uint8_t type, const char *name, const uint8_t *rest, size_t len)
{
	int number =
	    type == 'P' ? statements_number(r->proxy->statements, rest, len) : names_get(&r->names, name);

	if (type == 'P' && number >= 0) {
		int err = names_set(&r->names, name, (unsigned)number);
		return err ? err : number;
	}
	if (type == 'C' && number >= 0)
		names_remove(&r->names, name);
	return number;
}

static void rename_statement(struct recorder *r)
{
	struct cycle *cycle = r->last;
	size_t len = cycle->bytes.len - r->message, at;
	const uint8_t *message = buffer_at(&cycle->bytes, r->message);
	struct buffer renamed = {0};
	const char *old;
	char name[32];

	if (!message_statement_name(message, len, &old, &at) || !*old)
		return;
	size_t rest = at + strlen(old) + 1;
	int number = number_of(r, message[0], old, message + rest, len - rest);
	if (number == -ENOENT)
		return; /* the primary will refuse it, and so may the mirror */
	if (number < 0) {
		cycle->lost = true;
		return;
	}
	statement_name(name, (unsigned)number);
	message_write_renamed(&renamed, message, len, at, name);
	buffer_truncate(&cycle->bytes, r->message);
	if (renamed.failed || buffer_append(&cycle->bytes, renamed.data, renamed.len))
		cycle->lost = true;
	r->bytes += renamed.len - len;
	buffer_free(&renamed);
}

bool recorder_message(struct recorder *r, uint8_t type)
{
	struct cycle *cycle = r->last;
	bool statement = type == 'Q' || type == 'E' || type == 'F';

	if (r->skip || !cycle)
		return false;
	uint8_t control = !cycle->lost && kinds_message(&r->kinds, buffer_at(&cycle->bytes, r->message),
							cycle->bytes.len - r->message);
	if (statement && buffer_append(&cycle->kinds, &control, 1))
		cycle->lost = true;
	if (!cycle->lost && strchr("PBDC", type))
		rename_statement(r);
	if ((type == 'Q' || type == 'F') && cycle->extended)
		cycle->lost =
		    true; /* no Sync before it: after an error the server would skip it and never answer */
	cycle->statements += statement;
	cycle->copied |= type == 'c' || type == 'f';
	cycle->extended |= strchr("PBDECH", type) != NULL;
	cycle->ended |= type == 'Q' || type == 'F' || type == 'S';
	return statement;
}

void recorder_sent(struct recorder *r, uint64_t now_ns)
{
	struct cycle *cycle = r->first;

	while (cycle && cycle_sent(cycle) == cycle->statements)
		cycle = cycle->next;
	bool control = cycle && cycle_control(cycle, cycle_sent(cycle));
	if (!cycle || buffer_append(&cycle->times, &now_ns, sizeof(now_ns)))
		return;
	tally_add(&r->waiting, control, 1);
	r->proxy->truth.primary++;
	tally_add(&r->proxy->truth.depth, control, r->sampled);
}

/* The running request is over: hands it on or forgets it, and decides about the next one. */
static void finish(struct recorder *r)
{
	struct request *request = r->request;
	size_t left = 0;

	r->request = NULL;
	tally_add_all(&r->waiting, request->statements, -1);
	for (const struct cycle *cycle = r->first; cycle; cycle = cycle->next)
		left += cycle->bytes.len;
	r->bytes = left;
	if (r->sampled) {
		r->proxy->truth.sampled_requests++;
		r->fn(r->ctx, request);
	} else {
		r->proxy->truth.skipped_requests++;
		request_free(&request);
	}
	draw(r);
}

static void end_cycle(struct recorder *r, uint8_t status)
{
	struct cycle *cycle = r->first;

	if (!cycle || !cycle->ended) /* a ReadyForQuery that nobody asked for */
		return;
	if (!r->request && !(r->request = request_new()))
		return;
	r->first = cycle->next;
	if (!r->first)
		r->last = NULL;
	request_add(r->request, cycle);
	if (status == 'I')
		finish(r);
}

void recorder_answer(struct recorder *r, const struct framer *message)
{
	struct cycle *cycle = r->first;

	if (message->header[0] == 'Z')
		end_cycle(r, message->body[0]);
	/* In COPY mode the server swallows the Sync that came with Execute; libpq sends another
	 * (protocol-flow, "COPY Operations"). */
	if (message->header[0] == 'G' && cycle && cycle == r->last && cycle->extended && cycle->ended &&
	    !cycle->copy) {
		cycle->copy = true;
		cycle->ended = false;
	}
}
