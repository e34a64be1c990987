/* SPDX-License-Identifier: MIT */
/*
 * session_state - where a session stands: one state at a time, and the one table of what leads from where to
 * where.
 *
 * Two things can be known of a connection: where the messages of each direction begin (its framing), and
 * which answer belongs to which request (pairing). Outcomes need the server's framing only; pairing adds the
 * statement's text, its duration, and what is compared with the twin.
 *
 *   state         client's  server's  pairing              outcomes
 *                 framing   framing
 *   STARTUP       yes       yes       certain              from pairs
 *   ALIGNED       yes       yes       certain              from pairs
 *   PROVISIONAL   yes       yes       to be proven         from answers; pairs are held back
 *   UNPAIRED      yes       yes       lost                 from answers
 *   FRONT_LOST    lost      yes       lost                 from answers
 *   BACK_LOST     yes       lost      lost                 what was asked is unknown
 *   BLIND         lost      lost      lost                 none: the time is counted as blind
 *   ENCRYPTED, REPLICATION, CANCEL, ENDED: nothing (more) is decoded
 *
 * Pure. A transition that the table does not have is a fault of the code: an assertion in debug builds.
 */
#ifndef MO_SESSION_STATE_H
#define MO_SESSION_STATE_H

#include <stdbool.h>

enum session_state {
	SESSION_STARTUP, /* all bytes since the first were seen; no ReadyForQuery yet */
	SESSION_ALIGNED,
	SESSION_PROVISIONAL,
	SESSION_UNPAIRED,
	SESSION_FRONT_LOST,
	SESSION_BACK_LOST,
	SESSION_BLIND,
	SESSION_ENCRYPTED,
	SESSION_REPLICATION,
	SESSION_CANCEL,
	SESSION_ENDED,
	SESSION_STATES,
};

enum session_turn {
	TURN_STARTED,      /* the first ReadyForQuery of a start-up that was seen whole */
	TURN_FRONT_LOST,   /* bytes of the client are missing or make no sense */
	TURN_BACK_LOST,    /* bytes of the server are */
	TURN_FRONT_FRAMED, /* a call of the client that holds whole messages only */
	TURN_BACK_FRAMED, /* a call of the server that does and ends with ReadyForQuery, or a ReadyForQuery at
			     a call's end */
	TURN_MISMATCH,    /* answers that do not fit what was asked, or too much is outstanding */
	TURN_DRAINED,     /* nothing seems to be outstanding: pairing may begin anew */
	TURN_PROVEN,      /* and has been right so often that it is no coincidence */
	TURN_RESTARTED,   /* a start-up packet after a loss */
	TURN_ENCRYPTED,
	TURN_REPLICATION,
	TURN_CANCEL,
	TURN_ENDED,
	SESSION_TURNS,
};

/* The state that follows, or SESSION_STATES where that cannot happen. */
enum session_state session_state_after(enum session_state state, enum session_turn turn);

static inline bool session_state_decodes(enum session_state state)
{
	return state < SESSION_ENCRYPTED;
}

/* Pairs are certain: outcomes come from them. */
static inline bool session_state_certain(enum session_state state)
{
	return state == SESSION_STARTUP || state == SESSION_ALIGNED;
}

/* Requests wait in the pipeline for their answers. */
static inline bool session_state_pairs(enum session_state state)
{
	return session_state_certain(state) || state == SESSION_PROVISIONAL;
}

static inline bool session_state_front_framed(enum session_state state)
{
	return session_state_decodes(state) && state != SESSION_FRONT_LOST && state != SESSION_BLIND;
}

static inline bool session_state_back_framed(enum session_state state)
{
	return session_state_decodes(state) && state != SESSION_BACK_LOST && state != SESSION_BLIND;
}

/* For messages and assertions: "aligned", "front lost", ... */
const char *session_state_name(enum session_state state);

#endif
