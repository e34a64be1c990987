/* SPDX-License-Identifier: MIT */
/*
 * Framing and field access on arbitrary bytes. The first byte of the input chooses the direction and how the
 * rest is cut; the cut must not change what is read.
 */
#include <stdlib.h>
#include <string.h>

#include "wire/framer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool frontend(uint8_t type, uint32_t body_len, struct framer_interest *interest)
{
	*interest =
	    (struct framer_interest){.keep = type == 'd' ? 0 : 100, .tail = type == 'Q' || type == 'B'};
	return type ? pgwire_frontend_valid(type, body_len) : body_len >= 4 && body_len <= PGWIRE_STARTUP_MAX;
}

static bool backend(uint8_t type, uint32_t body_len, struct framer_interest *interest)
{
	interest->keep = type == 'd' ? 0 : 100;
	return type && pgwire_backend_valid(type, body_len);
}

/* Reads every field that the message could have; returns something of all of them. */
static uint64_t read_fields(const struct frame *frame)
{
	const uint8_t *body = frame->body;
	uint32_t len = frame->type == 'd' ? 0 : frame->have < 100 ? frame->have : 100;
	struct pgwire_params params = {0};
	struct pgwire_string a = {0}, b = {0};
	struct pgwire_startup startup;
	struct pgwire_error error;
	struct pgwire_tag tag;
	uint64_t sum = frame->type + frame->len;
	bool whole = false;
	size_t at;
	char kind;

	if (!pgwire_startup(body, len, &startup))
		sum += strlen(startup.user) + strlen(startup.database);
	if (!pgwire_error(body, len, &error))
		sum += strlen(error.sqlstate) + strlen(error.severity);
	if (!pgwire_tag(body, len, &tag))
		sum += strlen(tag.tag) + tag.rows;
	if (!pgwire_parse(body, len, &a, &b, &whole))
		sum += a.len + b.len + whole;
	pgwire_query(body, len, &a, &whole);
	sum += a.len + whole;
	if (!pgwire_bind(body, len, &a, &b, &at)) {
		if (at > len)
			abort();
		sum += pgwire_params_feed(&params, body + at, len - at);
	}
	if (!pgwire_execute(body, len, &a))
		sum += a.len;
	if (!pgwire_target(body, len, &kind, &b))
		sum += b.len + kind;
	return sum + pgwire_ready(body, len);
}

struct reading {
	uint64_t messages, sum;
	size_t tail;
	bool invalid;
};

static void feed(struct framer *framer, struct reading *reading, const uint8_t *data, size_t len)
{
	struct frame frame;

	for (;;) {
		switch (framer_next(framer, &data, &len, &frame)) {
		case FRAMER_MORE:
			return;
		case FRAMER_INVALID:
			reading->invalid = true;
			return;
		case FRAMER_MESSAGE:
			reading->messages++;
			reading->sum = reading->sum * 31 + read_fields(&frame);
			break;
		case FRAMER_HEAD:
			if (frame.have != 100)
				abort();
			break;
		case FRAMER_TAIL:
			reading->tail += frame.have;
			break;
		}
	}
}

static struct reading read_all(const uint8_t *data, size_t size, uint8_t mode, size_t piece)
{
	struct reading reading = {0};
	struct framer framer;

	framer_init(&framer, mode & 1 ? backend : frontend);
	framer.untyped = mode & 2;
	for (size_t at = 0; at < size && !reading.invalid; at += piece)
		feed(&framer, &reading, data + at, size - at < piece ? size - at : piece);
	framer_reset(&framer);
	return reading;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reading whole, cut;

	if (size < 2)
		return 0;
	whole = read_all(data + 1, size - 1, data[0], size);
	cut = read_all(data + 1, size - 1, data[0], 1 + data[0] / 4);
	if (whole.messages != cut.messages || whole.sum != cut.sum || whole.invalid != cut.invalid)
		abort();
	return 0;
}
