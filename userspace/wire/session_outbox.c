/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "wire/session_internal.h"

static void unknown_query(struct session_query *query)
{
	query->outcome = OUTCOME_UNKNOWN;
	query->sqlstate[0] = 0;
}

static void unknown_statement(struct session_statement *statement)
{
	statement->outcome = OUTCOME_UNKNOWN;
	statement->failure = FAILURE_NONE;
	statement->sqlstate[0] = 0;
}

static void unknown_request(struct session_request *request)
{
	request->outcome = OUTCOME_UNKNOWN;
	request->failure = FAILURE_NONE;
	request->sqlstate[0] = 0;
	if (request->kind == REQUEST_UPKEEP) /* only when it succeeded */
		request->kind = REQUEST_MIRRORED;
}

static void make_unknown(struct held_outcome *held)
{
	switch (held->kind) {
	case HELD_ANSWERED:
		unknown_query(&held->query);
		break;
	case HELD_STATEMENT:
		unknown_statement(&held->statement);
		break;
	case HELD_REQUEST:
		unknown_request(&held->request);
		break;
	}
}

static void hand_over(struct session *session, const struct held_outcome *held)
{
	const struct session_sink *sink = &session->sink;

	switch (held->kind) {
	case HELD_ANSWERED:
		sink->answered(sink->ctx, &held->query);
		break;
	case HELD_STATEMENT:
		sink->statement(sink->ctx, &held->statement);
		break;
	case HELD_REQUEST:
		sink->request(sink->ctx, &held->request);
		break;
	}
}

void outbox_release(struct session *session, bool proven)
{
	for (uint32_t i = 0; i < session->held_count; i++) {
		if (!proven)
			make_unknown(&session->held[i]);
		hand_over(session, &session->held[i]);
	}
	free(session->held);
	session->held = NULL;
	session->held_count = session->held_size = 0;
	session->held_over = false;
}

static bool hold(struct session *session, const struct held_outcome *held)
{
	if (session->held_over || session->held_count >= session->options.provisional_max)
		return false;
	if (session->held_count == session->held_size) {
		uint32_t size = session->held_size ? session->held_size * 2 : 16;
		struct held_outcome *larger = realloc(session->held, size * sizeof(*larger));

		if (!larger)
			return false;
		session->held = larger;
		session->held_size = size;
	}
	session->held[session->held_count++] = *held;
	return true;
}

static void evict_held(struct session *session)
{
	for (uint32_t i = 0; i < session->held_count; i++)
		session_note(session, NOTE_OUTCOME_EVICTED);
	if (session->held_count)
		outbox_release(session, false);
}

/* What is not certain: held back until it is, or handed on as unknown. */
static void post(struct session *session, struct held_outcome held)
{
	if (session->pairing == PAIRING_PROVISIONAL && hold(session, &held))
		return;
	evict_held(session);
	session->held_over = true;
	make_unknown(&held);
	hand_over(session, &held);
}

/* What is certain goes on as it is: a copy of each would be felt. */

void outbox_answered(struct session *session, const struct session_query *query)
{
	if (session->pairing == PAIRING_CERTAIN)
		session->sink.answered(session->sink.ctx, query);
	else
		post(session, (struct held_outcome){.kind = HELD_ANSWERED, .query = *query});
}

void outbox_statement(struct session *session, const struct session_statement *statement)
{
	if (session->pairing == PAIRING_CERTAIN)
		session->sink.statement(session->sink.ctx, statement);
	else
		post(session, (struct held_outcome){.kind = HELD_STATEMENT, .statement = *statement});
}

void outbox_request(struct session *session, const struct session_request *request)
{
	if (session->pairing == PAIRING_CERTAIN)
		session->sink.request(session->sink.ctx, request);
	else
		post(session, (struct held_outcome){.kind = HELD_REQUEST, .request = *request});
}
