/* SPDX-License-Identifier: MIT */
/* What is overdue, and what waits too long for its proof. */
#include "wire/session_internal.h"

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

	if (session_state_certain(session->state) || session->pipeline.count ||
	    now_ns < session->progress_ns + (timeout_ns ? timeout_ns : UNPROVEN_NS))
		return;
	session->now_ns = now_ns;
	outbox_release(session, &session->held_pairs, RELEASE_UNKNOWN);
	if (session->told.unproven && session->held_outcomes.count)
		outbox_release(session, &session->held_outcomes, RELEASE_UNKNOWN);
	if (session_state_back_framed(session->state))
		session_settle_lost(session);
}

/* A block that has failed and does not end: its outcome is known, and it is one request, however long it
 * lasts. */
static void settle_endless(struct session *session, uint64_t now_ns)
{
	struct request *request =
	    session_state_certain(session->state) ? &session->request : &session->told.request;
	struct session_request out;

	if (!request->open || request->settled || request->fault.outcome != OUTCOME_FAILURE)
		return;
	if (!request->failed_ns)
		request->failed_ns = now_ns;
	if (now_ns < request->failed_ns + session->options.request_timeout_ns)
		return;
	session->now_ns = now_ns;
	out = account_request_of(session, request);
	session->sink.request(session->sink.ctx, &out);
	request->settled = true;
}

void session_tick(struct session *session, uint64_t now_ns)
{
	uint64_t timeout_ns = session->options.request_timeout_ns;
	uint32_t first = 0, end;

	release_unproven(session, now_ns);
	if (timeout_ns)
		settle_endless(session, now_ns);
	if (!timeout_ns || !session_state_certain(session->state) || !waits(session) ||
	    now_ns < session->progress_ns + timeout_ns)
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
	return session->pipeline.count || session->held_pairs.count || session->held_outcomes.count ||
	       session->ledger.count || session->request.open || session->told.request.open;
}
