/* SPDX-License-Identifier: MIT */
/*
 * How framing and pairing are regained, without the connection being reopened. Nothing here decides an
 * outcome: those come from answers meanwhile.
 *
 * Framing is regained at a call that holds whole messages only; at the server's, also behind a ReadyForQuery
 * that ends a call. Calls of a proxy nearly always do. It is wrong if a row or a text happens to look like
 * messages up to its call's end; what was told since is therefore held back until three ReadyForQuery stood
 * where they should.
 *
 * Pairing may begin anew whenever nothing seems to be outstanding: the count of outstanding cycles, known up
 * to a constant, is at its minimum, and the server spoke last. A surplus reply refutes it, and a new minimum
 * is known. It is proven by PROOF points:
 *   - one for each strict alternation of request and ReadyForQuery, unless the client is known to pipeline
 * (or, for a while, may have done so): one that always keeps one request more on its way would look the same;
 *   - one for each silence that is longer than four times what the server lately took for a cycle: had
 *     anything been outstanding, its answer would have come;
 *   - PAUSE_POINTS for one of at least PAUSE_NS.
 *
 * A client that is known to pipeline and never rests has shorter silences only. There it is proven by what
 * the answers say and by all silences together. The tags refute that as few as OFFSETS_NEAR more are
 * outstanding: for each such offset one answer's tag was not that of what it would have belonged to. More of
 * them would have kept the server busy, and one silence or another would have ended by an answer: no server
 * takes, time after time, just longer than the client happens to be silent. That holds where the client does
 * not wait for an answer before it sends the next: it must have sent before one came, OVERLAPS times.
 */
#include <string.h>

#include "wire/cursor.h"
#include "wire/session_internal.h"

#define PROOF         8
#define PAUSE_NS      100000000ull
#define PAUSE_POINTS  4
#define SILENCE_MIN   100000ull /* shorter ones are scheduling */
#define SILENCES      16        /* together as long as so many cycles take the server */
#define SILENCE_UNIT  64        /* what such a cycle counts */
#define LIKELY_ENOUGH 16        /* tags of before a loss that were right, until they are believed */
#define OVERLAPS      4 /* else it may be in step with the answers: as silent each time as the time before */

/* ------------------------------------------------------------------------------------------ framing */

static bool note_tls(struct session *session, struct tls *tls, bool begins, const uint8_t *data, size_t len)
{
	tls_follow(tls, begins, data, len);
	if (!tls_certain(&session->sent_tls) || !tls_certain(&session->received_tls))
		return false;
	session->transport = TRANSPORT_ENCRYPTED;
	session_note(session, NOTE_ENCRYPTED);
	session_stop(session, TURN_ENCRYPTED);
	return true;
}

/* Bytes that are whole messages of one side and nothing else; the type of the last one, or 0. */
static uint8_t whole_messages(const uint8_t *data, size_t len, bool (*valid)(uint8_t type, uint32_t len))
{
	struct cursor cursor = cursor_of(data, len);
	uint8_t type = 0;

	while (cursor_left(&cursor)) {
		uint32_t length;

		type = cursor_u8(&cursor);
		length = cursor_u32(&cursor);
		if (cursor.failed || length < 4 || !valid(type, length - 4) ||
		    !cursor_bytes(&cursor, length - 4))
			return 0;
	}
	return type;
}

/* The start-up packet is a certain beginning, wherever it shows. */
static bool is_startup_packet(const struct session *session, const uint8_t *data, size_t len)
{
	struct cursor cursor = cursor_of(data, len);
	struct pgwire_startup startup;

	return !session->startup_done && cursor_u32(&cursor) == len && len > 4 &&
	       !pgwire_startup(data + 4, len - 4, &startup) && startup.first == PGWIRE_FIRST_STARTUP;
}

static void restart(struct session *session)
{
	framer_reset(&session->front);
	framer_reset(&session->back);
	session->front.untyped = true;
	ledger_clear(&session->ledger);
	outbox_release(session, &session->held_outcomes, RELEASE_DROP);
	memset(&session->told, 0, sizeof(session->told));
	session_turn(session, TURN_RESTARTED);
	session_note(session, NOTE_RESYNC_CERTAIN);
}

