/* SPDX-License-Identifier: MIT */
#include "support/judged.h"

#include <math.h>
#include <string.h>

#include "stats/stats.h"
#include "verdict/quantile.h"

struct readiness_input healthy(struct stats_cluster *delta)
{
	memset(delta, 0, sizeof(*delta));
	delta->requests.success = 100000;
	delta->mirror.statements.success = 100000;
	delta->primary.statements.success = 100000;
	delta->mirror.bytes.send = delta->mirror.bytes.recv = 10000000;
	delta->matched.value = delta->compared.value = 100000;
	delta->lag.count = *stats_cell(&delta->lag.buckets, 3) = 100000;
	*stats_cell(&delta->primary.duration.buckets, 4) = *stats_cell(&delta->mirror.duration.buckets, 4) =
	    100000;
	delta->primary.duration.count = delta->mirror.duration.count = 100000;
	for (int i = 0; i < 100; i++)
		ratio_add(&delta->latency_ratio, 100, 100);
	return (struct readiness_input){.observed_s = 3600,
					.delta = delta,
					.queue_depth = 3,
					.queue_growth = 1,
					.arrivals = {.sent = 100000, .arrived = 100000},
					.exposure = NAN};
}

struct match_arrivals fates(double arrived, double lost)
{
	return (struct match_arrivals){.sent = arrived + lost, .arrived = arrived, .lost = lost};
}

enum verdict check_of(const struct readiness_input *input, enum readiness_check_id id, struct readiness *out)
{
	struct readiness_settings settings;

	readiness_defaults(&settings);
	readiness_evaluate(&settings, input, out);
	return out->checks[id].verdict;
}
