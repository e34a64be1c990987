/* SPDX-License-Identifier: MIT */
/*
 * lag_distribution - the distribution of recent lags of a mirror, from two kinds of observations:
 *
 *   certain    a mirror statement with one possible twin: its lag is known
 *   ambiguous  a mirror statement whose key was sent to the primary many times: any of those times may be its
 *              own. One such observation says little, but over many of them the true lag comes back every
 *              time while the others fall where chance has it (a cross-correlogram of the two streams). The
 *              distribution that makes the observations likeliest is found by expectation maximisation
 *              (Richardson-Lucy), from a start that lag_search.h finds, not from the last result, so that it
 *              cannot stick to an old value.
 *
 * How much an ambiguous key tells does not depend on its rate, only on how many distinct keys there are: the
 * signal over the noise is about sqrt(keys * time / spread of the lag). Hence rare keys suffice, and a dozen
 * keys are needed to locate a lag of seconds within seconds.
 *
 * Lags are held in bins, eight to an octave from 64 us to 18 min. No I/O, no clock, no allocation after
 * lag_distribution_new(); about 300 KiB.
 */
#ifndef MO_LAG_DISTRIBUTION_H
#define MO_LAG_DISTRIBUTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LAG_BINS 200

struct lag_distribution;

int lag_distribution_new(struct lag_distribution **out); /* 0 or -ENOMEM */
void lag_distribution_free(struct lag_distribution **lags);
size_t lag_distribution_bytes(void);

/* The bin of a lag, and the first nanosecond of a bin. */
unsigned lag_distribution_bin(uint64_t lag_ns);
uint64_t lag_distribution_edge(unsigned bin);

void lag_distribution_certain(struct lag_distribution *lags, uint64_t now_ns, uint64_t lag_ns);
/* True when an ambiguous observation would be of use now: certain ones are too few. */
bool lag_distribution_wants_ambiguous(struct lag_distribution *lags, uint64_t now_ns);
/*
 * Room for one ambiguous observation of LAG_BINS values, to be filled by the caller: how many times more
 * often than by chance the key was sent to the primary that long ago (1 = as by chance, or not known).
 */
float *lag_distribution_ambiguous(struct lag_distribution *lags, uint64_t now_ns);

/* Brings the figures below up to date; they do not change in between. Costs at most one estimation (below a
 * millisecond) per 100 ms of `now`. */
void lag_distribution_update(struct lag_distribution *lags, uint64_t now_ns);

double lag_distribution_cdf(const struct lag_distribution *lags, uint64_t lag_ns);
uint64_t lag_distribution_quantile(const struct lag_distribution *lags, double part);
uint64_t lag_distribution_median(const struct lag_distribution *lags);
uint64_t
lag_distribution_longest(const struct lag_distribution *lags); /* the longest that is not an outlier */
/* Lags are judged from ambiguous observations, for want of certain ones. */
bool lag_distribution_guesses(const struct lag_distribution *lags);
double lag_distribution_weight(
    const struct lag_distribution *lags); /* observations behind it, ambiguous ones at less */

#endif
