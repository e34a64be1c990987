/* SPDX-License-Identifier: MIT */
#include "tls/decrypt.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tls/decrypt_internal.h"

/* --------------------------------------------------------------------------------- what is shared */

int decrypt_room_new(struct decrypt_room **out)
{
	struct decrypt_room *room = calloc(1, sizeof(*room));
	int err = room ? keyring_new(&room->keyring) : -ENOMEM;

	if (err) {
		free(room);
		return err;
	}
	room->budget = DECRYPT_BUDGET;
	*out = room;
	return 0;
}

void decrypt_room_free(struct decrypt_room **room)
{
	if (!*room)
		return;
	keyring_free(&(*room)->keyring);
	explicit_bzero((*room)->plain, sizeof((*room)->plain));
	free(*room);
	*room = NULL;
}

struct keyring *decrypt_keyring(struct decrypt_room *room)
{
	return room->keyring;
}

void decrypt_room_tick(struct decrypt_room *room, uint64_t now_ns)
{
	room->budget = DECRYPT_BUDGET;
	keyring_expire(room->keyring, now_ns);
}

/* ------------------------------------------------------------------------------- birth and death */

int decrypt_new(struct decrypt **out, struct decrypt_room *room, const struct decrypt_sink *sink)
{
	struct decrypt *decrypt = calloc(1, sizeof(*decrypt));

	if (!decrypt)
		return -ENOMEM;
	decrypt->room = room;
	decrypt->sink = *sink;
	*out = decrypt;
	return 0;
}

void decrypt_free(struct decrypt **decrypt)
{
	if (!*decrypt)
		return;
	decrypt_clear(*decrypt);
	free(*decrypt);
	*decrypt = NULL;
}

/* ---------------------------------------------------------------------------- the queue of what came */

