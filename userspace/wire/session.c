/* SPDX-License-Identifier: MIT */
#include <assert.h>
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
	session->startup_seen = session->startup_done = !fresh;
	session->state = fresh ? SESSION_STARTUP : SESSION_BLIND;
	session->names_torn = !fresh;
	context_init(&session->context, fresh);
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
	session_stop(session, TURN_ENDED);
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

/* What must hold of every state. */
static bool coherent(const struct session *session)
{
	enum session_state state = session->state;

	return (session_state_pairs(state) || !session->pipeline.count) &&
	       (session_state_decodes(state) || !session->pipeline.items) &&
	       (!session_state_certain(state) || !session->told.unproven) &&
	       (state == SESSION_PROVISIONAL || !session->held_pairs.count) &&
	       (!session->held_outcomes.count || session->told.unproven) &&
	       (state != SESSION_ALIGNED || session->startup_done) &&
	       (state != SESSION_STARTUP || !session->startup_done) &&
	       ((state == SESSION_ENCRYPTED) == (session->transport == TRANSPORT_ENCRYPTED) ||
		state == SESSION_ENDED);
}

bool session_coherent(const struct session *session)
{
	return coherent(session) && session->state < SESSION_STATES;
}

void session_turn(struct session *session, enum session_turn turn)
{
	enum session_state next = session_state_after(session->state, turn);

#ifdef __SANITIZE_ADDRESS__ /* a debug build */
	assert(next < SESSION_STATES);
#endif
	session->state = next < SESSION_STATES ? next : SESSION_ENDED;
}

/* Gives back all that decoding needs. */
void session_stop(struct session *session, enum session_turn why)
{
	/* what was still to be proven */
	outbox_release(session, &session->held_pairs, RELEASE_UNKNOWN);
	outbox_release(session, &session->held_outcomes, RELEASE_UNKNOWN);
	session_turn(session, why);
	framer_reset(&session->front);
	framer_reset(&session->back);
	pipeline_clear(&session->pipeline);
	ledger_clear(&session->ledger);
	prepared_clear(&session->statements);
	prepared_clear(&session->portals);
	context_done(&session->context);
	free(session->suspended);
	session->suspended = NULL;
	session->suspended_count = 0;
	savepoints_free(&session->savepoints);
	memset(&session->request, 0, sizeof(session->request));
	memset(&session->told, 0, sizeof(session->told));
	session->cycles = 0;
}

/* ------------------------------------------------------------------------------------------ bytes */

static void encrypted(struct session *session)
{
	session->transport = TRANSPORT_ENCRYPTED;
	session->startup_seen = true; /* it will never show */
	session_note(session, NOTE_ENCRYPTED);
	session_stop(session, TURN_ENCRYPTED);
}

/* Bytes that begin no message: not PostgreSQL at all, or framing went astray. */
static void invalid(struct session *session, enum session_turn turn)
{
	if (turn == TURN_BACK_LOST && session->encryption_failed)
		session_note(session, NOTE_STARTUP_ERROR); /* servers before 7.4 say so in protocol 2 */
	else
		session_note(session,
			     session_state_certain(session->state) ? NOTE_DECODE_ERROR : NOTE_SURPLUS_REPLY);
	if (!session->startup_seen)
		session_stop(session, TURN_ENDED);
	else
		session_lose(session, turn);
}

static const uint8_t nothing[1];

static void pump_sent(struct session *session, const uint8_t *data, size_t len)
{
	struct frame frame;

	while (session_state_front_framed(session->state)) {
		switch (framer_next(&session->front, &data, &len, &frame)) {
		case FRAMER_MORE:
			return;
		case FRAMER_MESSAGE:
			session_frontend_message(session, &frame);
			break;
		case FRAMER_HEAD:
			session_hash_head(session, &frame);
			break;
		case FRAMER_TAIL:
			session_hash_tail(session, &frame);
			break;
		case FRAMER_INVALID:
			invalid(session, TURN_FRONT_LOST);
			return;
		}
	}
}

/* ParameterStatus may come at any time, and is for the context alone. */
static void note_reported(struct session *session, const struct frame *frame)
{
	if (frame->type == 'S')
		context_reported(&session->context, (const char *)frame->body, frame->have,
				 !session->startup_done);
}

