/* SPDX-License-Identifier: MIT */
/*
 * Records of the kernel, well-formed and otherwise, through stream and session; what the metrics promise must
 * hold at the end. The input is a list of steps: one byte what to do, two bytes a length, that many bytes of
 * data.
 */
#include <stdlib.h>
#include <string.h>

#include "capture/stream.h"
#include "wire/session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct watch {
	struct session *session;
	uint64_t sent, answered, requests, failed, types, outcomes[OUTCOMES];
};

static void check(bool good)
{
	if (!good)
		abort();
}

static void on_startup(void *ctx, const struct session_startup *startup)
{
	(void)ctx;
	check(strlen(startup->user) < 100000 && strlen(startup->database) < 100000);
}

static void on_sent(void *ctx, const struct session_query *query)
{
	struct watch *watch = ctx;

	check(query->serial == ++watch->sent && strlen(query->text) <= query->text_len);
	check(query->text_len <= SESSION_TEXT_MAX);
}

static void on_answered(void *ctx, const struct session_query *query)
{
	struct watch *watch = ctx;

	check(query->serial > watch->answered && query->serial <= watch->sent);
	watch->answered = query->serial;
}

static void on_statement(void *ctx, const struct session_statement *statement)
{
	(void)ctx;
	check((statement->outcome == OUTCOME_FAILURE) == (statement->failure != FAILURE_NONE));
	check(strlen(statement->tag) < sizeof(statement->tag));
}

static void on_request(void *ctx, const struct session_request *request)
{
	struct watch *watch = ctx;

	check((request->outcome == OUTCOME_FAILURE) == (request->failure != FAILURE_NONE));
	check(request->kind != REQUEST_UPKEEP || request->outcome == OUTCOME_SUCCESS);
	watch->requests++;
	watch->outcomes[request->outcome]++;
	watch->types += request->failure != FAILURE_NONE;
}

static void on_error(void *ctx, const struct session_error *error)
{
	(void)ctx;
	check(strlen(error->sqlstate) < sizeof(error->sqlstate));
}

static void on_note(void *ctx, enum session_note note)
{
	(void)ctx;
	check(note < SESSION_NOTES);
}

static void on_blind(void *ctx, uint64_t ns)
{
	(void)ctx, (void)ns;
}

static bool ignored(void *ctx, const char *text, size_t len)
{
	(void)ctx;
	return len == 1 && *text == ';';
}

static void on_bytes(void *ctx, enum event_direction direction, const uint8_t *data, size_t len,
		     uint64_t time_ns, bool last)
{
	struct watch *watch = ctx;

	if (direction == DIRECTION_SEND)
		session_sent(watch->session, data, len, time_ns, last);
	else
		session_received(watch->session, data, len, time_ns, last);
}

static void on_gap(void *ctx, enum event_direction direction, uint64_t len, uint64_t time_ns,
		   enum event_loss why)
{
	struct watch *watch = ctx;

	(void)why;
	if (direction == DIRECTION_SEND)
		session_sent_gap(watch->session, len, time_ns);
	else
		session_received_gap(watch->session, len, time_ns);
}

enum { STEP_BYTES, STEP_RING_FULL, STEP_UNREADABLE, STEP_AHEAD, STEP_BACK, STEP_WAIT, STEP_JUMP, STEP_KINDS };

struct kernel {
	struct stream *stream;
	struct session *session;
	uint64_t now_ns;
	uint32_t pos[2], missed[2];
};

static void step(struct kernel *kernel, uint8_t what, const uint8_t *data, uint16_t len, uint16_t stated)
{
	unsigned kind = (what >> 2) % STEP_KINDS, direction = what & 1;
	struct event_data *record = calloc(1, sizeof(*record) + len);

	kernel->now_ns += 1000 + (kind == STEP_WAIT ? (uint64_t)stated * 10000000 : 0);
	if (kind == STEP_RING_FULL) {
		kernel->pos[direction] += stated;
		kernel->missed[direction] += stated;
	}
	if (kind == STEP_JUMP)
		kernel->pos[direction] += stated;
	record->h.time = kernel->now_ns;
	record->h.direction = direction;
	record->h.flags = (what & 2 ? EVENT_F_LAST : 0) | (what & 0x80 ? EVENT_F_FIN : 0);
	record->pos = kernel->pos[direction] + (kind == STEP_AHEAD  ? len
						: kind == STEP_BACK ? -(stated & 255)
								    : 0);
	record->len = record->captured = len;
	record->missed = kernel->missed[direction];
	if (kind == STEP_UNREADABLE) {
		record->captured = 0;
		record->h.loss = LOSS_UNREADABLE;
	}
	memcpy(record->data, data, record->captured);
	if (kind != STEP_AHEAD && kind != STEP_BACK)
		kernel->pos[direction] += len;
	record->h.send_pos = kernel->pos[DIRECTION_SEND];
	record->h.recv_pos = kernel->pos[DIRECTION_RECV];
	if (len)
		stream_data(kernel->stream, record);
	stream_tick(kernel->stream, kernel->now_ns);
	session_tick(kernel->session, kernel->now_ns);
	free(record);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct session_options options = {.queue_max = 200,
						       .prepared_max = 8,
						       .prepared_bytes = 4096,
						       .provisional_max = 20,
						       .request_timeout_ns = 30000000000ull,
						       .results = RESULTS_SET,
						       .ignored = ignored};
	static const struct stream_options stream_options = {65536, STREAM_GAP_AFTER};
	struct watch watch = {0};
	struct session_sink sink = SESSION_SINK(&watch);
	struct stream_sink bytes = {.ctx = &watch, .bytes = on_bytes, .gap = on_gap};
	struct kernel kernel = {0};

	if (size < 2)
		return 0;
	check(!session_new(&watch.session, &options, &sink, data[0] & 1));
	check(!stream_new(&kernel.stream, &stream_options, &bytes));
	kernel.session = watch.session;
	kernel.pos[0] = kernel.pos[1] = data[0] & 2 ? UINT32_MAX - 100 : 1000;
	if (data[0] & 4)
		stream_base(kernel.stream, kernel.pos[0], kernel.pos[1]);
	for (size_t at = 1; at + 3 <= size;) {
		uint16_t stated = data[at + 1] << 8 | data[at + 2], len = stated;

		if (len > size - at - 3)
			len = size - at - 3;
		step(&kernel, data[at], data + at + 3, len, stated);
		at += 3 + len;
	}
	stream_flush(kernel.stream, kernel.now_ns);
	session_close(watch.session, (data[0] >> 4) % 3, kernel.now_ns);
	check(watch.outcomes[OUTCOME_FAILURE] == watch.types);
	session_free(&watch.session);
	stream_free(&kernel.stream);
	return 0;
}