bool regain_sent(struct session *session, const uint8_t *data, size_t len, bool last)
{
	if (last && is_startup_packet(session, data, len)) {
		restart(session);
		return true;
	}
	if (note_tls(session, &session->sent_tls, session->front_begins, data, len))
		return false;
	if (!session->front_begins || !last || !whole_messages(data, len, pgwire_frontend_valid))
		return false;
	framer_reset(&session->front);
	session_turn(session, TURN_FRONT_FRAMED);
	return true;
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

static void back_framed(struct session *session)
{
	framer_reset(&session->back);
	ledger_drained(&session->ledger);
	session->told.unproven = true;
	session->told.readies = 0;
	session_turn(session, TURN_BACK_FRAMED);
}

/* The answer that this ReadyForQuery ends was not seen: it is one of those lost. */
static void framed_at_tail(struct session *session, char status)
{
	struct told *told = &session->told;
	bool asked_unseen = session->state == SESSION_BLIND;
	struct session_request lost = {.sent_ns = session->now_ns,
				       .done_ns = session->now_ns,
				       .outcome = OUTCOME_UNKNOWN,
				       .failure = FAILURE_NONE,
				       .kind = REQUEST_MIRRORED};

	back_framed(session);
	session->status = status;
	session->back_idle = true;
	session->ready_ns = session->now_ns;
	if (!session->startup_done) {
		session->startup_done = true;
		session_note(session, NOTE_STARTUP_DONE);
	} else if (status == 'I' && asked_unseen && !told->request.settled) {
		session->sink.request(session->sink.ctx, &lost);
	}
	told->torn = told->portals = status != 'I';
	if (status == 'I')
		memset(&told->request, 0, sizeof(told->request));
	else
		told->request = (struct request){
		    .open = true, .fault.outcome = OUTCOME_UNKNOWN, .fault.type = FAILURE_NONE};
}

bool regain_received(struct session *session, const uint8_t *data, size_t len, bool last)
{
	char status;

	if (note_tls(session, &session->received_tls, session->back_begins, data, len))
		return false;
	if (session->back_begins && last && whole_messages(data, len, pgwire_backend_valid) == 'Z') {
		back_framed(session);
		session->told.torn = session->told.torn_cycle = session->told.portals = true;
		return true;
	}
	keep_tail(session, data, len);
	status = last ? tail_status(session) : 0;
	if (status)
		framed_at_tail(session, status);
	return false;
}

/* ------------------------------------------------------------------------------------------ pairing */

/* What a client that waits for nothing may begin with. */
static bool begins_cycle(uint8_t type)
{
	return type == 'Q' || type == 'F' || type == 'P' || type == 'B';
}

void regain_drained(struct session *session, uint8_t type)
{
	if (session->state != SESSION_UNPAIRED || session->mid_batch || !session->back_idle ||
	    !framer_between(&session->back) || !ledger_idle(&session->ledger) || !begins_cycle(type) ||
	    session->told.late_cycles)
		return;
	ledger_idle_now(&session->ledger);
	session_turn(session, TURN_DRAINED);
	memset(&session->proof, 0, sizeof(session->proof));
	memset(&session->request, 0, sizeof(session->request));
	session->held_pairs.over = false;
	session->block_expected = session->block_unseen = session->status != 'I';
	session->request.open = session->block_unseen;
}

void regain_note_service(struct session *session)
{
	uint64_t since_ns = session->asked_ns > session->ready_ns ? session->asked_ns : session->ready_ns;
	uint64_t service_ns = session->now_ns > since_ns ? session->now_ns - since_ns : 0;

	session->service_ns -= session->service_ns / 16;
	if (since_ns && session_state_front_framed(session->state) && service_ns > session->service_ns)
		session->service_ns = service_ns;
	session->ready_ns = session->now_ns;
}

/* How much the silence since the last answer proves. */
static uint32_t silence_points(const struct session *session)
{
	uint64_t silence_ns = session->now_ns > session->ready_ns ? session->now_ns - session->ready_ns : 0;

	if (silence_ns < SILENCE_MIN || silence_ns < 4 * session->service_ns)
		return 0;
	return silence_ns >= PAUSE_NS ? PAUSE_POINTS : 1;
}

/* Its share of what the server takes for a cycle: one silence is never more than one cycle. */
static uint32_t silence_share(const struct session *session)
{
	uint64_t silence_ns = session->now_ns > session->ready_ns ? session->now_ns - session->ready_ns : 0;

	if (silence_ns >= session->service_ns)
		return SILENCE_UNIT;
	return silence_ns * SILENCE_UNIT / session->service_ns;
}

void regain_cycle_sent(struct session *session)
{
	if (session->state != SESSION_PROVISIONAL)
		return;
	session->proof.strict = !session->cycles;
	if (session->proof.strict) {
		session->proof.points += silence_points(session);
		session->proof.silences += silence_share(session);
	} else {
		session->proof.deep = PIPELINED_FOR;
		session->proof.overlaps++;
	}
}

void regain_query_answered(struct session *session, const struct item *item, const char *answered)
{
	struct proof *proof = &session->proof;

	if (session->state != SESSION_PROVISIONAL)
		return;
	if (item->likely && *answered) {
		proof->likely++;
		proof->misled |= strcmp(item->tag, answered) != 0;
	}
	for (uint32_t offset = 1; offset <= OFFSETS_NEAR && offset <= proof->answered; offset++) {
		const char *other = proof->asked[(proof->answered - offset) % OFFSETS_NEAR];

		if (other && *answered && strcmp(other, answered) != 0)
			proof->refuted |= 1u << (offset - 1);
	}
	proof->asked[proof->answered++ % OFFSETS_NEAR] = item->tag;
}

/* Those of before a loss only if none was wrong. */
static bool tags_hold(const struct proof *proof)
{
	return !proof->likely || (!proof->misled && proof->likely >= LIKELY_ENOUGH);
}

static bool is_proven(const struct proof *proof)
{
	if (proof->points >= PROOF)
		return true;
	return proof->refuted == (1u << OFFSETS_NEAR) - 1 && tags_hold(proof) &&
	       proof->overlaps >= OVERLAPS && proof->silences >= SILENCES * SILENCE_UNIT;
}

static void prove(struct session *session)
{
	struct request request = session->told.request;

	request.begun_unseen = request.open;
	session_settle_lost(session);
	ledger_clear(&session->ledger);
	session_turn(session, TURN_PROVEN);
	outbox_release(session, &session->held_pairs, RELEASE_PROVEN);
	memset(&session->told, 0, sizeof(session->told));
	session->request = request;
	session_note(session, NOTE_RESYNC_CERTAIN);
}

void regain_cycle_answered(struct session *session)
{
	bool provisional = session->state == SESSION_PROVISIONAL;

	if (session->pipeline.count)
		return;
	if (session->state == SESSION_ALIGNED && session->pipelined)
		session->pipelined--;
	if (provisional && session->proof.deep)
		session->proof.deep--;
	else if (provisional && session->proof.strict && !session->pipelined)
		session->proof.points++;
	if (provisional && is_proven(&session->proof) && !session->told.unproven)
		prove(session);
}

void session_assume_aligned(struct session *session)
{
	outbox_release(session, &session->held_pairs, RELEASE_UNKNOWN);
	prove(session);
}
