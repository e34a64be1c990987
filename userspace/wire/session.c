/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "wire/session_internal.h"

int session_new(struct session **out, const struct session_options *options, const struct session_sink *sink,
		bool fresh)
{
	struct session *session = calloc(1, sizeof(*session));

	if (!session)
		return -ENOMEM;
	if (querytext_hash_init(&session->hash) < 0) {
		free(session);
		return -ENOMEM;
	}
	session->sink = *sink;
	framer_init(&session->front, session_frontend_rule);
	framer_init(&session->back, session_backend_rule);
	session->front.untyped = fresh;
	session->front_begins = session->back_begins = true;
	session->front_lost = session->back_lost = !fresh;
	session->startup_seen = session->startup_done = !fresh;
	session->pairing = fresh ? PAIRING_CERTAIN : PAIRING_BLIND;
	prepared_init(&session->statements, options->prepared_max, options->prepared_bytes);
	prepared_init(&session->portals, PORTALS_MAX, options->prepared_bytes);
	session_set_options(session, options);
	*out = session;
	return 0;
}

void session_free(struct session **pointer)
{
	struct session *session = *pointer;

	if (!session)
		return;
	session_stop(session);
	querytext_hash_done(&session->hash);
	result_free(session);
	free(session);
	*pointer = NULL;
}

void session_set_options(struct session *session, const struct session_options *options)
{
	session->options = *options;
	session->back.rule =
	    options->results == RESULTS_OFF ? session_backend_rule : session_backend_hashing_rule;
	session->pipeline.max = options->queue_max;
	session->statements.max_entries = options->prepared_max;
	session->statements.max_bytes = session->portals.max_bytes = options->prepared_bytes;
}

void session_note(struct session *session, enum session_note note)
{
	session->sink.note(session->sink.ctx, note);
}

/* Nothing more is decoded; gives back all that decoding needs. */
void session_stop(struct session *session)
{
	outbox_release(session, false); /* what was still to be proven */
	session->pairing = PAIRING_NONE;
	framer_reset(&session->front);
	framer_reset(&session->back);
	pipeline_clear(&session->pipeline);
	prepared_clear(&session->statements);
	prepared_clear(&session->portals);
	free(session->suspended);
	session->suspended = NULL;
	session->suspended_count = 0;
	memset(&session->request, 0, sizeof(session->request));
	session->cycles = 0;
}

/* ------------------------------------------------------------------------------------------ bytes */

static void encrypted(struct session *session)
{
	session->transport = TRANSPORT_ENCRYPTED;
	session->startup_seen = true; /* it will never show */
	session_note(session, NOTE_ENCRYPTED);
	session_stop(session);
}

/* Bytes that begin no message: not PostgreSQL at all, or framing went astray. */
static void invalid(struct session *session, bool front, bool back)
{
	if (back && session->encryption_failed) /* servers before 7.4 say so in the form of protocol 2 */
		session_note(session, NOTE_STARTUP_ERROR);
	else
		session_note(session, session->pairing == PAIRING_PROVISIONAL ? NOTE_SURPLUS_REPLY
									      : NOTE_DECODE_ERROR);
	if (!session->startup_seen)
		session_stop(session);
	else
		resync_lose(session, front, back);
}

static const uint8_t nothing[1];

static void pump_sent(struct session *session, const uint8_t *data, size_t len)
{
	struct frame frame;

	while (session->pairing != PAIRING_NONE && !session->front_lost) {
		switch (framer_next(&session->front, &data, &len, &frame)) {
		case FRAMER_MORE:
			return;
		case FRAMER_MESSAGE:
			session_frontend_message(session, &frame);
			break;
		case FRAMER_HEAD:
			session_frontend_head(session, &frame);
			break;
		case FRAMER_TAIL:
			session_frontend_tail(session, &frame);
			break;
		case FRAMER_INVALID:
			invalid(session, true, false);
			return;
		}
	}
}

