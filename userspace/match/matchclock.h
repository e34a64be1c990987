/* SPDX-License-Identifier: MIT */
/*
 * matchclock - time as the arrivals at the mirror tell it. It stands still while nothing is matched, so that
 * a mirror that is down for a minute does not age out everything that waits for it. Values only.
 */
#ifndef MO_MATCHCLOCK_H
#define MO_MATCHCLOCK_H

#include <stdint.h>

#define MATCHCLOCK_STALLS   16
#define MATCHCLOCK_STALL_NS 1000000000ull /* a longer silence counts as this long */

struct matchclock {
	uint64_t last; /* time of the last match, 0 before the first */
	uint64_t
	    steady; /* the same, but held at the begin of a silence until its end is understood: see below */
	double gap; /* between matches, ns, running mean */
	uint64_t resumed;   /* when the last silence that was out of proportion ended */
	unsigned younger;   /* certain pairs since, of statements sent after that */
	unsigned unsettled; /* matches until `steady` follows again */
	struct {
		uint64_t end, skipped;
	} stall[MATCHCLOCK_STALLS]; /* ring */
	unsigned stalls;
};

/*
 * A match at time now of a statement sent at `sent` (0 = not certain); times may come slightly out of order.
 * After a silence that is out of proportion the first few matches only show how long the lags have become:
 * until then, or until what was sent after the silence arrives as well, `steady`, by which ages are judged,
 * stays.
 */
void matchclock_match(struct matchclock *clock, uint64_t now, uint64_t sent);
/*
 * The time by which ages are judged: now, as long as the silence since the last match is an ordinary one;
 * else a few ordinary gaps after that match.
 */
uint64_t matchclock_steady(const struct matchclock *clock, uint64_t now);
/* Age of something of time t at the last match, without the time in which the clock stood still. */
uint64_t matchclock_age(const struct matchclock *clock, uint64_t t);

#endif
