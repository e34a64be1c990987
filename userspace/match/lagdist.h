/* SPDX-License-Identifier: MIT */
/*
 * lagdist - the distribution of recent lags of a mirror, from two kinds of observations:
 *
 *   certain    a mirror statement with one possible twin: its lag is known
 *   ambiguous  a mirror statement whose key was sent to the primary many times: any of those times may be its
 *              own. One such observation says little, but over many of them the true lag comes back every
 * time while the others fall where chance has it (a cross-correlogram of the two streams). The distribution
 * that makes the observations likeliest is found by expectation maximisation (Richardson-Lucy), from a start
 * that lagsearch.h finds, not from the last result, so that it cannot stick to an old value.
 *
 * How much an ambiguous key tells does not depend on its rate, only on how many distinct keys there are: the
 * signal over the noise is about sqrt(keys * time / spread of the lag). Hence rare keys suffice, and a dozen
 * keys are needed to locate a lag of seconds within seconds.
 *
 * Lags are held in bins, eight to an octave from 64 us to 18 min. No I/O, no clock, no allocation after
 * lagdist_new(); about 300 KiB.
 */
#ifndef MO_LAGDIST_H
#define MO_LAGDIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LAGDIST_BINS 200

struct lagdist;

int lagdist_new(struct lagdist **out); /* 0 or -ENOMEM */
void lagdist_free(struct lagdist **dist);
size_t lagdist_bytes(void);

/* The bin of a lag, and the first nanosecond of a bin. */
unsigned lagdist_bin(uint64_t lag_ns);
uint64_t lagdist_edge(unsigned bin);

void lagdist_certain(struct lagdist *dist, uint64_t now_ns, uint64_t lag_ns);
/* True when an ambiguous observation would be of use now: certain ones are too few. */
bool lagdist_wants_ambiguous(struct lagdist *dist, uint64_t now_ns);
/*
 * Room for one ambiguous observation of LAGDIST_BINS values, to be filled by the caller: how many times more
 * often than by chance the key was sent to the primary that long ago (1 = as by chance, or not known).
 */
float *lagdist_ambiguous(struct lagdist *dist, uint64_t now_ns);

/* Brings the figures below up to date; they do not change in between. Costs at most one estimation (below a
 * millisecond) per 100 ms of `now`. */
void lagdist_update(struct lagdist *dist, uint64_t now_ns);

double lagdist_cdf(const struct lagdist *dist, uint64_t lag_ns);
uint64_t lagdist_quantile(const struct lagdist *dist, double part);
uint64_t lagdist_median(const struct lagdist *dist);
uint64_t lagdist_longest(const struct lagdist *dist); /* the longest that is not an outlier */
/* Lags are judged from ambiguous observations, for want of certain ones. */
bool lagdist_guesses(const struct lagdist *dist);
double lagdist_weight(const struct lagdist *dist); /* observations behind it, ambiguous ones at less */

#endif
