/* SPDX-License-Identifier: MIT */
#include "observation_internal.h"

void observation_remember_base(struct observation *o)
{
	const struct stats_observer *observer = stats_observer(o->stats);

	o->base.events = observer->events.value;
	o->base.bytes = observer->captured_bytes.value;
	o->base.lost_control = observer->lost_records.value;
	o->evicted_before = observer->evictions;
	o->deaths_before = observer->parser_deaths.value;
	for (int i = LOSS_NONE + 1; i < LOSS_REASONS; i++)
		o->base.lost_bytes[i] = *stats_cell(&observer->lost_bytes, i - 1);
}

void observation_count(struct observation *o)
{
	struct stats_observer *observer = stats_observer(o->stats);
	struct probe_totals totals;
	struct conns_totals conns;

	probe_totals(o->probe, &totals);
	conns_totals(o->conns, &conns);
	clusters_sync(o->clusters);
	observer->events.value = o->base.events + totals.events;
	observer->captured_bytes.value = o->base.bytes + totals.bytes;
	observer->lost_records.value = o->base.lost_control + totals.lost_control;
	if (o->parser)
		observer->parser_deaths.value = o->deaths_before + parser_deaths(o->parser);
	observer->evictions.connections = o->evicted_before.connections + conns.evicted;
	observer->evictions.segments = o->evicted_before.segments + conns.displaced;
	totals.lost_bytes[LOSS_FOREIGN_SYSCALL] += conns.unexplained_bytes;
	totals.lost_bytes[LOSS_MPTCP] += conns.mptcp_bytes;
	reading_sync(o->reading, &conns);
	for (int i = LOSS_NONE + 1; i < LOSS_REASONS; i++)
		*stats_cell(&observer->lost_bytes, i - 1) = o->base.lost_bytes[i] + totals.lost_bytes[i];
}

void observation_write(void *ctx, struct exposition *x)
{
	const struct observation *o = ctx;
	struct probe_program programs[PROBE_PROGRAMS + READING_PROGRAMS];
	size_t count = probe_programs(o->probe, programs);
	uint64_t runs = 0;

	count += reading_programs(o->reading, programs + count);
	inspection_write(o->inspection, o->clusters, x);
	reading_write(o->reading, o->conns, o->config, x);
	exposition_family(x, "mirror_observer_bpf_recursion_misses", EXPOSITION_COUNTER,
			  "Runs of a BPF program that the kernel left out, since it was running already");
	for (size_t i = 0; i < count; i++)
		exposition_integer(x, LABELS({"program", programs[i].name}), programs[i].recursion_misses);
	for (size_t i = 0; i < count; i++)
		runs += programs[i].runs;
	if (!runs)
		return;
	exposition_family(x, "mirror_observer_bpf_run_seconds", EXPOSITION_COUNTER,
			  "Run time of a BPF program while kernel.bpf_stats_enabled is 1");
	for (size_t i = 0; i < count; i++)
		exposition_decimal(x, LABELS({"program", programs[i].name}), programs[i].run_ns, 9);
	exposition_family(x, "mirror_observer_bpf_runs", EXPOSITION_COUNTER,
			  "Runs of a BPF program while kernel.bpf_stats_enabled is 1");
	for (size_t i = 0; i < count; i++)
		exposition_integer(x, LABELS({"program", programs[i].name}), programs[i].runs);
}
