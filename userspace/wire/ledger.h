/* SPDX-License-Identifier: MIT */
/*
 * ledger - while answers cannot be told apart: how many cycles were sent and how many were answered, and so,
 * once nothing is outstanding any more, how many lost their answers.
 *
 * The count of outstanding cycles is known up to a constant only: what was lost was perhaps answered, perhaps
 * not. Whenever nothing is outstanding it stands at its minimum, so the minimum is that constant: above 0 it
 * is the number of cycles whose answers were lost, and those are the oldest. Bounded: past LEDGER_MAX cycles
 * two of the oldest become one that holds the queries of both. Owns its memory until ledger_clear.
 */
#ifndef MO_LEDGER_H
#define MO_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#define LEDGER_MAX 8192

struct ledger_cycle {
	uint32_t queries;  /* that are statements as far as is known */
	uint32_t requests; /* that end with it */
	uint32_t cycles;   /* 1, or more where entries were put together */
};

struct ledger {
	struct ledger_cycle *entries;
	uint32_t size, first, count; /* size: a power of two */
	uint32_t open_queries;       /* of the cycle that is being sent */
	bool batches;                /* some cycle had several queries */
	bool unseen;                 /* requests were lost since nothing was outstanding last */
	int64_t outstanding, minimum;
	int64_t recent; /* the minimum of the last `readies` */
	uint32_t readies;
};

void ledger_clear(struct ledger *ledger);
/* A query was sent; its cycle goes on. */
void ledger_query(struct ledger *ledger);
/* A cycle was sent; ends: a request ends with it. */
void ledger_cycle(struct ledger *ledger, bool ends);
/* A ReadyForQuery came. */
void ledger_ready(struct ledger *ledger);
/* Answers were lost: how many are outstanding has to be learnt anew. */
void ledger_forget_minimum(struct ledger *ledger);
/* Requests were lost, or the server's bytes make sense again: what is outstanding now is the least known. */
void ledger_drained(struct ledger *ledger);
/* Nothing is outstanding: answers to requests that nobody saw are no longer set off, and what was answered is
 * forgotten. */
void ledger_idle_now(struct ledger *ledger);
/* Takes the next of `lost` cycles; false when none is left. */
bool ledger_take(struct ledger *ledger, struct ledger_cycle *out);

/* Nothing is outstanding, as far as can be told. */
static inline bool ledger_idle(const struct ledger *ledger)
{
	return ledger->outstanding == ledger->minimum;
}

#endif
