/* SPDX-License-Identifier: MIT */
/*
 * depth_count - the depth as a mere count: what was sent to the primary, times the share that is mirrored,
 * minus what arrived. For statements that cannot be told apart: whichever of them arrived, one arrived. A
 * count goes astray in time, and nothing that the proxy drops shows in it; so it is corrected by the survival
 * estimate (depth_survival.h), at once while that rests on lags that are surely short, else hardly.
 *
 * The share is learned over a long time, while the lags are short and so all that was sent is settled.
 * Values only; no clock.
 */
#ifndef MO_DEPTH_COUNT_H
#define MO_DEPTH_COUNT_H

#include <stdbool.h>
#include <stdint.h>

struct depth_count {
	double depth;
	double counted;               /* statements sent since lags were short */
	double sent, accepted;        /* decaying sums behind the share */
	double new_sent, new_arrived; /* since the last tick */
	double rate;                  /* arrivals a second, running mean */
	double survival;              /* at the last tick */
	uint64_t ticked, settled;     /* last tick, and the last one at which lags were short; ns */
};

void depth_count_sent(struct depth_count *count);
void depth_count_arrived(struct depth_count *count);
/*
 * About ten times a second. survival: the estimate of depth_survival.h; bound: the most that can be on its
 * way. settled: lags are short, and surely so.
 */
void depth_count_tick(struct depth_count *count, uint64_t now_ns, double survival, double bound,
		      bool settled);
/* The count is from a known beginning, and not so long ago that it has gone astray. */
bool depth_count_known(const struct depth_count *count);
/* It tells more than the survival estimate: lags are not short, or as yet not surely so. */
bool depth_count_leads(const struct depth_count *count);
/* ... and chance has not put it wrong by a quarter: where a part is sampled, it does so in time. */
bool depth_count_sure(const struct depth_count *count);

#endif
