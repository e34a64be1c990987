/* SPDX-License-Identifier: MIT */
/*
 * quantile - reads quantiles off the histograms of the map: linear inside a bucket, as Prometheus's
 * histogram_quantile does, so that both give the same figure. NaN for an empty histogram; past the last
 * bound, that bound.
 */
#ifndef MO_QUANTILE_H
#define MO_QUANTILE_H

#include <stdint.h>

#include "stats/stats_layout.h"

/* Microseconds. */
double quantile_of_histogram(const struct stats_histogram *histogram, double q);
/* A plain quotient (1 = equal). */
double quantile_of_ratio(const struct stats_ratio *ratio, double q);

void ratio_add(struct stats_ratio *ratio, uint64_t numerator, uint64_t denominator);
/* Upper bound of bucket i in parts per million. */
uint64_t ratio_bound_ppm(unsigned int i);

#endif
