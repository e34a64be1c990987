/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * stats_layout - the structs behind the pinned maps, made from counters.def, shared by bpf/stats.bpf.c (which
 * gives the maps their BTF) and stats.c. Integers only: counts, microseconds, parts per million.
 */
#ifndef MO_STATS_LAYOUT_H
#define MO_STATS_LAYOUT_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#define STATS_LAYOUT_VERSION 1 /* raise when a struct below changes its meaning but not its size */
#define STATS_MAX_CLUSTERS   64
#define STATS_SQLSTATES      32 /* distinct SQLSTATEs per cluster and target; the rest is `other` */

/* Upper bounds in microseconds, 1-2-5 from 100 us to 500 s, then the end of the scale at 600 s. */
/* clang-format off */
#define STATS_BUCKETS(V)                                                  \
	V(100) V(200) V(500) V(1000) V(2000) V(5000)                      \
	V(10000) V(20000) V(50000) V(100000) V(200000) V(500000)          \
	V(1000000) V(2000000) V(5000000) V(10000000) V(20000000)          \
	V(50000000) V(100000000) V(200000000) V(500000000) V(600000000)
/* clang-format on */
#define STATS_BUCKET_COUNT 22 /* finite bounds; le_inf is one more */

/* Not cumulative. Members rather than an array, so that bpftool prints each bound beside its count. */
struct stats_buckets {
#define STATS_BUCKET_MEMBER(us) __u64 le_##us##_us;
	STATS_BUCKETS(STATS_BUCKET_MEMBER)
	__u64 le_inf;
};

struct stats_histogram {
	__u64 count;
	__u64 sum_us;
	struct stats_buckets buckets; /* stats_cell(&h->buckets, i) */
};

/*
 * Ratios in parts per million. Bounds are the Renard series R10 (1, 1.25, 1.6, 2, 2.5, 3.15, 4, 5, 6.3, 8)
 * from 0.01 to 10,000: fine enough for a quantile; of them the exposition shows 1-2-5.
 */
#define STATS_RATIO_BUCKET_COUNT 61

struct stats_ratio {
	__u64 count;
	__u64 sum_ppm;
	__u64 buckets[STATS_RATIO_BUCKET_COUNT + 1]; /* not cumulative; the last is +Inf */
};

struct stats_sqlstate {
	char sqlstate[8]; /* NUL-terminated; "" = free */
	__u64 count;
};

struct stats_sqlstates {
	struct stats_sqlstate known[STATS_SQLSTATES];
	__u64 other;
};

/* First pass over counters.def: only its label sets. */
#define CLUSTER(...)
#define TARGET(...)
#define OBSERVER(...)
#include "stats/counters.def"
#undef CLUSTER
#undef TARGET
#undef OBSERVER

/* One struct of u64 for each label set; stats_cell() in stats.h indexes it by the enum of the same order. */
#define STATS_MEMBER(value) __u64 value;
#define STATS_LABEL_STRUCT(SET)            \
	struct stats_##SET {               \
		LABELS_##SET(STATS_MEMBER) \
	};
STATS_LABEL_STRUCT(NONE)
STATS_LABEL_STRUCT(STATUS)
STATS_LABEL_STRUCT(ERROR_TYPE)
STATS_LABEL_STRUCT(STATE)
STATS_LABEL_STRUCT(RESULT)
STATS_LABEL_STRUCT(UNMATCHED)
STATS_LABEL_STRUCT(DIVERGENCE)
STATS_LABEL_STRUCT(LOSS)
STATS_LABEL_STRUCT(COMPARABLE)
STATS_LABEL_STRUCT(DIRECTION)
STATS_LABEL_STRUCT(KIND)
STATS_LABEL_STRUCT(TABLE)

#define STATS_TYPE_counter(SET)                          struct stats_##SET
#define STATS_TYPE_gauge(SET)                            struct stats_##SET
#define STATS_TYPE_seconds(SET)                          struct stats_##SET
#define STATS_TYPE_timestamp(SET)                        struct stats_##SET
#define STATS_TYPE_histogram(SET)                        struct stats_histogram
#define STATS_TYPE_ratio(SET)                            struct stats_ratio
#define STATS_FIELD(field, SET, label, name, type, help) STATS_TYPE_##type(SET) field;
#define STATS_NOTHING(...)

/* Figures that exist once for the primary and once for the mirror of a cluster. */
struct stats_target {
#define CLUSTER  STATS_NOTHING
#define TARGET   STATS_FIELD
#define OBSERVER STATS_NOTHING
#include "stats/counters.def"
#undef CLUSTER
#undef TARGET
#undef OBSERVER
	struct stats_sqlstates errors;
};

/* Element of <pin>/stats: one for each cluster, unused ones with an empty name. */
struct stats_cluster {
	char name[64];
	__u32 layout; /* STATS_LAYOUT_VERSION */
	__u32 size;   /* sizeof(struct stats_cluster) */
#define CLUSTER  STATS_FIELD
#define TARGET   STATS_NOTHING
#define OBSERVER STATS_NOTHING
#include "stats/counters.def"
#undef CLUSTER
#undef TARGET
#undef OBSERVER
	struct stats_target primary;
	struct stats_target mirror;
};

/* The one element of <pin>/observer. */
struct stats_observer {
	__u32 layout;
	__u32 pid;    /* of the daemon that writes */
	__u64 fields; /* layout_fields() of the daemon that made the maps */
#define CLUSTER  STATS_NOTHING
#define TARGET   STATS_NOTHING
#define OBSERVER STATS_FIELD
#include "stats/counters.def"
#undef CLUSTER
#undef TARGET
#undef OBSERVER
};

#endif
