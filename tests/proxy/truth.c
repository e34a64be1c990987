/* SPDX-License-Identifier: MIT */
#include "truth.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

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

#define FIELDS(V)                                                                                            \
	V(primary)                                                                                           \
	V(mirror)                                                                                            \
	V(sampled_requests)                                                                                  \
	V(skipped_requests)                                                                                  \
	V(enqueued)                                                                                          \
	V(enqueued_requests) V(dropped) V(dropped_requests) V(abandoned) V(replayed_requests)                \
	    V(failed_requests) V(mirror_errors) V(reordered) V(health_checks) V(prepared) V(queued_requests) \
		V(clients) V(tasks) V(connections) V(statements)

int truth_json(const struct truth *t, const char *mode, char *text, size_t size)
{
	FILE *out = fmemopen(text, size, "w");

	if (!out)
		return -errno;
	fprintf(out, "{\"mode\":\"%s\",\"time\":%.9f,\"depth\":%" PRId64 ",", mode, (double)loop_now() / 1e9,
		t->depth);
#define PRINT(field) fprintf(out, "\"" #field "\":%" PRIu64 ",", t->field);
	FIELDS(PRINT)
	fprintf(out, "\"relayed\":[%" PRIu64 ",%" PRIu64 "],",
		__atomic_load_n(&t->relayed[0], __ATOMIC_RELAXED),
		__atomic_load_n(&t->relayed[1], __ATOMIC_RELAXED));
	print_lag(out, t);
	long len = ftell(out);
	int err = ferror(out) || fflush(out) || len >= (long)size - 1;
	fclose(out);
	return err ? -ENOSPC : (int)len;
}
