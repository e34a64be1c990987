/* SPDX-License-Identifier: MIT */
/*
 * terminal - `mirror-observer top`: screen.h on a terminal, brought up to date every second. The only file
 * that knows ncurses. Over HTTP and, while that is not answered, from the pinned map of the configuration.
 * Returns the program's exit status.
 */
#ifndef MO_TERMINAL_H
#define MO_TERMINAL_H

#include "config/options.h"

int terminal_run(const struct options *options);

#endif
