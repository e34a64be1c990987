/* SPDX-License-Identifier: MIT */
/*
 * level - the depth as a mere count: what was sent to the primary, times the share that is mirrored, minus
 * what arrived. For statements that cannot be told apart: whichever of them arrived, one arrived. A count
 * goes astray in time, and nothing that the proxy drops shows in it; so it is corrected by the survival
 * estimate (depth.h), at once while that rests on lags that are surely short, else hardly.
 *
 * The share is learned over a long time, while the lags are short and so all that was sent is settled.
 * Values only; no clock.
 */
#ifndef MO_LEVEL_H
#define MO_LEVEL_H

#include <stdbool.h>
#include <stdint.h>

struct level {
	double depth;
	double counted;               /* statements sent since lags were short */
	double sent, accepted;        /* decaying sums behind the share */
	double new_sent, new_arrived; /* since the last tick */
	double rate;                  /* arrivals a second, running mean */
	double survival;              /* at the last tick */
	uint64_t ticked, settled;     /* last tick, and the last one at which lags were short; ns */
};

void level_sent(struct level *level);
void level_arrived(struct level *level);
/*
 * About ten times a second. survival: the estimate of depth.h; bound: the most that can be on its way.
 * settled: lags are short, and surely so.
 */
void level_tick(struct level *level, uint64_t now_ns, double survival, double bound, bool settled);
/* The count is from a known beginning, and not so long ago that it has gone astray. */
bool level_known(const struct level *level);
/* It tells more than the survival estimate: lags are not short, or as yet not surely so. */
bool level_leads(const struct level *level);
/* ... and chance has not put it wrong by a quarter: where a part is sampled, it does so in time. */
bool level_sure(const struct level *level);

#endif
