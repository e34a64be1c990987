/* SPDX-License-Identifier: MIT */
/*
 * backlog - the lag as the depth implies it: of statements that leave a queue in the order in which they
 * came, the n-th arrival is the n-th that was accepted. So with a record of how many were accepted when
 * (those that arrived plus those on their way), an arrival tells when its statement was sent, whichever it
 * is. For statements that cannot be told apart; lags below BACKLOG_MIN_NS are too short for the record.
 */
#ifndef MO_BACKLOG_H
#define MO_BACKLOG_H

#include <stdint.h>

#define BACKLOG_TICKS  1024 /* some 100 s */
#define BACKLOG_MIN_NS 200000000ull

struct backlog {
	struct {
		uint64_t time;
		double accepted; /* until then; never falls */
	} tick[BACKLOG_TICKS];   /* ring */
	uint64_t ticks;
	uint64_t place; /* tick before which the last arrival was accepted */
};

/* About ten times a second: statements that arrived so far, and those on their way. */
void backlog_tick(struct backlog *backlog, uint64_t now_ns, uint64_t arrived, double depth);
/* The lag of the arrival that is number `arrived`, ns; 0 when it is shorter than the record tells. */
uint64_t backlog_lag(struct backlog *backlog, uint64_t now_ns, uint64_t arrived);

#endif