static void pump_received(struct session *session, const uint8_t *data, size_t len)
{
	struct frame frame;

	while (session_state_back_framed(session->state)) {
		switch (framer_next(&session->back, &data, &len, &frame)) {
		case FRAMER_MORE:
			return;
		case FRAMER_INVALID:
			invalid(session, TURN_BACK_LOST);
			return;
		case FRAMER_HEAD:
			session_row_head(session);
			break;
		case FRAMER_TAIL:
			session_row_tail(session, &frame);
			break;
		case FRAMER_MESSAGE:
			note_reported(session, &frame);
			session_backend_message(session, &frame);
			break;
		}
	}
}

void session_sent(struct session *session, const uint8_t *data, size_t len, uint64_t time_ns, bool last)
{
	if (!session_state_decodes(session->state) || !len)
		return;
	blind_bytes(session, DIRECTION_SENT, time_ns);
	if (session->front.untyped && framer_between(&session->front) && data[0] == 0x16)
		encrypted(session); /* TLS from the first byte on: no start-up packet begins so */
	else if (session_state_front_framed(session->state) || regain_sent(session, data, len, last))
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

	if (!session_state_decodes(session->state) || !len)
		return;
	blind_bytes(session, DIRECTION_RECEIVED, time_ns);
	session->progress_ns = time_ns;
	if (session->encryption_asked)
		taken = take_encryption_answer(session, data[0]);
	if (session_state_back_framed(session->state) || regain_received(session, data, len, last))
		pump_received(session, data + taken, len - taken);
	session->back_begins = last;
}

void session_sent_gap(struct session *session, uint64_t len, uint64_t time_ns)
{
	if (!session_state_decodes(session->state) || !len)
		return;
	session->now_ns = time_ns;
	context_gap(&session->context);
	if (session_state_front_framed(session->state) && framer_gap(&session->front, len))
		pump_sent(session, nothing, 0);
	else
		session_lose(session, TURN_FRONT_LOST);
	blind_gap(session, DIRECTION_SENT, time_ns);
	session->front_begins = true;
}

void session_received_gap(struct session *session, uint64_t len, uint64_t time_ns)
{
	if (!session_state_decodes(session->state) || !len)
		return;
	session->now_ns = session->progress_ns = time_ns;
	if (session_state_back_framed(session->state) && framer_gap(&session->back, len))
		pump_received(session, nothing, 0);
	else
		session_lose(session, TURN_BACK_LOST);
	blind_gap(session, DIRECTION_RECEIVED, time_ns);
	session->tail_len = 0;
	session->back_begins = true; /* a gap ends where a record begins */
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

/* What was never told apart is unknown, as far as it was seen. */
static void close_unpaired(struct session *session, const struct fault *fault)
{
	const struct fault unknown = {.outcome = OUTCOME_UNKNOWN, .type = FAILURE_NONE};

	/* Its Terminate may be what was lost. */
	bool certain = fault->outcome != OUTCOME_SUCCESS && session_state_front_framed(session->state);

	answers_close(session, certain ? fault : &unknown);
	if (session->ledger.open_queries)
		ledger_cycle(&session->ledger, false);
	session->ledger.minimum = session->ledger.outstanding;
	session_settle_lost(session);
}

void session_close(struct session *session, enum session_end how, uint64_t now_ns)
{
	struct fault fault;

	if (!session_state_decodes(session->state)) {
		session_stop(session, TURN_ENDED);
		return;
	}
	session->now_ns = now_ns;
	if (how == SESSION_END_SERVER && session->terminated)
		how = SESSION_END_CLIENT;
	if (session->state == SESSION_PROVISIONAL)
		session_assume_aligned(session);
	session_settle_head(session);
	fault = close_fault(session, how);
	if (!session->startup_done)
		memset(&session->request, 0, sizeof(session->request));
	else if (session_state_certain(session->state))
		account_settle_all(session, &fault);
	else
		close_unpaired(session, &fault);
	session_stop(session, TURN_ENDED);
}

enum transport session_transport(const struct session *session)
{
	return session->transport;
}

bool session_resyncing(const struct session *session)
{
	return session_state_decodes(session->state) && !session_state_certain(session->state);
}

enum session_state session_state(const struct session *session)
{
	return session->state;
}

bool session_terminated(const struct session *session)
{
	return session->terminated;
}

bool session_busy(const struct session *session)
{
	if (session_state_certain(session->state))
		return session->pipeline.count || session->request.open;
	return session_state_decodes(session->state) &&
	       (session->told.request.open || session->mid_batch || !session->back_idle ||
		!ledger_idle(&session->ledger));
}
