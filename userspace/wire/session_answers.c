/* SPDX-License-Identifier: MIT */
/*
 * Outcomes from the answers alone, while pairing is not certain: each CommandComplete and each ErrorResponse
 * is a statement's, each ReadyForQuery that reports idle ends a request. What depends on the text (is it one
 * of ignore_statements?) or on what was not seen is unknown. There are no durations, since who asked when is
 * not known.
 */
#include <string.h>

#include "wire/session_internal.h"

static const struct fault success = {.outcome = OUTCOME_SUCCESS, .type = FAILURE_NONE};
static const struct fault unknown = {.outcome = OUTCOME_UNKNOWN, .type = FAILURE_NONE};

/* A text of which only the tag is known. */
static bool may_be_ignored(const struct session *session, const char *tag)
{
	return session->options.may_ignore && session->options.may_ignore(session->sink.ctx, "", 0, tag);
}

static struct request *open_request(struct session *session)
{
	struct told *told = &session->told;

	if (!told->request.open) {
		bool late = told->late_cycles;

		told->request = (struct request){.open = true, .settled = late, .late = late};
		if (told->torn) /* its first error may be lost */
			told->request.fault = unknown;
		told->empty = false;
	}
	told->in_cycle = true;
	return &told->request;
}

static void tell_statement(struct session *session, const struct fault *fault, const struct pgwire_tag *tag)
{
	struct request *request = open_request(session);
	struct session_statement statement = {
	    .done_ns = session->now_ns,
	    .outcome = fault->outcome,
	    .failure = fault->outcome == OUTCOME_FAILURE ? fault->type : FAILURE_NONE,
	};

	request->mirrored = true;
	session->told.outcome = true;
	account_fault(&request->fault, fault);
	if (session->told.late_cycles)
		return;
	memcpy(statement.sqlstate, fault->sqlstate, sizeof(statement.sqlstate));
	if (tag) {
		memcpy(statement.tag, tag->tag, sizeof(statement.tag));
		statement.has_rows = tag->has_rows;
		statement.rows = tag->rows;
		statement.control = *tag->tag && sqltext_control_tag(tag->tag);
		statement.utility_plan = !strcmp(tag->tag, "PREPARE") || !strncmp(tag->tag, "DEALLOCATE", 10);
	}
	request->statements++;
	outbox_tell_statement(session, &statement);
}

/*
 * Rows that nothing described, of a portal that nobody bound in this block: it goes on with one that was
 * suspended, and ends it; or it is at its end already, and nothing ran.
 */
static bool may_have_ended_before(const struct told *told, const struct pgwire_tag *tag)
{
	return told->portals && !told->bound && !told->described && !told->suspended &&
	       (!*tag->tag || !strcmp(tag->tag, "SELECT"));
}

/* What only a walsender answers with: its start-up packet was not seen. */
static bool is_replication(const char *tag)
{
	static const char *const tags[] = {
	    "IDENTIFY_SYSTEM",         "START_REPLICATION",     "START_STREAMING",  "BASE_BACKUP",
	    "CREATE_REPLICATION_SLOT", "DROP_REPLICATION_SLOT", "TIMELINE_HISTORY", "READ_REPLICATION_SLOT"};

	for (size_t i = 0; i < sizeof(tags) / sizeof(*tags); i++)
		if (!strncmp(tag, tags[i], strlen(tags[i])))
			return true;
	return false;
}

static void stop_replication(struct session *session)
{
	outbox_release(session, &session->held_outcomes, RELEASE_DROP);
	session_answer_unknown(session);
	session_note(session, NOTE_REPLICATION);
	session_stop(session, TURN_REPLICATION);
}

static void on_complete(struct session *session, const struct frame *frame)
{
	struct told *told = &session->told;
	struct pgwire_tag tag = {0};
	bool doubtful, continued;

	if (!frame->holed)
		pgwire_tag(frame->body, frame->have, &tag);
	if (is_replication(tag.tag)) {
		stop_replication(session);
		return;
	}
	continued = told->portals && !told->bound && !told->described && (tag.has_rows || !*tag.tag);
	doubtful = may_have_ended_before(told, &tag) || may_be_ignored(session, *tag.tag ? tag.tag : NULL);
	if (told->suspended || (told->portals && !told->bound))
		tag.has_rows = false; /* perhaps those of its last part only */
	tell_statement(session, doubtful ? &unknown : &success, &tag);
	if (told->bound)
		told->bound--;
	else if (told->suspended && continued)
		told->suspended--;
	told->described = false;
}

/* The first part of a portal's rows, or one more of one that was suspended before. */
static void on_suspended(struct session *session)
{
	open_request(session)->mirrored = true;
	if (session->told.bound) {
		session->told.bound--;
		session->told.suspended++;
	}
	session->told.outcome = true;
	session->told.suspended_ns = session->now_ns;
	session->told.described = false;
}

static void on_empty(struct session *session)
{
	open_request(session);
	session->told.empty = session->told.outcome = true;
	if (session->told.bound)
		session->told.bound--;
}

/* ------------------------------------------------------------------------------------------ errors */

