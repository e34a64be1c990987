/* SPDX-License-Identifier: MIT */
/*
 * lag_per_pair - which lag each pair counts with. A certain pair counts with its own. One that is not counts
 * with that of the certain pairs that come next, spread over some three of them: when arrivals come in a
 * rush, as after a stall, each lag so weighs as much as there were arrivals about it, and at other times as
 * much as any. Only where no certain pair is near, or the guess is the better witness, does it count with the
 * lag that it was guessed to have. Values only.
 */
#ifndef MO_LAG_PER_PAIR_H
#define MO_LAG_PER_PAIR_H

#include <stdbool.h>
#include <stdint.h>

struct lag_per_pair {
	void (*emit)(void *ctx, uint64_t lag_ns); /* NULL = nobody wants to know */
	void *ctx;
	uint64_t lag, at; /* of the last certain pair, ns; at 0 = none yet */
	double waiting;   /* pairs that are to be counted yet */
	double due;       /* of those, with the next certain pair; below 1 */
};

void lag_per_pair_certain(struct lag_per_pair *pair, uint64_t now_ns, uint64_t lag_ns);
/* Whether a certain pair is near. */
bool lag_per_pair_near(const struct lag_per_pair *pair, uint64_t now_ns);
/* better: than the lags of certain pairs nearby. */
void lag_per_pair_guessed(struct lag_per_pair *pair, uint64_t now_ns, uint64_t lag_ns, bool better);
/* Counts what has waited for a second. */
void lag_per_pair_tick(struct lag_per_pair *pair, uint64_t now_ns);

#endif
