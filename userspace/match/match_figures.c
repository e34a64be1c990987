/* SPDX-License-Identifier: MIT */
#include <math.h>

#include "match/match_internal.h"

double match_depth(struct match *match, uint64_t now)
{
	return estimates_depth(&match->estimates, now, match->deferred);
}

void match_arrivals(struct match *match, uint64_t now, struct match_arrivals *out)
{
	struct arrivals_sums sums = arrivals_within(&match->arrivals, now);
	double waiting = (double)sums.sent - sums.arrived - sums.lost - sums.evicted;

	*out = (struct match_arrivals){sums.sent, sums.arrived, sums.lost, sums.evicted, 0, 0};
	out->young = fmin(waiting, estimates_young(&match->estimates, now, match->arrivals.since_ns));
	out->overtaken = fmax(waiting - estimates_ahead(&match->estimates, match->arrivals.since_ns), 0);
}

double match_share(const struct match *match)
{
	return estimates_share(&match->estimates);
}

uint64_t match_oldest(struct match *match, uint64_t now)
{
	return estimates_oldest(&match->estimates, now);
}

uint64_t match_median_lag(const struct match *match)
{
	return estimates_median_lag(&match->estimates);
}

const struct match_counters *match_counters(struct match *match)
{
	match->counters.matched = match->estimates.matched;
	match->counters.unanswered = match->entries.unanswered;
	return &match->counters;
}

size_t match_bytes(const struct match *match)
{
	return sizeof(*match) + pending_bytes(&match->entries.pending) + repeated_keys_bytes() +
	       paired_keys_bytes() + estimates_bytes();
}

uint32_t match_entries(const struct match *match)
{
	return match->entries.pending.entries.live;
}
