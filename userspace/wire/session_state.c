/* SPDX-License-Identifier: MIT */
#include "wire/session_state.h"

/* What is not named cannot happen; so that 0 can stand for that, the table holds state + 1. */
#define TO(state) (SESSION_##state + 1)

static const unsigned char after[SESSION_STATES][SESSION_TURNS] = {
    [SESSION_STARTUP] = {[TURN_STARTED] = TO(ALIGNED),
			 [TURN_FRONT_LOST] = TO(FRONT_LOST),
			 [TURN_BACK_LOST] = TO(BACK_LOST),
			 [TURN_MISMATCH] = TO(UNPAIRED),
			 [TURN_ENCRYPTED] = TO(ENCRYPTED),
			 [TURN_REPLICATION] = TO(REPLICATION),
			 [TURN_CANCEL] = TO(CANCEL),
			 [TURN_ENDED] = TO(ENDED)},
    [SESSION_ALIGNED] = {[TURN_FRONT_LOST] = TO(FRONT_LOST),
			 [TURN_BACK_LOST] = TO(BACK_LOST),
			 [TURN_MISMATCH] = TO(UNPAIRED),
			 [TURN_ENDED] = TO(ENDED)},
    [SESSION_PROVISIONAL] = {[TURN_FRONT_LOST] = TO(FRONT_LOST),
			     [TURN_BACK_LOST] = TO(BACK_LOST),
			     [TURN_MISMATCH] = TO(UNPAIRED),
			     [TURN_PROVEN] = TO(ALIGNED),
			     [TURN_REPLICATION] = TO(REPLICATION),
			     [TURN_ENDED] = TO(ENDED)},
    [SESSION_UNPAIRED] = {[TURN_FRONT_LOST] = TO(FRONT_LOST),
			  [TURN_BACK_LOST] = TO(BACK_LOST),
			  [TURN_MISMATCH] = TO(UNPAIRED),
			  [TURN_DRAINED] = TO(PROVISIONAL),
			  [TURN_RESTARTED] = TO(STARTUP),
			  [TURN_REPLICATION] = TO(REPLICATION),
			  [TURN_ENDED] = TO(ENDED)},
    [SESSION_FRONT_LOST] = {[TURN_FRONT_LOST] = TO(FRONT_LOST),
			    [TURN_BACK_LOST] = TO(BLIND),
			    [TURN_FRONT_FRAMED] = TO(UNPAIRED),
			    [TURN_RESTARTED] = TO(STARTUP),
			    [TURN_ENCRYPTED] = TO(ENCRYPTED),
			    [TURN_REPLICATION] = TO(REPLICATION),
			    [TURN_ENDED] = TO(ENDED)},
    [SESSION_BACK_LOST] = {[TURN_FRONT_LOST] = TO(BLIND),
			   [TURN_BACK_LOST] = TO(BACK_LOST),
			   [TURN_BACK_FRAMED] = TO(UNPAIRED),
			   [TURN_MISMATCH] = TO(BACK_LOST),
			   [TURN_RESTARTED] = TO(STARTUP),
			   [TURN_ENCRYPTED] = TO(ENCRYPTED),
			   [TURN_REPLICATION] = TO(REPLICATION),
			   [TURN_CANCEL] = TO(CANCEL),
			   [TURN_ENDED] = TO(ENDED)},
    [SESSION_BLIND] = {[TURN_FRONT_LOST] = TO(BLIND),
		       [TURN_BACK_LOST] = TO(BLIND),
		       [TURN_FRONT_FRAMED] = TO(BACK_LOST),
		       [TURN_BACK_FRAMED] = TO(FRONT_LOST),
		       [TURN_RESTARTED] = TO(STARTUP),
		       [TURN_ENCRYPTED] = TO(ENCRYPTED),
		       [TURN_ENDED] = TO(ENDED)},
    [SESSION_ENCRYPTED] = {[TURN_ENDED] = TO(ENDED)},
    [SESSION_REPLICATION] = {[TURN_ENDED] = TO(ENDED)},
    [SESSION_CANCEL] = {[TURN_ENDED] = TO(ENDED)},
    [SESSION_ENDED] = {[TURN_ENDED] = TO(ENDED)},
};

enum session_state session_state_after(enum session_state state, enum session_turn turn)
{
	unsigned char next = state < SESSION_STATES && turn < SESSION_TURNS ? after[state][turn] : 0;

	return next ? (enum session_state)(next - 1) : SESSION_STATES;
}

const char *session_state_name(enum session_state state)
{
	static const char *const names[SESSION_STATES] = {
	    [SESSION_STARTUP] = "start-up",
	    [SESSION_ALIGNED] = "aligned",
	    [SESSION_PROVISIONAL] = "provisional",
	    [SESSION_UNPAIRED] = "unpaired",
	    [SESSION_FRONT_LOST] = "front lost",
	    [SESSION_BACK_LOST] = "back lost",
	    [SESSION_BLIND] = "blind",
	    [SESSION_ENCRYPTED] = "encrypted",
	    [SESSION_REPLICATION] = "replication",
	    [SESSION_CANCEL] = "cancel",
	    [SESSION_ENDED] = "ended",
	};

	return state < SESSION_STATES ? names[state] : "none";
}
