/* SPDX-License-Identifier: MIT */
#include "truth.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

#include "link.h"
#include "loop.h"

static const uint64_t bounds_us[TRUTH_BUCKETS] = {
    100,      200,      500,       1000,      2000,      5000,      10000,   20000,
    50000,    100000,   200000,    500000,    1000000,   2000000,   5000000, 10000000,
    20000000, 50000000, 100000000, 200000000, 500000000, 600000000,
};

void truth_lag(struct truth *truth, uint64_t primary_ns, uint64_t mirror_ns)
{
	uint64_t lag = mirror_ns > primary_ns ? mirror_ns - primary_ns : 0;
	int i = 0;

	while (i < TRUTH_BUCKETS && lag > bounds_us[i] * 1000)
		i++;
	truth->lag_buckets[i]++;
	truth->lag_count++;
	truth->lag_sum_ns += lag;
	if (lag > truth->lag_max_ns)
		truth->lag_max_ns = lag;
}

static void print_lag(FILE *out, const struct truth *t)
{
	fprintf(out, "\"lag_count\":%" PRIu64 ",\"lag_sum\":%.9f,\"lag_max\":%.9f,\"lag_buckets\":[",
		t->lag_count, (double)t->lag_sum_ns / 1e9, (double)t->lag_max_ns / 1e9);
	for (int i = 0; i <= TRUTH_BUCKETS; i++)
		fprintf(out, "%s%" PRIu64, i ? "," : "", t->lag_buckets[i]);
	fputs("]}", out);
}

#define FIELD(name) #name, offsetof(struct truth, name)

static const struct {
	const char *name;
	size_t offset;
} fields[] = {
    {FIELD(primary)},           {FIELD(mirror)},           {FIELD(sampled_requests)},
    {FIELD(skipped_requests)},  {FIELD(enqueued)},         {FIELD(enqueued_requests)},
    {FIELD(dropped)},           {FIELD(dropped_requests)}, {FIELD(abandoned)},
    {FIELD(replayed_requests)}, {FIELD(failed_requests)},  {FIELD(mirror_errors)},
    {FIELD(reordered)},         {FIELD(health_checks)},    {FIELD(prepared)},
    {FIELD(queued_requests)},   {FIELD(clients)},          {FIELD(tasks)},
    {FIELD(connections)},
};

int truth_json(const struct truth *t, const char *mode, char *text, size_t size)
{
	FILE *out = fmemopen(text, size, "w");

	if (!out)
		return -errno;
	fprintf(out, "{\"mode\":\"%s\",\"time\":%.9f,\"depth\":%" PRId64 ",\"depth_control\":%" PRId64 ",",
		mode, (double)loop_now() / 1e9, t->depth.all, t->depth.control);
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		fprintf(out, "\"%s\":%" PRIu64 ",", fields[i].name,
			*(const uint64_t *)((const char *)t + fields[i].offset));
	fprintf(out, "\"relayed\":[%" PRIu64 ",%" PRIu64 "],",
		__atomic_load_n(&t->relayed[0], __ATOMIC_RELAXED),
		__atomic_load_n(&t->relayed[1], __ATOMIC_RELAXED));
	fprintf(out, "\"sends\":%" PRIu64 ",\"send_sum\":%.9f,", link_sends().count,
		(double)link_sends().sum_ns / 1e9);
	print_lag(out, t);
	long len = ftell(out);
	int err = ferror(out) || fflush(out) || len >= (long)size - 1;
	fclose(out);
	return err ? -ENOSPC : (int)len;
}
