/* SPDX-License-Identifier: MIT */
/*
 * ask - the commands that talk to a running daemon: `readiness` and `reset`. They print, and return the exit
 * status of the program (options.h).
 */
#ifndef MO_ASK_H
#define MO_ASK_H

#include "config/options.h"

int ask_readiness(const struct options *options);
int ask_reset(const struct options *options);

#endif
