// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* The pinned maps of stats.c. No programs: they are here so that the maps carry BTF and bpftool prints names.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "stats/stats_layout.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, STATS_MAX_CLUSTERS); /* stats.c sets max_clusters */
	__type(key, __u32);
	__type(value, struct stats_cluster);
} stats SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct stats_observer);
} observer SEC(".maps");

char LICENSE[] SEC("license") = "Dual MIT/GPL";
