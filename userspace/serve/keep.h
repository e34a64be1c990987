/* SPDX-License-Identifier: MIT */
/*
 * keep - what of the figures over time outlives the daemon: <state>/history, taken up at start and written at
 * the end.
 *
 * A file that is broken or of another version is a warning, and the history begins anew.
 */
#ifndef MO_KEEP_H
#define MO_KEEP_H

#include "serve/live.h"

struct keep;

/* Opens the file and hands its content to live. Never a reason not to start: what goes wrong is logged, and
 * *out stays NULL where nothing can be kept. directory NULL: nothing is kept. */
void keep_open(struct keep **out, const char *directory, struct live *live);
void keep_save(struct keep *keep, const struct live *live);
void keep_close(struct keep **keep);

#endif
