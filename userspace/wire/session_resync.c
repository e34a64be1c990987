/* SPDX-License-Identifier: MIT */
/* How pairing is lost and regained: see "states" in session.h. */
#include <string.h>

#include "wire/cursor.h"
#include "wire/session_internal.h"

static const struct fault unknown = {.outcome = OUTCOME_UNKNOWN, .type = FAILURE_NONE};

static void lose_framing(struct session *session, bool front, bool back)
{
	if (front) {
		session->front_lost = true;
		session->hashing = false;
		framer_reset(&session->front);
		prepared_clear(&session->statements); /* a lost Parse may have replaced any of them */
		prepared_clear(&session->portals);
	}
	if (back) {
		session->back_lost = true;
		framer_reset(&session->back);
	}
	if (back)
		session->tail_len = 0;
}

/* What the loss leaves open, once all that was outstanding is settled. */
static void forget_answers(struct session *session)
{
	session->copy = COPY_NONE;
	session->skipping = session->error_homeless = session->unasked_error = false;
	session->strays = 0;
	session->savepoint = session->rolled_back = session->end_unseen = false;
	session->encryption_asked = false;
	session->startup_seen = true;
}

/* The client is on its way to the Sync of a batch. */
static bool mid_batch(const struct pipeline *pipeline)
{
	const struct item *last = pipeline->count ? pipeline_at(pipeline, pipeline->count - 1) : NULL;

	return last && !item_ends_cycle(last) && last->kind != ITEM_COPY_END && last->kind != ITEM_DEAD;
}

static void go_blind(struct session *session)
{
	uint32_t cycles = session->cycles;
	bool partial = mid_batch(&session->pipeline);
	bool in_block = session->block_expected || partial;

	session_note(session, NOTE_RESYNC);
	if (session->pairing == PAIRING_PROVISIONAL)
		outbox_release(session, false);
	session->pairing = PAIRING_BLIND;
	account_settle_all(session, &unknown);
	forget_answers(session);
	session->blind = (struct blind){.cycles = cycles, .partial = partial, .last_ns = session->now_ns};
	if (in_block) /* what follows up to its end is still that request */
		session->request = (struct request){.open = true, .settled = true};
}

void resync_lose(struct session *session, bool front, bool back)
{
	if (session->pairing == PAIRING_NONE)
		return;
	lose_framing(session, front, back);
	if (session->pairing != PAIRING_BLIND)
		go_blind(session);
	session->blind.ready = false;
	session->blind.sent_tls = session->blind.received_tls = (struct tls){0};
	if (front) {
		session->blind.partial = session->blind.partial_lost = true;
		session->request.open = true;
	}
	if (back && !session->front_lost)
		session->blind.cycles = 0; /* the lost bytes may hold their ends */
}

void resync_mismatch(struct session *session)
{
	session_note(session,
		     session->pairing == PAIRING_PROVISIONAL ? NOTE_SURPLUS_REPLY : NOTE_DECODE_ERROR);
	resync_lose(session, false, false);
}

/* A ReadyForQuery ended a receive and nothing is outstanding: both sides stand between two messages. */
static void resume(struct session *session)
{
	if (session->pipelines || (!session->front_lost && !framer_between(&session->front)))
		return;
	session->pairing = PAIRING_BLIND; /* outcomes of what was blind are unknown */
	if (session->status == 'I') {
		account_request_end(session);
	} else {
		session->request.open = true;
		if (!session->request.settled)
			account_emit_request(session, &session->request);
	}
	session->held_over = false;
	session->pairing = PAIRING_PROVISIONAL;
	if (session->front_lost)
		framer_reset(&session->front);
	framer_reset(&session->back);
	session->front_lost = session->back_lost = false;
	session->block_expected = session->status != 'I';
	session->alternations = 0;
	if (!session->startup_done) {
		session->startup_done = true;
		session_note(session, NOTE_STARTUP_DONE);
	}
}

void resync_cycle_answered(struct session *session)
{
	if (session->pairing != PAIRING_PROVISIONAL || session->pipeline.count)
		return;
	if (++session->alternations < ALTERNATIONS)
		return;
	session->pairing = PAIRING_CERTAIN;
	outbox_release(session, true);
	session_note(session, NOTE_RESYNC_CERTAIN);
}

/* ------------------------------------------------------------------------------------------ client's side */

static void note_tls(struct session *session, struct tls *tls, bool begins, const uint8_t *data, size_t len)
{
	tls_follow(tls, begins, data, len);
	if (tls_certain(&session->blind.sent_tls) && tls_certain(&session->blind.received_tls)) {
		session->transport = TRANSPORT_ENCRYPTED;
		session_note(session, NOTE_ENCRYPTED);
		session_stop(session);
	}
}

