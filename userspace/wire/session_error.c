/* SPDX-License-Identifier: MIT */
/* ErrorResponse: what it fails, and what it makes the server pass over. */
#include <string.h>

#include "wire/session_internal.h"

static const struct fault unknown = {.outcome = OUTCOME_UNKNOWN, .type = FAILURE_NONE};

static bool starting(const struct session *session)
{
	return !session->startup_done && session->startup_seen;
}

struct fault session_read_error(struct session *session, const struct frame *frame, bool *fatal)
{
	struct session_error error = {.startup = starting(session) || !session->startup_seen};
	struct fault fault = {.outcome = OUTCOME_UNKNOWN, .type = FAILURE_NONE};
	struct pgwire_error fields;

	*fatal = false;
	if (frame->holed || pgwire_error(frame->body, frame->have, &fields) < 0)
		return fault;
	if (session->state != SESSION_STARTUP && !failure_fatal(fields.severity))
		error.startup = false; /* those end the connection */
	memcpy(error.sqlstate, fields.sqlstate, sizeof(error.sqlstate));
	memcpy(error.severity, fields.severity, sizeof(error.severity));
	session->sink.error(session->sink.ctx, &error);
	*fatal = failure_fatal(fields.severity);
	fault.outcome = OUTCOME_FAILURE;
	fault.type = failure_of(fields.sqlstate, fields.severity, error.startup);
	memcpy(fault.sqlstate, fields.sqlstate, sizeof(fault.sqlstate));
	return fault;
}

void session_startup_failed(struct session *session)
{
	session_note(session, NOTE_STARTUP_ERROR);
	pipeline_clear(&session->pipeline); /* no request was ever begun */
	session->cycles = session->copy_ends = 0;
	memset(&session->request, 0, sizeof(session->request));
	session_stop(session, TURN_ENDED);
}

static void fail_head(struct session *session, struct item *item, const struct fault *fault)
{
	session->answer.failed = true;
	session->answer.statements++;
	session->answer.fault = *fault;
	account_statement(session, item, fault, NULL);
}

static void fail_execute(struct session *session, const struct fault *fault)
{
	struct item item = *pipeline_at(&session->pipeline, 0);
	struct item first = item;

	for (uint32_t i = 0; i < session->suspended_count; i++)
		if (session->suspended[i].item.id == item.id) {
			first = session->suspended[i].item;
			account_end_suspended(session, i, false, NULL);
			break;
		}
	fail_head(session, &first, fault);
	account_query(session, &item, &session->answer, false);
	account_pop(session);
	session->skipping = true;
	session_settle_head(session);
}

static void fail_batch(struct session *session, const struct fault *fault)
{
	session->batch_item = *pipeline_at(&session->pipeline, 0);
	session->batch_item.serial = 0;
	session->batch_item.flags &= ITEM_SETTLED;
	session->batch_fault = *fault;
	session->batch_ns = session->now_ns;
	session->error_homeless = true;
	if (session->batch_item.kind == ITEM_PARSE)
		prepared_remove(&session->statements, &session->batch_item.key, session->batch_item.id);
	account_pop(session);
	session->skipping = true;
	session_settle_head(session);
}

/* An error of what is at the head; the connection goes on. */
static void fail_item(struct session *session, struct item *item, const struct fault *fault)
{
	bool copying = session->copy == COPY_IN || session->copy == COPY_BOTH;
	struct fault was = session->request.fault;

	if (item->flags & ITEM_DOUBTFUL)
		fault = &unknown;
	account_touch(&session->request, item);
	account_fault(&session->request.fault, fault);
	session->rolled_back = true;
	session->copy = COPY_NONE;
	if (copying && !session_abandon_copy(session)) {
		session->request.fault = was;
		session_mismatch(session); /* its outcome is told by the answer alone */
		return;
	}
	if (item->kind == ITEM_EXECUTE) {
		fail_execute(session, fault);
	} else if (item_ends_cycle(item)) {
		fail_head(session, item, fault);
	} else {
		fail_batch(session, fault);
	}
	if (!session->savepoints.count && !session->block_unseen)
		account_end_portals(session, false, NULL);
}

/* In an open block a standby may cancel the transaction of a client that is silent: ErrorResponse,
 * ReadyForQuery. */
static bool fail_idle_block(struct session *session, const struct fault *fault)
{
	if (session->status != 'T' || session->unasked_error)
		return false;
	session->unasked_error = true;
	account_fault(&session->request.fault, fault);
	return true;
}

void session_error(struct session *session, const struct fault *fault, bool fatal)
{
	struct item *item;

	if (!session->startup_done) {
		session_startup_failed(session);
		return;
	}
	if (fatal) {
		session_settle_head(session);
		account_settle_all(session, fault);
		session_stop(session, TURN_ENDED);
		return;
	}
	item = session->skipping ? NULL : session_head(session);
	if (item && !session->answer.failed)
		fail_item(session, item, fault);
	else if (item || session->skipping || !fail_idle_block(session, fault))
		session_mismatch(session);
}
