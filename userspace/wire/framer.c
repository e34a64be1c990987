/* SPDX-License-Identifier: MIT */
#include "wire/framer.h"

#include <stdlib.h>

#include "wire/cursor.h"

void framer_init(struct framer *framer, framer_rule *rule)
{
	memset(framer, 0, sizeof(*framer));
	framer->rule = rule;
}

static void drop_buffer(struct framer *framer)
{
	free(framer->buffer);
	framer->buffer = NULL;
	framer->have = 0;
	framer->spent = false;
}

void framer_reset(struct framer *framer)
{
	drop_buffer(framer);
	framer->in_body = framer->holed = framer->headed = framer->untyped = false;
	framer->header_len = 0;
}

bool framer_between(const struct framer *framer)
{
	return !framer->in_body && !framer->header_len;
}

/* Header complete: type, length, and what is wanted of it. */
static bool begin_body(struct framer *framer, const uint8_t *header)
{
	struct cursor cursor = cursor_of(header, framer->untyped ? 4 : PGWIRE_HEADER);
	uint32_t length;

	framer->type = framer->untyped ? 0 : cursor_u8(&cursor);
	length = cursor_u32(&cursor);
	framer->header_len = 0;
	framer->interest = (struct framer_interest){0};
	if (length < 4 || !framer->rule(framer->type, length - 4, &framer->interest))
		return false;
	framer->len = length - 4;
	framer->done = 0;
	framer->have = 0;
	framer->in_body = true;
	framer->holed = framer->headed = false;
	return true;
}

enum header { HEADER_SHORT, HEADER_DONE, HEADER_BAD };

static enum header take_header(struct framer *framer, const uint8_t **data, size_t *len)
{
	size_t size = framer->untyped ? 4 : PGWIRE_HEADER;
	const uint8_t *header = *data;
	size_t part = size - framer->header_len;

	if (part > *len)
		part = *len;
	if (part < size) {
		if (part)
			memcpy(framer->header + framer->header_len, *data, part);
		framer->header_len += part;
		header = framer->header;
	}
	*data += part;
	*len -= part;
	if (part < size && framer->header_len < size)
		return HEADER_SHORT;
	return begin_body(framer, header) ? HEADER_DONE : HEADER_BAD;
}

static enum framer_event hand_out(struct framer *framer, struct frame *out, const uint8_t *body,
				  uint32_t have, enum framer_event event)
{
	*out = (struct frame){framer->type, framer->holed, framer->len, body, have};
	if (event == FRAMER_MESSAGE) {
		framer->in_body = framer->untyped = false;
		framer->spent = framer->buffer;
	}
	return event;
}

/* Gathers wanted bytes; returns how many were taken. */
static size_t gather(struct framer *framer, const uint8_t *data, size_t len)
{
	uint32_t want = framer->len < framer->interest.keep ? framer->len : framer->interest.keep;
	size_t part = want - framer->have;

	if (framer->holed || framer->have >= want || !len)
		return 0;
	if (!framer->buffer)
		framer->buffer = malloc(want);
	if (!framer->buffer) {
		framer->holed = true;
		return 0;
	}
	if (part > len)
		part = len;
	memcpy(framer->buffer + framer->have, data, part);
	framer->have += part;
	return part;
}

static bool wants_tail(const struct framer *framer)
{
	return framer->interest.tail && !framer->holed && framer->len > framer->interest.keep;
}

static enum framer_event take_body(struct framer *framer, const uint8_t **data, size_t *len,
				   struct frame *out)
{
	size_t left = framer->len - framer->done;
	size_t part = gather(framer, *data, left < *len ? left : *len);
	const uint8_t *piece;

	framer->done += part;
	*data += part;
	*len -= part;
	if (wants_tail(framer) && framer->have == framer->interest.keep && !framer->headed) {
		framer->headed = true;
		return hand_out(framer, out, framer->buffer, framer->have, FRAMER_HEAD);
	}
	left = framer->len - framer->done;
	part = left < *len ? left : *len;
	piece = *data;
	framer->done += part;
	*data += part;
	*len -= part;
	if (part && wants_tail(framer))
		return hand_out(framer, out, piece, part, FRAMER_TAIL);
	if (framer->done == framer->len)
		return hand_out(framer, out, framer->buffer, framer->have, FRAMER_MESSAGE);
	return FRAMER_MORE;
}

/* The ordinary case: a message that lies whole in the bytes given, and leaves nothing to remember. */
static bool take_whole(struct framer *framer, const uint8_t **data, size_t *len, struct frame *out)
{
	struct cursor cursor = cursor_of(*data, *len);
	struct framer_interest interest = {0};
	uint32_t length;

	if (framer->untyped || !framer_between(framer))
		return false;
	out->type = cursor_u8(&cursor);
	length = cursor_u32(&cursor);
	if (length < 4 || length - 4 > cursor_left(&cursor) ||
	    !framer->rule(out->type, length - 4, &interest))
		return false;
	out->holed = false;
	out->len = out->have = length - 4;
	out->body = cursor.at;
	*data += PGWIRE_HEADER + out->len;
	*len -= PGWIRE_HEADER + out->len;
	return true;
}

enum framer_event framer_next(struct framer *framer, const uint8_t **data, size_t *len, struct frame *out)
{
	if (framer->spent)
		drop_buffer(framer);
	if (take_whole(framer, data, len, out))
		return FRAMER_MESSAGE;
	if (!framer->in_body) {
		switch (take_header(framer, data, len)) {
		case HEADER_SHORT:
			return FRAMER_MORE;
		case HEADER_BAD:
			return FRAMER_INVALID;
		case HEADER_DONE:
			break;
		}
	}
	/* Some read the header by itself: the body that comes whole after it needs no copy either. */
	if (!framer->done && *len >= framer->len) {
		*data += framer->len;
		*len -= framer->len;
		return hand_out(framer, out, *data - framer->len, framer->len, FRAMER_MESSAGE);
	}
	return take_body(framer, data, len, out);
}

bool framer_gap(struct framer *framer, uint64_t len)
{
	if (framer->spent)
		drop_buffer(framer);
	if (!framer->in_body || len > framer->len - framer->done)
		return false;
	if (framer->have < framer->interest.keep || framer->interest.tail)
		framer->holed = true;
	framer->done += len;
	return true;
}
