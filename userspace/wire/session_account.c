/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "wire/session_internal.h"

static const struct fault unknown = {.outcome = OUTCOME_UNKNOWN, .type = FAILURE_NONE};

void account_fault(struct fault *fault, const struct fault *first)
{
	if (fault->outcome == OUTCOME_SUCCESS)
		*fault = *first;
}

void account_touch(struct request *request, const struct item *item)
{
	if (item->kind == ITEM_STARTUP || item->kind == ITEM_COPY_END || item->kind == ITEM_DEAD)
		return;
	if (!request->open) {
		bool late = item->flags & ITEM_SETTLED;

		*request = (struct request){.open = true, .settled = late, .late = late};
	}
	if (!request->begun_unseen && (!request->sent_ns || (item_is_query(item) && !request->queried)))
		request->sent_ns = item->sent_ns;
	if (!item_is_query(item))
		return;
	request->queried = true;
	if (item->flags & ITEM_IGNORED)
		request->ignored = true;
	else
		request->mirrored = true;
}

void account_pop(struct session *session)
{
	const struct item *item = pipeline_at(&session->pipeline, 0);

	account_touch(&session->request, item);
	if (item_ends_cycle(item))
		session->cycles--;
	if (item->kind == ITEM_COPY_END)
		session->copy_ends--;
	memset(&session->answer, 0, sizeof(session->answer));
	pipeline_pop(&session->pipeline);
}

/* A server works on one statement at a time: what waits behind another is not served yet. */
static uint64_t begun(const struct session *session, const struct item *item, uint64_t before_ns)
{
	return before_ns > item->sent_ns && before_ns <= session->now_ns ? before_ns : item->sent_ns;
}

void account_query(struct session *session, const struct item *item, const struct answer *answer,
		   bool skipped)
{
	struct session_query query = session_query_of(item);

	if (item->flags & ITEM_SETTLED)
		return;
	query.done_ns = session->now_ns;
	query.begun_ns = begun(session, item, session->served_ns);
	session->served_ns = session->now_ns;
	query.outcome = answer->fault.outcome;
	query.skipped = skipped;
	query.statements = answer->statements;
	query.rows = answer->rows;
	query.result = result_of(answer);
	memcpy(query.sqlstate, answer->fault.sqlstate, sizeof(query.sqlstate));
	outbox_answered(session, &query);
}

void account_statement(struct session *session, const struct item *item, const struct fault *fault,
		       const struct pgwire_tag *tag)
{
	struct session_statement statement = {
	    .query_serial = item->serial,
	    .sent_ns = item->sent_ns,
	    .done_ns = session->now_ns,
	    .begun_ns = begun(session, item, session->command_ns),
	    .outcome = fault->outcome,
	    .failure = fault->outcome == OUTCOME_FAILURE ? fault->type : FAILURE_NONE,
	    .ignored = item->flags & ITEM_IGNORED,
	    .control = item->flags & ITEM_CONTROL,
	    .function_call = item->kind == ITEM_FUNCTION,
	};

	session->command_ns = session->now_ns;
	if (item->flags & ITEM_SETTLED)
		return;
	memcpy(statement.sqlstate, fault->sqlstate, sizeof(statement.sqlstate));
	if (tag) {
		memcpy(statement.tag, tag->tag, sizeof(statement.tag));
		statement.has_rows = tag->has_rows;
		statement.rows = tag->rows;
		if (*tag->tag)
			statement.control = sqltext_control_tag(tag->tag);
		statement.utility_plan = !strcmp(tag->tag, "PREPARE") || !strncmp(tag->tag, "DEALLOCATE", 10);
	}
	session->request.statements++;
	outbox_statement(session, &statement);
}

struct session_request account_request_of(const struct session *session, const struct request *request)
{
	struct session_request out = {
	    .sent_ns = request->sent_ns ? request->sent_ns : session->now_ns,
	    .done_ns = session->now_ns,
	    .outcome = request->fault.outcome,
	    .failure = request->fault.outcome == OUTCOME_FAILURE ? request->fault.type : FAILURE_NONE,
	    .kind = request->ignored ? REQUEST_IGNORED : REQUEST_UPKEEP,
	    .statements = request->statements,
	};