static void pump_received(struct session *session, const uint8_t *data, size_t len)
{
	struct frame frame;

	while (session->pairing != PAIRING_NONE && !session->back_lost) {
		switch (framer_next(&session->back, &data, &len, &frame)) {
		case FRAMER_MORE:
			return;
		case FRAMER_INVALID:
			invalid(session, false, true);
			return;
		case FRAMER_HEAD:
			session_row_head(session);
			break;
		case FRAMER_TAIL:
			session_row_tail(session, &frame);
			break;
		case FRAMER_MESSAGE:
			session_backend_message(session, &frame);
			break;
		}
	}
}

void session_sent(struct session *session, const uint8_t *data, size_t len, uint64_t time_ns, bool last)
{
	if (session->pairing == PAIRING_NONE || !len)
		return;
	session->now_ns = time_ns;
	if (session->pairing == PAIRING_BLIND)
		resync_blind_quiet(session);
	if (session->front.untyped && framer_between(&session->front) && data[0] == 0x16)
		encrypted(session); /* TLS from the first byte on: no start-up packet begins so */
	else if (session->front_lost)
		resync_blind_sent(session, data, len, last);
	else
		pump_sent(session, data, len);
	session->front_begins = last;
}

/* The one byte that answers SSLRequest or GSSENCRequest; returns how many bytes were taken. */
static size_t take_encryption_answer(struct session *session, uint8_t answer)
{
	session->encryption_asked = false;
	if (answer == 'S' || answer == 'G') {
		encrypted(session);
		return 1;
	}
	session->encryption_failed = answer == 'E'; /* begins an ErrorResponse */
	return answer == 'N';
}

void session_received(struct session *session, const uint8_t *data, size_t len, uint64_t time_ns, bool last)
{
	size_t taken = 0;

	if (session->pairing == PAIRING_NONE || !len)
		return;
	session->now_ns = session->progress_ns = time_ns;
	if (session->pairing == PAIRING_BLIND)
		resync_blind_quiet(session);
	if (session->encryption_asked)
		taken = take_encryption_answer(session, data[0]);
	pump_received(session, data + taken, len - taken);
	if (session->pairing == PAIRING_BLIND)
		resync_blind_received(session, data, len, last);
	session->back_begins = last;
}

void session_sent_gap(struct session *session, uint64_t len, uint64_t time_ns)
{
	if (session->pairing == PAIRING_NONE || !len)
		return;
	session->now_ns = time_ns;
	if (!session->front_lost && framer_gap(&session->front, len))
		pump_sent(session, nothing, 0);
	else
		resync_lose(session, true, false);
	session->front_begins = false;
}

void session_received_gap(struct session *session, uint64_t len, uint64_t time_ns)
{
	if (session->pairing == PAIRING_NONE || !len)
		return;
	session->now_ns = session->progress_ns = time_ns;
	if (!session->back_lost && framer_gap(&session->back, len))
		pump_received(session, nothing, 0);
	else
		resync_lose(session, false, true);
	session->tail_len = 0;
	session->back_begins = false;
}

/* ------------------------------------------------------------------------------------------ time */

/* The client waits for the server, which is not waiting for COPY data in turn. */
static bool waits(const struct session *session)
{
	if (session->copy == COPY_IN || session->copy == COPY_BOTH)
		return session->copy_ends;
	return session->cycles;
}

/* Items [first, end) belong to one request; returns end, or first when the request is not overdue. */
static uint32_t overdue_end(const struct session *session, uint32_t first, uint64_t since_ns)
{
	uint64_t asked_ns = UINT64_MAX;

	for (uint32_t i = first; i < session->pipeline.count; i++) {
		const struct item *item = pipeline_at(&session->pipeline, i);

		if (item_ends_cycle(item) && item->kind != ITEM_STARTUP)
			asked_ns = item->sent_ns;
		if (item_ends_cycle(item) && (item->flags & ITEM_BOUNDARY))
			return asked_ns <= since_ns ? i + 1 : first;
	}
	return asked_ns <= since_ns ? session->pipeline.count : first;
}

