/* SPDX-License-Identifier: MIT */
/*
 * scarce - memory that runs out when a test wants it to. The unit tests are linked so that what our own
 * objects allocate comes by here (-Wl,--wrap, in the Makefile); libraries are not concerned.
 */
#ifndef MO_SCARCE_H
#define MO_SCARCE_H

#include <stdbool.h>

/* The allocation after `count` more fails, and all that follow, until scarce_end(). */
void scarce_begin(unsigned count);
/* Whether one was refused. */
bool scarce_end(void);

#endif