/* Nothing is outstanding: what the server says now answers nothing. */
static bool nothing_asked(const struct session *session)
{
	return session_state_front_framed(session->state) && !session->ledger.unseen &&
	       !session->told.in_cycle && !session->mid_batch && ledger_idle(&session->ledger);
}

/* The server ends: with something outstanding, that failed; else only an open block does. */
static void on_fatal(struct session *session, const struct fault *fault)
{
	struct told *told = &session->told;

	if (told->in_cycle)
		tell_statement(session, fault, NULL);
	else if (!nothing_asked(session))
		tell_statement(session, &unknown, NULL);
	else if (told->request.open)
		account_fault(&told->request.fault, fault);
	answers_close(session, fault);
	session_stop(session, TURN_ENDED);
}

static void on_error(struct session *session, const struct fault *fault, bool fatal)
{
	struct told *told = &session->told;

	if (!session->startup_done && fatal)
		session_startup_failed(session);
	else if (fatal)
		on_fatal(session, fault);
	else
		tell_statement(session, fault, NULL);
	told->described = false;
}

/* ------------------------------------------------------------------------------------------ ReadyForQuery */

/* Closed by the commit they are successful, dropped by a rollback they are none: which, when and how many
 * were closed before, who knows. */
static void end_suspended(struct session *session)
{
	struct told *told = &session->told;
	uint64_t now_ns = session->now_ns;

	session->now_ns = told->suspended_ns;
	for (; told->suspended; told->suspended--)
		tell_statement(session, &unknown, NULL);
	session->now_ns = now_ns;
}

static void end_request(struct session *session)
{
	struct told *told = &session->told;
	struct request *request = &told->request;
	struct session_request out;

	end_suspended(session);
	if (told->empty && !request->mirrored && may_be_ignored(session, NULL))
		account_fault(&request->fault, &unknown);
	if (request->open && !request->settled) {
		out = account_request_of(session, request);
		outbox_tell_request(session, &out);
	} else if (request->open && request->late) {
		session_note(session, NOTE_LATE_ANSWER);
	}
	memset(request, 0, sizeof(*request));
	told->torn = told->empty = told->portals = false;
	told->bound = 0;
}

/* Whether it ended with this cycle was not seen, nor how one of which this is the beginning will go on. */
void answers_tear(struct session *session)
{
	account_fault(&session->told.request.fault, &unknown);
	end_request(session);
	session->told.torn = session->told.portals = true;
}

/* Three in a row, each where the message before it ends, are no coincidence. */
static void prove_framing(struct session *session)
{
	struct told *told = &session->told;

	if (!told->unproven || ++told->readies < 3)
		return;
	told->unproven = false;
	outbox_release(session, &session->held_outcomes, RELEASE_PROVEN);
}

/* A cycle of which only the end was seen, or of a batch perhaps not all, is one of those lost. */
static void count_ready(struct session *session)
{
	const struct told *told = &session->told;

	if (!session->startup_done || (told->torn_cycle && (session->ledger.batches || !told->outcome)))
		return;
	ledger_ready(&session->ledger);
}

static void on_ready(struct session *session, const struct frame *frame)
{
	struct told *told = &session->told;
	char status = frame->holed ? 0 : pgwire_ready(frame->body, frame->have);

	open_request(session);
	count_ready(session);
	told->torn_cycle = told->in_cycle = told->outcome = told->described = false;
	prove_framing(session);
	session->status = status ? status : session->status;
	if (!session->startup_done) {
		session->startup_done = true;
		memset(&told->request, 0, sizeof(told->request));
		session_note(session, NOTE_STARTUP_DONE);
	}
	if (status == 'I')
		end_request(session);
	else if (!status)
		answers_tear(session);
	if (told->late_cycles)
		told->late_cycles--;
}

void answers_message(struct session *session, const struct frame *frame, const struct fault *fault,
		     bool fatal)
{
	struct told *told = &session->told;

	switch (frame->type) {
	case 'C':
		on_complete(session, frame);
		break;
	case 'E':
		on_error(session, fault, fatal);
		break;
	case 'Z':
		on_ready(session, frame);
		break;
	case 's':
		on_suspended(session);
		break;
	case 'I':
		on_empty(session);
		break;
	case 'W':
		stop_replication(session);
		break;
	case 'V':
		tell_statement(session, &success, NULL);
		break;
	case 'T':
		told->described = true;
		open_request(session);
		break;
	case '2':
		told->bound++;
		told->portals = true;
		open_request(session);
		break;
	default:
		open_request(session);
	}
}

/* Requests that nobody saw answered have no part in it: session_settle_lost(). */
void answers_close(struct session *session, const struct fault *fault)
{
	struct told *told = &session->told;

	if (!session->startup_done)
		return;
	if (told->request.open && !told->request.settled)
		account_fault(&told->request.fault, fault);
	else if (!told->request.open && !nothing_asked(session) && fault->outcome == OUTCOME_FAILURE)
		account_fault(&open_request(session)->fault, &unknown);
	told->request.late = false; /* no answer came */
	end_request(session);
}
