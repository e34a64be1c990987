/* SPDX-License-Identifier: MIT */
/*
 * peek - the pinned map of statistics, read only: for whoever wants to see the counters while the daemon does
 * not answer over HTTP, or does not run. Needs to be allowed to open the pin, as a rule root.
 */
#ifndef MO_PEEK_H
#define MO_PEEK_H

#include <stddef.h>
#include <stdint.h>

#include "stats/stats_layout.h"

struct peek;

/* 0, or -errno and one sentence in error: -EPROTO when the map is of another version. */
int peek_open(struct peek **out, const char *pin, char *error, size_t error_len);
void peek_close(struct peek **peek);
/* The elements, those in use have a name; they go on changing while a daemon runs. */
const struct stats_cluster *peek_clusters(const struct peek *peek, uint32_t *count);

#endif
