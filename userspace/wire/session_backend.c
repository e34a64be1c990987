/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "wire/session_internal.h"

#define ERROR_HEAD_MAX 4096 /* severity and SQLSTATE come first */
#define TAG_MAX        1024

static const struct fault success = {.outcome = OUTCOME_SUCCESS, .type = FAILURE_NONE};
static const struct fault unknown = {.outcome = OUTCOME_UNKNOWN, .type = FAILURE_NONE};

bool session_backend_rule(uint8_t type, uint32_t body_len, struct framer_interest *interest)
{
	switch (type) {
	case 'E':
		interest->keep = ERROR_HEAD_MAX;
		break;
	case 'C':
	case 'S':
		interest->keep = TAG_MAX;
		break;
	case 'Z':
		interest->keep = 1;
		break;
	}
	return pgwire_backend_valid(type, body_len);
}

bool session_backend_hashing_rule(uint8_t type, uint32_t body_len, struct framer_interest *interest)
{
	interest->tail = type == 'D';
	return session_backend_rule(type, body_len, interest);
}

/* ------------------------------------------------------------------------------------------ head of the
 * queue */

void session_emit_homeless(struct session *session)
{
	uint64_t now_ns = session->now_ns;

	session->now_ns = session->batch_ns;
	if (session->error_homeless)
		account_statement(session, &session->batch_item, &session->batch_fault, NULL);
	session->error_homeless = false;
	session->now_ns = now_ns;
}

/* An item that the server passes over after an error. */
static void skip_item(struct session *session)
{
	struct item item = *pipeline_at(&session->pipeline, 0);
	struct answer answer = {.fault = {.outcome = OUTCOME_FAILURE, .type = FAILURE_NONE}};
	uint64_t now_ns = session->now_ns;
	bool skipped = true;

	account_touch(&session->request, &item);
	if (item.kind == ITEM_PARSE)
		prepared_remove(&session->statements, &item.key, item.id);
	if (item.kind == ITEM_EXECUTE && session->error_homeless) {
		session->error_homeless = skipped = false;
		answer.fault = session->batch_fault;
		answer.statements = 1;
		if (item.sent_ns <= session->batch_ns) /* else it was sent after the error had come */
			session->now_ns = session->batch_ns;
		account_statement(session, &item, &answer.fault, NULL);
		session->now_ns = now_ns;
	}
	if (item_is_query(&item))
		account_query(session, &item, &answer, skipped);
	account_pop(session);
}

void session_settle_head(struct session *session)
{
	while (session->pipeline.count) {
		uint8_t kind = pipeline_at(&session->pipeline, 0)->kind;

		if (kind == ITEM_DEAD || kind == ITEM_COPY_END)
			account_pop(session);
		else if (session->skipping && kind != ITEM_SYNC)
			skip_item(session);
		else
			break;
	}
}

/* The item that the next reply answers, or NULL. */
struct item *session_head(struct session *session)
{
	session_settle_head(session);
	return session->pipeline.count ? pipeline_at(&session->pipeline, 0) : NULL;
}

static struct item *head_of(struct session *session, enum item_kind a, enum item_kind b)
{
	struct item *item = session->skipping ? NULL : session_head(session);

	return item && (item->kind == a || item->kind == b) && !session->answer.failed ? item : NULL;
}

static void pop_if(struct session *session, enum item_kind kind)
{
	struct item *item = head_of(session, kind, kind);

	if (!item) {
		session_mismatch(session);
		return;
	}
	account_end_portal(session, item->portal, true);
	if (kind == ITEM_BIND)
		session->bound = item->id;
	account_pop(session);
}

/* A part of a Query's or Execute's result. */
static bool begin_result(struct session *session)
{
	if (!head_of(session, ITEM_QUERY, ITEM_EXECUTE)) {
		session_mismatch(session);
		return false;
	}
	session->answer.begun = true;
	return true;
}

/* ------------------------------------------------------------------------------------------ COPY */

static void on_copy(struct session *session, uint8_t type)
{
	if (!begin_result(session))
		return;
	session->copy = type == 'G' ? COPY_IN : type == 'H' ? COPY_OUT : COPY_BOTH;
}

static void on_copy_data(struct session *session)
{
	if (session->copy != COPY_OUT && session->copy != COPY_BOTH)
		session_mismatch(session);
}

/* ------------------------------------------------------------------------------------------ results */

/*
 * An Execute whose portal is not known may go on with one that was suspended: its own message had a hole, or
 * we never saw the portal bound in a block that was open when bytes were lost. Nor is it known what the
 * others did while one of unknown name is suspended.
 */
static bool is_doubtful(const struct session *session, const struct item *item)
{
	if ((item->flags & ITEM_DOUBTFUL) ||
	    (!item->id && (session->suspended_count || session->block_unseen || session->portals_torn)))
		return true;
	for (uint32_t i = 0; i < session->suspended_count; i++)
		if (!session->suspended[i].item.id)
			return true;
	return false;
}

