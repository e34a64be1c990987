/* SPDX-License-Identifier: MIT */
/*
 * request - what is replayed: the messages of one client from idle to the ReadyForQuery that reports idle
 * again, in cycles (what one ReadyForQuery ends). Values with an owner; no behaviour.
 */
#ifndef TESTPROXY_REQUEST_H
#define TESTPROXY_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "buffer.h"
#include "truth.h"

struct cycle {
	struct cycle *next;
	struct buffer bytes;  /* whole messages, statement names rewritten */
	struct buffer times;  /* uint64_t: when each statement was sent to the primary, as far as it was */
	unsigned statements;  /* Query, Execute and FunctionCall messages */
	struct buffer kinds;  /* uint8_t for each: is it a control command? */
	bool extended, ended; /* ended: its Query, FunctionCall or Sync is there */
	bool copy;            /* the primary asked for COPY data */
	bool copied;          /* its CopyDone or CopyFail is there */
	bool lost;            /* past a bound: cannot be replayed */
};

struct request {
	struct request *next;
	struct cycle *first, *last;
	struct tally statements; /* that were sent to the primary */
	bool lost;
};

struct cycle *cycle_new(void); /* NULL when there is no memory */
void cycle_free(struct cycle **cycle);
unsigned cycle_sent(const struct cycle *cycle); /* statements that were sent to the primary */
uint64_t cycle_time(const struct cycle *cycle, unsigned statement); /* 0 when not sent */

bool cycle_control(const struct cycle *cycle, unsigned statement);

struct request *request_new(void);
void request_free(struct request **request);
void request_add(struct request *request, struct cycle *cycle); /* takes the cycle */

#endif
