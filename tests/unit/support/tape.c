/* SPDX-License-Identifier: MIT */
#include "support/tape.h"

#include <stdlib.h>
#include <string.h>

#include "capture/stream.h"

uint64_t tape_random(uint64_t *seed, uint64_t below)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed % below;
}

void tape_add(struct tape *tape, const struct transcript_chunk *chunk)
{
	if (tape->count == tape->size) {
		tape->size = tape->size ? tape->size * 2 : 64;
		tape->chunks = realloc(tape->chunks, tape->size * sizeof(*tape->chunks));
		if (!tape->chunks)
			abort();
	}
	tape->chunks[tape->count++] = *chunk;
}

void tape_free(struct tape *tape)
{
	free(tape->chunks);
	memset(tape, 0, sizeof(*tape));
}

void tape_add_all(struct tape *tape, const struct transcript *transcript)
{
	for (size_t i = 0; i < transcript->chunk_count; i++)
		tape_add(tape, &transcript->chunks[i]);
}

static bool ends_with_ready(const struct transcript_chunk *chunk)
{
	static const uint8_t ready[] = {'Z', 0, 0, 0, 5, 'I'};

	return chunk->side == TRANSCRIPT_SERVER && chunk->kind == TRANSCRIPT_BYTES &&
	       chunk->len >= sizeof(ready) &&
	       !memcmp(chunk->data + chunk->len - sizeof(ready), ready, sizeof(ready));
}

/* Index behind the start-up, or 0. */
static size_t startup_len(const struct transcript *transcript)
{
	for (size_t i = 0; i < transcript->chunk_count; i++)
		if (ends_with_ready(&transcript->chunks[i]))
			return i + 1;
	return 0;
}

static bool is_end(const struct transcript_chunk *chunk)
{
	return chunk->kind != TRANSCRIPT_BYTES || (chunk->side == TRANSCRIPT_CLIENT && chunk->data[0] == 'X');
}

void tape_add_startup(struct tape *tape, const struct transcript *transcript)
{
	for (size_t i = 0; i < startup_len(transcript); i++)
		tape_add(tape, &transcript->chunks[i]);
}

bool tape_add_body(struct tape *tape, const struct transcript *transcript, uint64_t times_from)
{
	size_t first = startup_len(transcript), end = first;

	while (first && end < transcript->chunk_count && !is_end(&transcript->chunks[end]))
		end++;
	if (end <= first || end - first > 200 || !ends_with_ready(&transcript->chunks[end - 1]) ||
	    transcript->chunks[first].side != TRANSCRIPT_CLIENT)
		return false;
	for (size_t i = first; i < end; i++) {
		struct transcript_chunk chunk = transcript->chunks[i];

		chunk.time_ns = times_from + (i - first) * 1000;
		tape_add(tape, &chunk);
	}
	return true;
}

uint64_t tape_end_ns(const struct tape *tape)
{
	return tape->count ? tape->chunks[tape->count - 1].time_ns : 0;
}

void tape_cut(struct tape *tape, size_t i, size_t at)
{
	struct transcript_chunk rest = tape->chunks[i];

	if (rest.kind != TRANSCRIPT_BYTES || !at || at >= rest.len)
		return;
	tape->chunks[i].len = at;
	rest.data += at;
	rest.len -= at;
	tape_add(tape, &rest);
	memmove(&tape->chunks[i + 2], &tape->chunks[i + 1], (tape->count - i - 2) * sizeof(rest));
	tape->chunks[i + 1] = rest;
}

static bool is_fatal(const struct transcript_chunk *chunk)
{
	return memmem(chunk->data, chunk->len, "FATAL", 5);
}

/* The client's chunk i could have been sent before the server's i - 1 came. */
static bool may_hurry(const struct tape *tape, size_t i)
{
	const struct transcript_chunk *mine = &tape->chunks[i], *its = mine - 1;

	return mine->side == TRANSCRIPT_CLIENT && its->side == TRANSCRIPT_SERVER &&
	       mine->kind == TRANSCRIPT_BYTES && its->kind == TRANSCRIPT_BYTES && mine->data[0] != 'X' &&
	       its->len > 1 && !is_fatal(its);
}

void tape_hurry(struct tape *tape, uint64_t *seed)
{
	for (size_t i = 1; i < tape->count; i++)
		for (size_t at = i; at > 0 && may_hurry(tape, at) && tape_random(seed, 3) == 0; at--) {
			struct transcript_chunk mine = tape->chunks[at];

			tape->chunks[at] = tape->chunks[at - 1];
			if (tape->chunks[at].time_ns < mine.time_ns)
				tape->chunks[at].time_ns = mine.time_ns;
			tape->chunks[at - 1] = mine;
		}
}

static void play_chunk(struct tally *tally, const struct transcript_chunk *chunk, bool lost)
{
	if (!lost || chunk->kind != TRANSCRIPT_BYTES)
		tally_chunk(tally, chunk);
	else if (tally->session && chunk->side == TRANSCRIPT_CLIENT)
		session_sent_gap(tally->session, chunk->len, chunk->time_ns);
	else if (tally->session)
		session_received_gap(tally->session, chunk->len, chunk->time_ns);
}