static void execute_complete(struct session *session, struct item item, const struct pgwire_tag *tag)
{
	struct answer *answer = &session->answer;
	bool doubtful = is_doubtful(session, &item);
	uint32_t i = 0;

	answer->rows = tag->rows;
	while (i < session->suspended_count && session->suspended[i].item.id != item.id)
		i++;
	if (doubtful) {
		account_end_portals(session, true, &unknown);
		account_statement(session, &item, &unknown, tag);
		account_fault(&session->request.fault, &unknown);
		answer->fault = unknown;
		answer->statements++;
	} else if (i < session->suspended_count) {
		struct pgwire_tag whole = *tag;

		whole.rows += tag->has_rows ? session->suspended[i].rows : 0;
		account_statement(session, &session->suspended[i].item, &success, &whole);
		answer->statements++;
		account_end_suspended(session, i, false, NULL);
	} else if (!(item.flags & ITEM_RESUMED)) { /* else of a portal at its end: nothing ran */
		account_statement(session, &item, &success, tag);
		answer->statements++;
	}
	account_query(session, &item, answer, false);
	account_pop(session);
	blocks_complete(session, &item, tag->tag);
}

static bool tag_fits(const struct session *session, const struct item *item, const struct pgwire_tag *tag)
{
	if (session->state != SESSION_PROVISIONAL || !item->tag || item->likely || !*tag->tag)
		return true;
	if (item->kind == ITEM_QUERY && session->answer.statements)
		return true;
	return !strcmp(item->tag, tag->tag);
}

/* Whether it is to be ignored is not known: whatever comes, its outcome is not counted as one or the other.
 */
static void doubt(struct session *session)
{
	account_fault(&session->answer.fault, &unknown);
	account_fault(&session->request.fault, &unknown);
}

static void on_complete(struct session *session, const struct frame *frame)
{
	struct item *item = head_of(session, ITEM_QUERY, ITEM_EXECUTE);
	bool copied = session->copy == COPY_IN || session->copy == COPY_BOTH;
	struct pgwire_tag tag = {0};

	if (!frame->holed)
		pgwire_tag(frame->body, frame->have, &tag);
	if (!item || !tag_fits(session, item, &tag) || (copied && !session_swallow_copy_end(session))) {
		session_mismatch(session);
		return;
	}
	if (!session->answer.statements)
		regain_query_answered(session, item, tag.tag);
	session->copy = COPY_NONE;
	session->end_unseen = frame->holed;
	account_touch(&session->request, item);
	if (item->kind == ITEM_EXECUTE) {
		execute_complete(session, *item, &tag);
		return;
	}
	session->answer.begun = true;
	session->answer.statements++;
	session->answer.rows += tag.rows;
	if (item->flags & ITEM_DOUBTFUL)
		doubt(session);
	account_statement(session, item, &session->answer.fault, &tag);
	account_end_portal(session, item->portal, true);
	blocks_complete(session, item, tag.tag);
}

static void remember_suspended(struct session *session, const struct item *item)
{
	struct suspended *suspended;

	for (uint32_t i = 0; i < session->suspended_count; i++)
		if (session->suspended[i].item.id == item->id) {
			session->suspended[i].since_ns = session->now_ns;
			session->suspended[i].rows += session->answer.data_rows;
			return;
		}
	if (item->flags & ITEM_RESUMED)
		return; /* was forgotten: SUSPENDED_MAX */
	if (session->suspended_count == SUSPENDED_MAX)
		account_end_suspended(session, 0, true, &unknown);
	if (!session->suspended)
		session->suspended = malloc(SUSPENDED_MAX * sizeof(*session->suspended));
	if (!session->suspended)
		return;
	suspended = &session->suspended[session->suspended_count++];
	*suspended = (struct suspended){*item, session->now_ns, session->answer.data_rows};
}

static void on_row(struct session *session, const struct frame *frame)
{
	if (!begin_result(session))
		return;
	session->answer.data_rows++;
	session_row(session, frame);
}

static void on_suspended(struct session *session)
{
	struct item *item = head_of(session, ITEM_EXECUTE, ITEM_EXECUTE);

	if (!item) {
		session_mismatch(session);
		return;
	}
	account_touch(&session->request, item);
	remember_suspended(session, item);
	session->answer.rows = session->answer.data_rows;
	account_query(session, item, &session->answer, false);
	account_pop(session);
}

/* Not a statement: the server ran no command. */
static void on_empty(struct session *session)
{
	struct item *item = head_of(session, ITEM_QUERY, ITEM_EXECUTE);

	if (!item) {
		session_mismatch(session);
		return;
	}
	session->answer.begun = true;
	if (item->flags & ITEM_DOUBTFUL) {
		account_touch(&session->request, item);
		doubt(session);
	}
	if (item->kind == ITEM_QUERY)
		return;
	account_query(session, item, &session->answer, false);
	account_pop(session);
}

static void on_function_result(struct session *session)
{
	struct item *item = head_of(session, ITEM_FUNCTION, ITEM_FUNCTION);

	if (!item || session->answer.begun) {
		session_mismatch(session);
		return;
	}
	account_touch(&session->request, item);
	session->answer.begun = true;
	session->answer.statements = 1;
	account_statement(session, item, &success, NULL);
}