	memcpy(out.sqlstate, request->fault.sqlstate, sizeof(out.sqlstate));
	if (request->mirrored || (!request->ignored && request->fault.outcome != OUTCOME_SUCCESS))
		out.kind = REQUEST_MIRRORED;
	return out;
}

void account_emit_request(struct session *session, struct request *request)
{
	struct session_request out = account_request_of(session, request);

	outbox_request(session, &out);
	request->settled = true;
}

void account_request_end(struct session *session)
{
	struct request *request = &session->request;

	if (!request->open)
		return;
	if (!request->settled)
		account_emit_request(session, request);
	else if (request->late)
		session_note(session, NOTE_LATE_ANSWER);
	memset(request, 0, sizeof(*request));
}

/* ------------------------------------------------------------------------------------ suspended portals */

void account_end_suspended(struct session *session, uint32_t index, bool counts, const struct fault *fault)
{
	struct suspended *suspended = &session->suspended[index];
	struct pgwire_tag tag = {.has_rows = true, .rows = suspended->rows};
	uint64_t now_ns = session->now_ns;

	if (!suspended->item.id) /* one of those whose Bind was not seen */
		fault = &unknown;
	if (counts) {
		session->now_ns = suspended->since_ns;
		account_statement(session, &suspended->item, fault, &tag);
		session->now_ns = now_ns;
	}
	memmove(suspended, suspended + 1, (--session->suspended_count - index) * sizeof(*suspended));
}

void account_end_portal(struct session *session, uint64_t portal, bool counts)
{
	static const struct fault none = {.outcome = OUTCOME_SUCCESS};

	for (uint32_t i = 0; portal && i < session->suspended_count; i++)
		if (session->suspended[i].item.id == portal) {
			account_end_suspended(session, i, counts, &none);
			return;
		}
}

void account_end_portals(struct session *session, bool counts, const struct fault *fault)
{
	while (session->suspended_count)
		account_end_suspended(session, 0, counts, fault);
}

/* ------------------------------------------------------------------------------------ all that is
 * outstanding */

/* An item that will get no answer any more. */
static void settle_item(struct session *session, const struct item *item, const struct fault *fault)
{
	struct answer answer = session->answer;
	bool skipped = session->skipping && item->kind != ITEM_SYNC;

	if (skipped && session->error_homeless && item->kind == ITEM_EXECUTE) {
		session->error_homeless = skipped = false;
		answer.fault = session->batch_fault;
		account_statement(session, item, &answer.fault, NULL);
		answer.statements++;
	} else if (!skipped && !answer.failed) {
		account_fault(&session->request.fault, fault);
		if (item_is_query(item)) {
			account_statement(session, item, fault, NULL);
			answer.statements++;
		}
		answer.fault = *fault;
	}
	if (item_is_query(item))
		account_query(session, item, &answer, skipped);
	if (item->kind == ITEM_SYNC)
		session->skipping = false;
}

void account_settle_all(struct session *session, const struct fault *fault)
{
	struct fault now = *fault;

	account_end_portals(session, fault->outcome == OUTCOME_UNKNOWN, fault);
	while (session->pipeline.count) {
		struct item item = *pipeline_at(&session->pipeline, 0);

		if (item.kind == ITEM_STARTUP || item.kind == ITEM_COPY_END || item.kind == ITEM_DEAD) {
			account_pop(session);
			continue;
		}
		account_touch(&session->request, &item);
		settle_item(session, &item, &now);
		account_pop(session);
		if ((item.flags & ITEM_BOUNDARY) && item_ends_cycle(&item)) {
			session->request.late = false; /* no answer came */
			account_request_end(session);
			now.sqlstate[0] = 0; /* it answered the first only */
			if (now.outcome == OUTCOME_FAILURE && *fault->sqlstate)
				now.type = FAILURE_CONNECTION;
		}
	}
	if (session->request.open) {
		if (!session->request.settled)
			account_fault(&session->request.fault, &now);
		session->request.late = false;
		account_request_end(session);
	}
}