static int add_mark(struct decrypt *decrypt, const struct mark *mark)
{
	struct mark *grown;

	if (decrypt->first == decrypt->count)
		decrypt->first = decrypt->count = 0;
	if (decrypt->count == decrypt->capacity) {
		size_t capacity = decrypt->capacity ? 2 * decrypt->capacity : 8;

		grown = reallocarray(decrypt->marks, capacity, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		decrypt->marks = grown;
		decrypt->capacity = capacity;
	}
	decrypt->marks[decrypt->count++] = *mark;
	return 0;
}

/* Bytes of the side that the mark still covers; the search may have gone past it. */
static size_t bytes_up_to(const struct side *side, const struct mark *mark)
{
	return mark->end > side->in.position ? mark->end - side->in.position : 0;
}

/* What is left of a record that was lost in part. */
static void skip(struct side *side, size_t there)
{
	size_t here = side->skip < there ? side->skip : there;

	input_take(&side->in, here);
	side->skip -= here;
}

/* Reads the side up to the mark, as far as records are whole. */
static enum step read_on(struct decrypt *decrypt, struct side *side, const struct mark *mark)
{
	struct record record;

	for (;;) {
		size_t there;

		if (side->lost && decrypt_search(decrypt, side, mark) == STEP_WAIT)
			return STEP_WAIT;
		skip(side, bytes_up_to(side, mark));
		there = bytes_up_to(side, mark);
		if (side->lost || !there)
			return STEP_ON;
		switch (record_parse(input_at(&side->in), there, &record)) {
		case RECORD_MORE:
			return STEP_ON;
		case RECORD_INVALID:
			decrypt_stray(decrypt, side);
			break;
		case RECORD_WHOLE:
			if (decrypt_record(decrypt, side, &record, mark,
					   mark->last && record.total == there) == STEP_WAIT)
				return STEP_WAIT;
			if (decrypt->state != DECRYPT_BLIND && !side->lost)
				input_take(&side->in, record.total);
			break;
		}
		if (decrypt->state == DECRYPT_BLIND)
			return STEP_ON;
	}
}

static void pump(struct decrypt *decrypt, uint64_t now_ns)
{
	while (decrypt->state != DECRYPT_BLIND && decrypt->first < decrypt->count) {
		struct mark mark = decrypt->marks[decrypt->first];
		struct side *side = &decrypt->sides[mark.direction];

		if (mark.gap) {
			decrypt_lose(decrypt, side, &mark);
		} else if (read_on(decrypt, side, &mark) == STEP_WAIT) {
			if (!decrypt->waits_since_ns)
				decrypt->waits_since_ns = now_ns;
			return;
		}
		decrypt->waits_since_ns = 0;
		if (decrypt->state != DECRYPT_BLIND)
			decrypt->first++;
	}
}

static size_t held(const struct decrypt *decrypt)
{
	return input_len(&decrypt->sides[0].in) + input_len(&decrypt->sides[1].in) +
	       (decrypt->count - decrypt->first) * sizeof(struct mark);
}

/* No memory, or the bound: whoever waits for a place need not hold up the other side, but a secret does not
 * come any more. */
static void too_much(struct decrypt *decrypt)
{
	decrypt_give_up(decrypt, decrypt->state == DECRYPT_READS ? DECRYPT_GAP : DECRYPT_NO_KEY);
}

void decrypt_bytes(struct decrypt *decrypt, enum decrypt_direction direction, const uint8_t *data, size_t len,
		   uint64_t time_ns, bool last, uint32_t process)
{
	struct side *side = &decrypt->sides[direction];
	struct mark mark = {.direction = direction, .time_ns = time_ns, .last = last};

	if (decrypt->state == DECRYPT_BLIND) {
		decrypt->sink.unread(decrypt->sink.ctx, len, decrypt->reason);
		return;
	}
	decrypt->process = process;
	if (input_append(&side->in, data, len)) {
		too_much(decrypt);
		return;
	}
	mark.end = side->in.position + input_len(&side->in);
	if (add_mark(decrypt, &mark)) {
		too_much(decrypt);
		return;
	}
	pump(decrypt, time_ns);
	if (decrypt->state != DECRYPT_BLIND && held(decrypt) > DECRYPT_HOLD_MAX)
		too_much(decrypt);
}

void decrypt_gap(struct decrypt *decrypt, enum decrypt_direction direction, uint64_t len, uint64_t time_ns)
{
	struct side *side = &decrypt->sides[direction];
	struct mark mark = {.direction = direction, .gap = len, .time_ns = time_ns};

	if (decrypt->state == DECRYPT_BLIND || !len)
		return; /* lost before it came to us, and counted so */
	mark.end = side->in.position + input_len(&side->in);
	if (add_mark(decrypt, &mark))
		too_much(decrypt);
	else
		pump(decrypt, time_ns);
}

/* ------------------------------------------------------------------------------------------- time */

static void stop_waiting(struct decrypt *decrypt, uint64_t now_ns)
{
	struct side *side = &decrypt->sides[decrypt->marks[decrypt->first].direction];

	if (!side->lost) {
		decrypt_give_up(decrypt, decrypt->state == DECRYPT_READS ? DECRYPT_GAP : DECRYPT_NO_KEY);
		return;
	}
	if (!side->told)
		decrypt->sink.gap(decrypt->sink.ctx, decrypt_direction(decrypt, side), UINT32_MAX, now_ns);
	side->told = true;
}

void decrypt_tick(struct decrypt *decrypt, uint64_t now_ns)
{
	uint64_t patience;

	if (!decrypt_waits(decrypt))
		return;
	pump(decrypt, now_ns);
	if (!decrypt_waits(decrypt) || !decrypt->waits_since_ns)
		return;
	patience = decrypt->sides[decrypt->marks[decrypt->first].direction].lost ? DECRYPT_SEARCH_NS
										 : DECRYPT_PATIENCE_NS;
	if (now_ns < decrypt->waits_since_ns + patience)
		return;
	stop_waiting(decrypt, now_ns);
	pump(decrypt, now_ns);
}

bool decrypt_waits(const struct decrypt *decrypt)
{
	return decrypt->first < decrypt->count;
}

void decrypt_flush(struct decrypt *decrypt, uint64_t now_ns)
{
	pump(decrypt, now_ns);
	while (decrypt_waits(decrypt) && decrypt->state != DECRYPT_BLIND) {
		stop_waiting(decrypt, now_ns);
		pump(decrypt, now_ns);
	}
}

/* ------------------------------------------------------------------------------------- what is known */

enum decrypt_state decrypt_state(const struct decrypt *decrypt)
{
	return decrypt->state;
}

enum decrypt_reason decrypt_reason(const struct decrypt *decrypt)
{
	return decrypt->reason;
}

enum tls_library decrypt_library(const struct decrypt *decrypt)
{
	return decrypt->library;
}

bool decrypt_established(const struct decrypt *decrypt)
{
	return decrypt->sides[DECRYPT_CLIENT].sealed && decrypt->sides[DECRYPT_SERVER].sealed;
}
