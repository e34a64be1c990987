/* SPDX-License-Identifier: MIT */
/*
 * stats - the counters themselves: memory-mapped BPF maps, pinned, so that they outlive the process and
 * bpftool prints them by name. One writer (this process, holding a lock on the pin directory), one source:
 * HTTP renders from here.
 *
 * Knows libbpf for the two maps only.
 */
#ifndef MO_STATS_H
#define MO_STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stats/pinned.h"
#include "stats/stats_layout.h"

struct stats;

/*
 * Opens or creates the maps. Mounts a bpffs on /sys/fs/bpf when the pin is below it and none is mounted. A
 * pinned map of the same layout is continued, one of another layout is replaced; both are logged. -EBUSY:
 * another daemon holds the pin (stats_error() names its pid). On any error stats_error() is one sentence with
 * the remedy. pin NULL needs no privilege: plain memory.
 */
int stats_open(struct stats **out, const struct stats_options *options);
/* Unmaps and unlocks; pins stay. */
void stats_free(struct stats **stats);
const char *stats_error(void);

/*
 * The element of the cluster of that name: continued if it is there, else a free one, zeroed and named.
 * NULL when all max_clusters are taken. Valid until stats_keep_only drops it, or stats_free.
 */
struct stats_cluster *stats_cluster(struct stats *stats, const char *name);
/* Forgets clusters that left the configuration, all whose name is not among these: their elements become
 * free. */
void stats_keep_only(struct stats *stats, const char *const *names, size_t count);
struct stats_observer *stats_observer(struct stats *stats);
/* All max_clusters elements; an unused one has an empty name. */
const struct stats_cluster *stats_elements(const struct stats *stats, uint32_t *count);

/* The i-th cell of a label-set struct, i being the enum of the same order: stats_cell(&c->requests,
 * OUTCOME_FAILURE). */
#define stats_cell(set, i) (((__u64 *)(set)) + (i))

void stats_histogram_add(struct stats_histogram *histogram, uint64_t us);
/* Upper bound of bucket i in microseconds; i < STATS_BUCKET_COUNT. */
uint64_t stats_bucket_bound(size_t i);
/* Counts in the entry of that SQLSTATE, a free one, or `other`. */
void stats_sqlstate_add(struct stats_sqlstates *table, const char *sqlstate);
/* Label values of `kind`, in the order of KIND in counters.def. */
#define STATS_KIND_MEMBER(value) STATS_KIND_##value,
enum stats_kind { LABELS_KIND(STATS_KIND_MEMBER) STATS_KINDS };
/* Of a CommandComplete tag without counts ("SELECT", "CREATE TABLE"); "" is other. */
enum stats_kind stats_kind(const char *tag);
/* Unix time now in microseconds, for the timestamp fields. */
uint64_t stats_now_us(void);

#endif