static void on_description(struct session *session)
{
	struct item *item = session_head(session);

	if (item && item->kind == ITEM_DESCRIBE)
		pop_if(session, ITEM_DESCRIBE);
	else
		begin_result(session);
}

/* ------------------------------------------------------------------------------------------ ReadyForQuery */

static void end_cycle(struct session *session, char status)
{
	session->status = status;
	session->copy = COPY_NONE;
	session->unasked_error = false;
	memset(&session->answer, 0, sizeof(session->answer));
	blocks_ready(session, status == 'I');
	if (status == 'I')
		account_request_end(session);
	else
		session->request.open = true;
	session_settle_head(session);
	if (!session->pipeline.count)
		session->block_expected = status != 'I';
	else if (session->state == SESSION_ALIGNED && session->cycles)
		session->pipelined = PIPELINED_FOR;
	regain_cycle_answered(session);
}

static void startup_complete(struct session *session)
{
	account_pop(session);
	session->startup_done = true;
	if (session->state == SESSION_STARTUP)
		session_turn(session, TURN_STARTED);
	session_note(session, NOTE_STARTUP_DONE);
}

/* False: this ReadyForQuery does not end what is at the head. */
static bool end_item(struct session *session, struct item *item)
{
	switch (item->kind) {
	case ITEM_STARTUP:
		startup_complete(session);
		return true;
	case ITEM_QUERY:
	case ITEM_FUNCTION:
		if (!session->answer.begun && !session->answer.failed)
			return false;
		account_query(session, item, &session->answer, false);
		account_pop(session);
		return true;
	case ITEM_SYNC:
		session_emit_homeless(session);
		account_pop(session);
		session->skipping = false;
		return true;
	}
	return false;
}

static void on_ready(struct session *session, const struct frame *frame)
{
	char status = frame->holed ? 0 : pgwire_ready(frame->body, frame->have);
	struct item *item = status ? session_head(session) : NULL;

	if (item && end_item(session, item)) {
		end_cycle(session, status);
	} else if (status && !item && session->unasked_error) {
		end_cycle(session, status);
	} else if (status && session->strays) {
		session->strays--;
		if (session->skipping) { /* the Sync that COPY did not swallow */
			session_emit_homeless(session);
			session->skipping = false;
			end_cycle(session, status);
		}
	} else {
		session_mismatch(session);
	}
}

/* ------------------------------------------------------------------------------------------ messages */

static void on_startup_message(struct session *session)
{
	struct item *item = session_head(session);

	if (!item || item->kind != ITEM_STARTUP)
		session_mismatch(session);
}

static void on_answer(struct session *session, const struct frame *frame)
{
	session->strays = 0; /* they would have come before this */
	switch (frame->type) {
	case '1':
		pop_if(session, ITEM_PARSE);
		break;
	case '2':
		pop_if(session, ITEM_BIND);
		break;
	case '3':
		pop_if(session, ITEM_CLOSE);
		break;
	case 'n':
		pop_if(session, ITEM_DESCRIBE);
		break;
	case 't':
		if (!head_of(session, ITEM_DESCRIBE, ITEM_DESCRIBE))
			session_mismatch(session);
		break;
	case 'T':
		on_description(session);
		break;
	case 'D':
		on_row(session, frame);
		break;
	case 'C':
		on_complete(session, frame);
		break;
	case 's':
		on_suspended(session);
		break;
	case 'I':
		on_empty(session);
		break;
	case 'V':
		on_function_result(session);
		break;
	case 'G':
	case 'H':
	case 'W':
		on_copy(session, frame->type);
		break;
	case 'd':
	case 'c':
		on_copy_data(session);
		break;
	default:
		on_startup_message(session);
	}
}

/* By pairs: to which of what was asked it belongs. */
static void on_reply(struct session *session, const struct frame *frame, const struct fault *fault,
		     bool fatal)
{
	if (frame->type == 'Z')
		on_ready(session, frame);
	else if (frame->type == 'E')
		session_error(session, fault, fatal);
	else
		on_answer(session, frame);
}

void session_backend_message(struct session *session, const struct frame *frame)
{
	bool certain = session_state_certain(session->state), fatal = false;
	struct fault fault = {.outcome = OUTCOME_UNKNOWN, .type = FAILURE_NONE};

	if (pgwire_asynchronous(frame->type))
		return;
	if (frame->type == 'E')
		fault = session_read_error(session, frame, &fatal);
	if (fatal && session->state == SESSION_PROVISIONAL) {
		session_assume_aligned(session);
		certain = true;
	}
	if (!certain)
		answers_message(session, frame, &fault, fatal);
	if (session_state_pairs(session->state))
		on_reply(session, frame, &fault, fatal);
	/* The answer that does not fit is an outcome all the same. */
	if (certain && session->state == SESSION_UNPAIRED)
		answers_message(session, frame, &fault, fatal);
	session->back_idle = frame->type == 'Z';
	if (frame->type == 'Z')
		regain_note_service(session);
}
