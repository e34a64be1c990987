/* SPDX-License-Identifier: MIT */
/*
 * lag_from_depth - the lag as the depth implies it: of statements that leave a queue in the order in which
 * they came, the n-th arrival is the n-th that was accepted. So with a record of how many were accepted when
 * (those that arrived plus those on their way), an arrival tells when its statement was sent, whichever it
 * is. For statements that cannot be told apart; lags below LAG_FROM_DEPTH_MIN_NS are too short for the
 * record.
 */
#ifndef MO_LAG_FROM_DEPTH_H
#define MO_LAG_FROM_DEPTH_H

#include <stdint.h>

#define LAG_FROM_DEPTH_TICKS  1024 /* some 100 s */
#define LAG_FROM_DEPTH_MIN_NS 200000000ull

struct lag_from_depth {
	struct {
		uint64_t time;
		double accepted;      /* until then; never falls */
	} tick[LAG_FROM_DEPTH_TICKS]; /* ring */
	uint64_t ticks;
	uint64_t place; /* tick before which the last arrival was accepted */
};

/* About ten times a second: statements that arrived so far, and those on their way. */
void lag_from_depth_tick(struct lag_from_depth *record, uint64_t now_ns, uint64_t arrived, double depth);
/* The lag of the arrival that is number `arrived`, ns; 0 when it is shorter than the record tells. */
uint64_t lag_from_depth_lag(struct lag_from_depth *record, uint64_t now_ns, uint64_t arrived);

#endif
