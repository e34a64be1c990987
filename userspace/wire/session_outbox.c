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

void outbox_release(struct session *session, struct held *held, enum release how)
{
	for (uint32_t i = 0; i < held->count; i++) {
		if (how == RELEASE_DROP)
			continue;
		if (how == RELEASE_UNKNOWN)
			make_unknown(&held->items[i]);
		hand_over(session, &held->items[i]);
	}
	free(held->items);
	*held = (struct held){0};
}

static bool hold(const struct session *session, struct held *held, const struct held_outcome *outcome)
{
	if (held->over || held->count >= session->options.provisional_max)
		return false;
	if (held->count == held->size) {
		uint32_t size = held->size ? held->size * 2 : 16;
		struct held_outcome *larger = realloc(held->items, size * sizeof(*larger));

		if (!larger)
			return false;
		held->items = larger;
		held->size = size;
	}
	held->items[held->count++] = *outcome;
	return true;
}

static void evict_held(struct session *session, struct held *held)
{
	for (uint32_t i = 0; i < held->count; i++)
		session_note(session, NOTE_OUTCOME_EVICTED);
	if (held->count)
		outbox_release(session, held, RELEASE_UNKNOWN);
}

/* What is certain goes on as it is: a copy of each would be felt. */

void outbox_answered(struct session *session, const struct session_query *query)
{
	struct held_outcome held = {.kind = HELD_ANSWERED};

	if (session_state_certain(session->state)) {
		session->sink.answered(session->sink.ctx, query);
		return;
	}
	held.query = *query;
	if (session->state == SESSION_PROVISIONAL && hold(session, &session->held_pairs, &held))
		return;
	evict_held(session, &session->held_pairs);
	session->held_pairs.over = session->state == SESSION_PROVISIONAL;
	make_unknown(&held);
	hand_over(session, &held);
}

void outbox_statement(struct session *session, const struct session_statement *statement)
{
	if (session->state != SESSION_PROVISIONAL)
		session->sink.statement(session->sink.ctx, statement);
}

void outbox_request(struct session *session, const struct session_request *request)
{
	if (session->state != SESSION_PROVISIONAL)
		session->sink.request(session->sink.ctx, request);
}

/* So many messages that each began where the one before ended prove the framing as well. */
static bool hold_told(struct session *session, const struct held_outcome *held)
{
	if (!session->told.unproven)
		return false;
	if (hold(session, &session->held_outcomes, held))
		return true;
	session->told.unproven = false;
	outbox_release(session, &session->held_outcomes, RELEASE_PROVEN);
	return false;
}

void outbox_tell_statement(struct session *session, const struct session_statement *statement)
{
	const struct held_outcome held = {.kind = HELD_STATEMENT, .statement = *statement};

	if (!hold_told(session, &held))
		session->sink.statement(session->sink.ctx, statement);
}

void outbox_tell_request(struct session *session, const struct session_request *request)
{
	const struct held_outcome held = {.kind = HELD_REQUEST, .request = *request};

	if (!hold_told(session, &held))
		session->sink.request(session->sink.ctx, request);
}
