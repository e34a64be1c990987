/* SPDX-License-Identifier: MIT */
/*
 * pinned - the memory-mapped BPF array maps <pin>/stats and <pin>/observer behind stats.c, and beside it the
 * only file that knows libbpf for statistics.
 *
 * A map is continued when version, element size and every member of its BTF agree with ours; a different
 * max_clusters carries the elements over by name. Anything else is replaced by an empty map. All of it is
 * logged, one line each.
 */
#ifndef MO_PINNED_H
#define MO_PINNED_H

#include "stats.h"

struct pinned;

/* As stats_open(); the sentence about an error goes into error. */
int pinned_open(struct pinned **out, const struct stats_options *options, char *error, size_t error_len);
/* Unmaps and unlocks; the pins stay. */
void pinned_free(struct pinned **pinned);

/* options.max_clusters elements. */
struct stats_cluster *pinned_clusters(struct pinned *pinned);
struct stats_observer *pinned_observer(struct pinned *pinned);

#endif
