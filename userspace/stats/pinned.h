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

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stats/stats_layout.h"

struct stats_options {
	const char
	    *pin; /* directory below a bpffs; NULL = not pinned (tests, mirror_metrics_enabled: false) */
	uint32_t max_clusters; /* elements of the map, at most STATS_MAX_CLUSTERS */
	bool fresh;            /* start at zero even where pinned counters would fit */
	/* Names of the configured clusters: carried over first when max_clusters shrinks. May be NULL. */
	const char *const *names;
	size_t name_count;
};

struct pinned;

/* As stats_open(); the sentence about an error goes into error. */
int pinned_open(struct pinned **out, const struct stats_options *options, char *error, size_t error_len);
/* Unmaps and unlocks; the pins stay. */
void pinned_free(struct pinned **pinned);

/* options.max_clusters elements. */
struct stats_cluster *pinned_clusters(struct pinned *pinned);
struct stats_observer *pinned_observer(struct pinned *pinned);

#endif
