/* SPDX-License-Identifier: MIT */
/* How framing and pairing are lost: see session_state.h. */
#include <string.h>

#include "wire/session_internal.h"

static const struct fault unknown = {.outcome = OUTCOME_UNKNOWN, .type = FAILURE_NONE};

static void lose_front(struct session *session)
{
	session->hashing = session->mid_batch = false;
	framer_reset(&session->front);
	prepared_doubt(&session->statements); /* a lost Parse may have replaced any of them */
	prepared_clear(&session->portals);
	if (session->ledger.open_queries)
		ledger_cycle(&session->ledger, false);
	session->ledger.unseen = true;
	if (session->ledger.minimum > 0) { /* what was seen cannot be told from what was not any more */
		session->ledger.minimum = session->ledger.outstanding;
		session_settle_lost(session);
	}
}

/* What seemed to be framed since it was regained was not. */
static void refute_framing(struct session *session)
{
	struct told *told = &session->told;

	if (!told->unproven)
		return;
	outbox_release(session, &session->held_outcomes, RELEASE_DROP);
	session->ledger.outstanding += told->readies;
	told->unproven = false;
}

static void lose_back(struct session *session)
{
	refute_framing(session);
	framer_reset(&session->back);
	session->tail_len = 0;
	session->back_idle = session->encryption_asked = false;
	session->ready_ns = session->asked_ns = 0; /* of what comes next nobody saw the beginning */
	if (session->told.request.fault.outcome == OUTCOME_FAILURE)
		answers_tear(session); /* its first error decides */
	session->told.torn = session->told.portals = true;
	if (session->told.request.open)
		account_fault(&session->told.request.fault, &unknown);
	session->told.bound = 0;
	session->told.in_cycle = session->told.described = session->told.outcome = false;
	ledger_forget_minimum(&session->ledger);
}

/* The client is on its way to the Sync of a batch. */
static bool mid_batch(const struct pipeline *pipeline)
{
	const struct item *last = pipeline->count ? pipeline_at(pipeline, pipeline->count - 1) : NULL;

	return last && !item_ends_cycle(last) && last->kind != ITEM_COPY_END && last->kind != ITEM_DEAD;
}

/* What was outstanding goes on in the ledger; what was settled by request_timeout is not told again. */
static void enter_ledger(struct session *session)
{
	for (uint32_t i = 0; i < session->pipeline.count; i++) {
		const struct item *item = pipeline_at(&session->pipeline, i);
		bool late = item->flags & ITEM_SETTLED;

		if (item->kind == ITEM_STARTUP)
			continue;
		if (item_is_query(item) && !late && (i || !session->answer.statements))
			ledger_query(&session->ledger);
		if (!item_ends_cycle(item))
			continue;
		session->told.late_cycles += late;
		ledger_cycle(&session->ledger, (item->flags & ITEM_BOUNDARY) && !late);
	}
	session->ledger.minimum = session->ledger.outstanding;
	session->mid_batch = mid_batch(&session->pipeline);
}

void session_answer_unknown(struct session *session)
{
	static const struct answer none = {.fault = {.outcome = OUTCOME_UNKNOWN}};

	for (; session->pipeline.count; pipeline_pop(&session->pipeline)) {
		const struct item *item = pipeline_at(&session->pipeline, 0);

		if (item_is_query(item))
			account_query(session, item, &none, false);
	}
	session->cycles = session->copy_ends = 0;
}

static void forget_answers(struct session *session)
{
	memset(&session->answer, 0, sizeof(session->answer));
	session->copy = COPY_NONE;
	session->skipping = session->error_homeless = session->unasked_error = false;
	session->strays = 0;
	session->rolled_back = session->end_unseen = session->block_unseen = session->rolled_back_to = false;
	savepoints_clear(&session->savepoints);
}

/* Portals that were bound or suspended: their ends will be told, unless those may be what was lost. */
static void hand_over_portals(struct session *session, bool back_lost)
{
	struct told *told = &session->told;

	for (uint32_t i = 0; i < session->pipeline.count; i++) {
		const struct item *item = pipeline_at(&session->pipeline, i);

		if (item->kind == ITEM_EXECUTE && !(item->flags & ITEM_RESUMED))
			told->bound++;
		if (item->kind == ITEM_BIND && told->bound)
			told->bound--;
	}
	if (back_lost) {
		account_end_portals(session, true, &unknown);
		return;
	}
	told->suspended = session->suspended_count;
	if (told->suspended)
		told->suspended_ns = session->suspended[told->suspended - 1].since_ns;
	session->suspended_count = 0;
}

/* From pairs to answers. */
static void leave_certain(struct session *session, enum session_turn turn)
{
	session_note(session, NOTE_RESYNC);
	session_settle_head(session);
	session_emit_homeless(session);
	ledger_clear(&session->ledger);
	session->told = (struct told){.request = session->request,
				      .in_cycle = session->answer.begun,
				      .portals = session->status != 'I' || session->request.open ||
						 session->pipeline.count};
	hand_over_portals(session, turn == TURN_BACK_LOST);
	if (turn == TURN_BACK_LOST && !session->startup_done && session->pipeline.count > 1) {
		session->startup_done = true; /* or it would have asked nothing */
		session_note(session, NOTE_STARTUP_DONE);
	}
	enter_ledger(session);
	memset(&session->request, 0, sizeof(session->request));
}

void session_lose(struct session *session, enum session_turn turn)
{
	enum session_state was = session->state;

	if (!session_state_decodes(was))
		return;
	if (session_state_certain(was))
		leave_certain(session, turn);
	session->startup_seen = true;
	session->sent_tls = session->received_tls = (struct tls){0};
	if (turn == TURN_BACK_LOST)
		lose_back(session);
	if (turn == TURN_FRONT_LOST)
		lose_front(session);
	session_turn(session, turn);
	if (!session_state_pairs(was))
		return;
	outbox_release(session, &session->held_pairs, RELEASE_UNKNOWN);
	session_answer_unknown(session);
	forget_answers(session);
	memset(&session->request, 0, sizeof(session->request));
}

void session_mismatch(struct session *session)
{
	session_note(session, session->state == SESSION_PROVISIONAL ? NOTE_SURPLUS_REPLY : NOTE_DECODE_ERROR);
	session_lose(session, TURN_MISMATCH);
}

/* ------------------------------------------------------------------------------------ what was lost */

static void settle_lost_query(struct session *session)
{
	struct session_statement statement = {
	    .done_ns = session->now_ns, .outcome = OUTCOME_UNKNOWN, .failure = FAILURE_NONE};

	session->sink.statement(session->sink.ctx, &statement);
}

static void settle_lost_request(struct session *session)
{
	struct session_request request = {.sent_ns = session->now_ns,
					  .done_ns = session->now_ns,
					  .outcome = OUTCOME_UNKNOWN,
					  .failure = FAILURE_NONE,
					  .kind = REQUEST_MIRRORED};

	session->sink.request(session->sink.ctx, &request);
}

void session_settle_lost(struct session *session)
{
	struct ledger_cycle cycle;

	while (ledger_take(&session->ledger, &cycle)) {
		for (uint32_t i = 0; i < cycle.queries; i++)
			settle_lost_query(session);
		for (uint32_t i = 0; i < cycle.requests; i++)
			settle_lost_request(session);
	}
}