void tape_play(const struct tape *tape, struct tally *tally, size_t lost)
{
	for (size_t i = 0; i < tape->count; i++)
		play_chunk(tally, &tape->chunks[i], i == lost);
	tally_close(tally, SESSION_END_UNKNOWN, tape_end_ns(tape));
}

/* ------------------------------------------------------------------------------------ as the kernel's
 * records */

static void stream_bytes(void *ctx, enum event_direction direction, const uint8_t *data, size_t len,
			 uint64_t time_ns, bool last)
{
	struct tally *tally = ctx;

	if (direction == DIRECTION_SEND)
		session_sent(tally->session, data, len, time_ns, last);
	else
		session_received(tally->session, data, len, time_ns, last);
}

static void stream_gap(void *ctx, enum event_direction direction, uint64_t len, uint64_t time_ns,
		       enum event_loss why)
{
	struct tally *tally = ctx;

	(void)why;
	if (direction == DIRECTION_SEND)
		session_sent_gap(tally->session, len, time_ns);
	else
		session_received_gap(tally->session, len, time_ns);
}

struct kernel {
	uint32_t pos[2], missed[2];
	struct event_data **records;
	size_t count, size;
};

static void kernel_add(struct kernel *kernel, const struct transcript_chunk *chunk, const uint8_t *data,
		       size_t len, uint32_t send_end, bool last)
{
	int direction = chunk->side == TRANSCRIPT_CLIENT ? DIRECTION_SEND : DIRECTION_RECV;
	struct event_data *record = calloc(1, sizeof(*record) + len);

	if (!record)
		abort();
	record->h = (struct event){
	    .time = chunk->time_ns,
	    .send_pos = send_end,
	    .recv_pos = kernel->pos[DIRECTION_RECV],
	    .kind = EVENT_DATA,
	    .direction = direction,
	    .flags = last ? EVENT_F_LAST : 0,
	};
	record->pos = kernel->pos[direction];
	record->len = record->captured = len;
	record->missed = kernel->missed[direction];
	memcpy(record->data, data, len);
	kernel->pos[direction] += len;
	if (kernel->count == kernel->size) {
		kernel->size = kernel->size ? kernel->size * 2 : 64;
		kernel->records = realloc(kernel->records, kernel->size * sizeof(*kernel->records));
		if (!kernel->records)
			abort();
	}
	kernel->records[kernel->count++] = record;
}

static void kernel_call(struct kernel *kernel, const struct transcript_chunk *chunk, uint32_t piece,
			bool lost)
{
	int direction = chunk->side == TRANSCRIPT_CLIENT ? DIRECTION_SEND : DIRECTION_RECV;
	uint32_t send_end = kernel->pos[DIRECTION_SEND] + (direction == DIRECTION_SEND ? chunk->len : 0);

	if (lost) {
		kernel->pos[direction] += chunk->len;
		kernel->missed[direction] += chunk->len;
		return;
	}
	for (size_t at = 0; at < chunk->len; at += piece) {
		size_t len = chunk->len - at < piece ? chunk->len - at : piece;

		kernel_add(kernel, chunk, chunk->data + at, len, send_end, at + len == chunk->len);
	}
}

/* The record of a send may be written after that of the receive that answers it. */
static void invert(struct kernel *kernel, uint64_t *seed)
{
	for (size_t i = 1; i < kernel->count; i++) {
		struct event_data *record = kernel->records[i];

		if (kernel->records[i - 1]->h.direction == DIRECTION_SEND &&
		    record->h.direction == DIRECTION_RECV && !tape_random(seed, 2)) {
			kernel->records[i] = kernel->records[i - 1];
			kernel->records[i - 1] = record;
		}
	}
}

void tape_play_records(const struct tape *tape, struct tally *tally, const struct tape_faults *faults,
		       uint64_t *seed)
{
	const struct stream_options options = {.hold_max = STREAM_HOLD_MAX, .gap_after_ns = STREAM_GAP_AFTER};
	const struct stream_sink sink = {.ctx = tally, .bytes = stream_bytes, .gap = stream_gap};
	struct kernel kernel = {.pos = {faults->base, faults->base}};
	const struct transcript_chunk *end = NULL;
	struct stream *stream;

	for (size_t i = 0; i < tape->count && !end; i++) {
		if (tape->chunks[i].kind == TRANSCRIPT_BYTES)
			kernel_call(&kernel, &tape->chunks[i], faults->piece, i == faults->lost);
		else
			end = &tape->chunks[i];
	}
	if (faults->inversions)
		invert(&kernel, seed);
	if (stream_new(&stream, &options, &sink) < 0)
		abort();
	stream_base(stream, faults->base, faults->base);
	for (size_t i = 0; i < kernel.count; i++) {
		stream_data(stream, kernel.records[i]);
		if (faults->duplicates && !tape_random(seed, 4))
			stream_data(stream, kernel.records[i]);
	}
	stream_flush(stream, tape_end_ns(tape));
	stream_free(&stream);
	for (size_t i = 0; i < kernel.count; i++)
		free(kernel.records[i]);
	free(kernel.records);
	if (end)
		tally_chunk(tally, end);
	tally_close(tally, SESSION_END_UNKNOWN, tape_end_ns(tape));
}