/* A call that holds whole messages only: how many cycles it ends, and its first message's type. */
static bool read_call(const uint8_t *data, size_t len, uint8_t *first, uint32_t *ends)
{
	struct cursor cursor = cursor_of(data, len);

	*first = data[0];
	*ends = 0;
	while (cursor_left(&cursor)) {
		uint8_t type = cursor_u8(&cursor);
		uint32_t length = cursor_u32(&cursor);

		if (cursor.failed || length < 4 || !pgwire_frontend_valid(type, length - 4) ||
		    !cursor_bytes(&cursor, length - 4))
			return false;
		*ends += type == 'Q' || type == 'F' || type == 'S';
	}
	return true;
}

static bool begins_batch(uint8_t type, bool after_loss)
{
	return type == 'Q' || type == 'F' || (after_loss && (type == 'P' || type == 'B'));
}

static void count_blind_call(struct session *session, const uint8_t *data, size_t len, bool last)
{
	struct blind *blind = &session->blind;
	uint32_t ends;
	uint8_t first;

	if (!last || !read_call(data, len, &first, &ends)) {
		blind->partial = blind->partial_lost = true;
		return;
	}
	if (blind->partial && begins_batch(first, blind->partial_lost)) {
		blind->cycles++; /* what was lost was a cycle of its own */
		blind->partial = false;
	}
	if (ends) {
		blind->cycles += ends;
		blind->partial = false;
	} else {
		blind->partial = true;
		blind->partial_lost = false;
	}
}

/* The start-up packet is a certain beginning, wherever it shows. */
static bool is_startup_packet(const struct session *session, const uint8_t *data, size_t len)
{
	struct cursor cursor = cursor_of(data, len);
	struct pgwire_startup startup;

	return !session->startup_done && cursor_u32(&cursor) == len && len > 4 &&
	       !pgwire_startup(data + 4, len - 4, &startup) && startup.first == PGWIRE_FIRST_STARTUP;
}

static void restart(struct session *session, const uint8_t *data, size_t len)
{
	struct frame frame = {.type = 0, .len = len - 4, .body = data + 4, .have = len - 4};

	memset(&session->request, 0, sizeof(session->request));
	framer_reset(&session->front);
	framer_reset(&session->back);
	session->front_lost = session->back_lost = false;
	session->pairing = PAIRING_CERTAIN;
	session_note(session, NOTE_RESYNC_CERTAIN);
	session_frontend_message(session, &frame);
}

void resync_blind_quiet(struct session *session)
{
	struct blind *blind = &session->blind;

	if (blind->ready && session->now_ns - blind->last_ns >= QUIET_NS) {
		blind->cycles = 0;
		blind->partial = false;
		resume(session);
	}
	blind->last_ns = session->now_ns;
	blind->ready = false;
}

void resync_blind_sent(struct session *session, const uint8_t *data, size_t len, bool last)
{
	if (last && is_startup_packet(session, data, len)) {
		restart(session, data, len);
		return;
	}
	session->request.open = true;
	count_blind_call(session, data, len, last);
	note_tls(session, &session->blind.sent_tls, session->front_begins, data, len);
}

void resync_blind_cycle_sent(struct session *session)
{
	if (session->blind.cycles)
		session->pipelines = true;
	session->blind.cycles++;
	session->blind.partial = false;
}

/* ------------------------------------------------------------------------------------------ server's side */

void resync_blind_ready(struct session *session, char status)
{
	struct blind *blind = &session->blind;

	session->status = status;
	if (blind->cycles)
		blind->cycles--;
	else if (session->front_lost &&
		 blind->partial_lost) /* a batch seen to lack its Sync is not answered yet */
		blind->partial = false;
	if (status == 'I' &&
	    session->front_lost) { /* it ends a request, of which nothing else may be known */
		session->request.open = true;
		account_request_end(session);
	}
}

static void keep_tail(struct session *session, const uint8_t *data, size_t len)
{
	size_t fresh = len < READY_LEN ? len : READY_LEN;
	size_t old = session->tail_len < READY_LEN - fresh ? session->tail_len : READY_LEN - fresh;

	memmove(session->tail, session->tail + session->tail_len - old, old);
	memcpy(session->tail + old, data + len - fresh, fresh);
	session->tail_len = old + fresh;
}

/* The status of a ReadyForQuery that the bytes end with, or 0. */
static char tail_status(const struct session *session)
{
	struct cursor cursor = cursor_of(session->tail, session->tail_len);

	if (session->tail_len < READY_LEN || cursor_u8(&cursor) != 'Z' || cursor_u32(&cursor) != 5)
		return 0;
	return pgwire_ready(cursor.at, cursor_left(&cursor));
}

void resync_blind_received(struct session *session, const uint8_t *data, size_t len, bool last)
{
	char status;

	note_tls(session, &session->blind.received_tls, session->back_begins, data, len);
	if (session->pairing != PAIRING_BLIND)
		return;
	keep_tail(session, data, len);
	status = last && (session->back_lost || framer_between(&session->back)) ? tail_status(session) : 0;
	if (session->front_lost && !status)
		session->request.open = true;
	session->blind.ready = status;
	if (!status)
		return;
	if (session->back_lost)
		resync_blind_ready(session, status);
	session->status = status;
	if (!session->blind.cycles && !session->blind.partial)
		resume(session);
}
