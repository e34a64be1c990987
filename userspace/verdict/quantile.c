/* SPDX-License-Identifier: MIT */
#include "verdict/quantile.h"

#include <math.h>

#include "stats/stats.h"

uint64_t ratio_bound_ppm(unsigned int i)
{
#define DECADE(x)                                                                                       \
	100ull * x, 125ull * x, 160ull * x, 200ull * x, 250ull * x, 315ull * x, 400ull * x, 500ull * x, \
	    630ull * x, 800ull * x
	static const uint64_t renard[] = {DECADE(100),     DECADE(1000),     DECADE(10000), DECADE(100000),
					  DECADE(1000000), DECADE(10000000), 10000000000};
#undef DECADE

	_Static_assert(sizeof(renard) / sizeof(renard[0]) == STATS_RATIO_BUCKET_COUNT,
		       "STATS_RATIO_BUCKET_COUNT");
	return i < STATS_RATIO_BUCKET_COUNT ? renard[i] : UINT64_MAX;
}

static uint64_t bound_us(unsigned int i)
{
	return stats_bucket_bound(i);
}

static double quantile(const __u64 *buckets, unsigned int count, uint64_t (*bound)(unsigned int), double q)
{
	uint64_t total = 0, below = 0;
	double rank;

	for (unsigned int i = 0; i <= count; i++)
		total += buckets[i];
	if (!total)
		return NAN;
	rank = q * total;
	for (unsigned int i = 0; i < count; i++) {
		double low = i ? bound(i - 1) : 0, high = bound(i);

		if (buckets[i] && below + buckets[i] >= rank)
			return low + (high - low) * (rank - below) / buckets[i];
		below += buckets[i];
	}
	return bound(count - 1);
}

double quantile_of_histogram(const struct stats_histogram *histogram, double q)
{
	return quantile(stats_cell(&histogram->buckets, 0), STATS_BUCKET_COUNT, bound_us, q);
}

double quantile_of_ratio(const struct stats_ratio *ratio, double q)
{
	return quantile(ratio->buckets, STATS_RATIO_BUCKET_COUNT, ratio_bound_ppm, q) / 1e6;
}

void ratio_add(struct stats_ratio *ratio, uint64_t numerator, uint64_t denominator)
{
	double ppm = 1e6 * numerator / (denominator ? denominator : 1);
	unsigned int low = 0, high = STATS_RATIO_BUCKET_COUNT;

	while (low < high) { /* most are near 1, in the middle */
		unsigned int middle = (low + high) / 2;

		if (ppm > ratio_bound_ppm(middle))
			low = middle + 1;
		else
			high = middle;
	}
	ratio->buckets[low]++;
	ratio->count++;
	ratio->sum_ppm += ppm < 1e12 ? (uint64_t)ppm : 1000000000000ull;
}