static void settle_overdue(struct session *session, uint32_t first, uint32_t end)
{
	static const struct fault timeout = {.outcome = OUTCOME_FAILURE, .type = FAILURE_TIMEOUT};
	struct request fresh = {0};
	struct request *request = first || !session->request.open ? &fresh : &session->request;
	bool already = pipeline_at(&session->pipeline, end - 1)->flags & ITEM_SETTLED;

	for (uint32_t i = first; i < end; i++) {
		struct item *item = pipeline_at(&session->pipeline, i);
		struct answer answer = i ? (struct answer){0} : session->answer;

		account_touch(request, item);
		if (item_is_query(item) && !(item->flags & ITEM_SETTLED) && !answer.failed) {
			account_statement(session, item, &timeout, NULL);
			answer.statements++;
			account_fault(&answer.fault, &timeout);
			account_query(session, item, &answer, false);
		}
		item->flags |= ITEM_SETTLED;
	}
	if (already || !request->open || request->settled)
		return;
	account_fault(&request->fault, &timeout);
	account_emit_request(session, request);
	request->late = true;
}

/* What a silent connection leaves unproven is told as what it is: unknown. */
static void release_unproven(struct session *session, uint64_t now_ns)
{
	uint64_t timeout_ns = session->options.request_timeout_ns;

	if (session->pairing != PAIRING_PROVISIONAL || !session->held_count || session->pipeline.count)
		return;
	if (now_ns >= session->progress_ns + (timeout_ns ? timeout_ns : UNPROVEN_NS))
		outbox_release(session, false);
}

void session_tick(struct session *session, uint64_t now_ns)
{
	uint64_t timeout_ns = session->options.request_timeout_ns;
	uint32_t first = 0, end;

	release_unproven(session, now_ns);
	if (!timeout_ns || session->pairing == PAIRING_NONE || session->pairing == PAIRING_BLIND ||
	    !waits(session) || now_ns < session->progress_ns + timeout_ns)
		return;
	session->now_ns = now_ns;
	for (; first < session->pipeline.count; first = end) {
		end = overdue_end(session, first, now_ns - timeout_ns);
		if (end == first)
			break;
		settle_overdue(session, first, end);
	}
}

bool session_waits(const struct session *session)
{
	return session->pipeline.count || session->held_count;
}

/* ------------------------------------------------------------------------------------------ the end */

/* What becomes of what is open; see "Words" in session.h for the client's close in an idle block. */
static struct fault close_fault(const struct session *session, enum session_end how)
{
	struct fault fault = {.outcome = OUTCOME_UNKNOWN, .type = FAILURE_NONE};

	if (how == SESSION_END_UNKNOWN)
		return fault;
	fault.outcome = OUTCOME_FAILURE;
	fault.type = FAILURE_CONNECTION;
	if (how == SESSION_END_CLIENT)
		fault.type = FAILURE_TIMEOUT;
	if (how == SESSION_END_CLIENT && !session->pipeline.count && !session->skipping)
		fault.outcome = OUTCOME_SUCCESS;
	return fault;
}

void session_close(struct session *session, enum session_end how, uint64_t now_ns)
{
	struct fault fault;

	if (session->pairing == PAIRING_NONE)
		return;
	session->now_ns = now_ns;
	if (how == SESSION_END_SERVER && session->terminated)
		how = SESSION_END_CLIENT;
	if (session->pairing == PAIRING_PROVISIONAL) {
		outbox_release(session, false);
		session->pairing = PAIRING_BLIND;
	}
	session_settle_head(session);
	fault = close_fault(session, how);
	if (!session->startup_done)
		memset(&session->request, 0, sizeof(session->request));
	else
		account_settle_all(session, &fault);
	session_stop(session);
}

enum transport session_transport(const struct session *session)
{
	return session->transport;
}

bool session_resyncing(const struct session *session)
{
	return session->pairing == PAIRING_BLIND || session->pairing == PAIRING_PROVISIONAL;
}

bool session_terminated(const struct session *session)
{
	return session->terminated;
}

bool session_busy(const struct session *session)
{
	return session->pipeline.count || session->request.open ||
	       (session->pairing == PAIRING_BLIND && (session->blind.cycles || session->blind.partial));
}
