/* SPDX-License-Identifier: MIT */
/*
 * play - runs a world in simulated time against the daemon's own cluster, match and verdict, fed as
 * connections feed them.
 */
#ifndef MO_PLAY_H
#define MO_PLAY_H

#include "world.h"

struct play_result {
	double ready_s;             /* when it was ready first; NaN = never */
	double wrongly_ready_s;     /* ... while the sickness was there; NaN = never */
	double wrongly_not_ready_s; /* when it was not_ready first */
	char reasons[2048]; /* of the checks that did not pass, when it was (wrongly) not ready, or in the end
			     */
	unsigned long statements;
};

/* verbose: each change of the verdict is printed. */
void play(const struct world *world, bool verbose, struct play_result *out);

#endif
