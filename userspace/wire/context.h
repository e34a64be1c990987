/* SPDX-License-Identifier: MIT */
/*
 * context - the state of one connection on which answers depend besides the statement itself: settings that
 * matter (search_path, role, time zone, ...), temporary objects, cursors, and who is logged in; as an
 * order-independent digest, so that two connections which came to the same state on different ways agree.
 *
 * Judged by what the client sent, as if all of it succeeded: both sides are sent the same, and what fails on
 * one of them only is a difference that should be found. SET LOCAL ends with its transaction, what a rollback
 * or ROLLBACK TO gives up is given up here. What the server reports (ParameterStatus) is taken for what no
 * statement told.
 *
 * Bounded: CONTEXT_SETTINGS values, CONTEXT_UNDO changes of an open transaction; past that the state is lost
 * until DISCARD ALL. Nothing is allocated for a connection that never sets anything.
 */
#ifndef MO_CONTEXT_H
#define MO_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONTEXT_SETTINGS 64
#define CONTEXT_UNDO     512

struct context_state;

struct context {
	struct context_state *state; /* NULL: nothing was ever set */
	uint64_t base;               /* of the start: user, start-up parameters, what the server reported */
	bool in_block;
	bool unseen; /* set before the observer came, or while bytes were lost */
	bool lost;   /* past a bound */
};

/* What a statement ran in; where unseen, only what was set since. */
struct context_digest {
	uint64_t start;    /* user, start-up parameters, what the server reported then */
	uint64_t settings; /* what was set since, and not given up again */
	uint64_t names;    /* of what is set now, each as one of 64 bits */
	bool unseen;
};

/* fresh: the connection's first byte will be seen. */
void context_init(struct context *context, bool fresh);
void context_done(struct context *context);
/* The start-up packet's parameters: names and values, each ending in NUL. */
void context_startup(struct context *context, const char *parameters, size_t len);
/* ParameterStatus; starting: before the first ReadyForQuery. */
void context_reported(struct context *context, const char *body, size_t len, bool starting);
/* Bytes of the client were lost. */
void context_gap(struct context *context);

void context_digest(const struct context *context, struct context_digest *out);
/*
 * A statement was sent. concerns: sqlsetting_concerns() of its text; writes: it is neither a query nor
 * transaction control; failed: it was sent in a block that has failed.
 */
void context_sent(struct context *context, const char *text, size_t len, uint64_t key, bool concerns,
		  bool writes, bool failed);

#endif
