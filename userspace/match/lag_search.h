/* SPDX-License-Identifier: MIT */
/*
 * lag_search - where the lag is, roughly, when no single statement tells: a filter over hypotheses "the lags
 * lie evenly within this range", ranges of four widths around each bin of lag_distribution.h. Each ambiguous
 * observation multiplies a hypothesis' likelihood by how many candidates fall in its range against how many
 * chance would put there; older evidence fades. One parameter is found with far fewer observations than a
 * whole distribution, so this leads and lag_distribution's expectation maximisation refines.
 */
#ifndef MO_LAG_SEARCH_H
#define MO_LAG_SEARCH_H

#include <stdint.h>

#define LAG_SEARCH_BINS   200
#define LAG_SEARCH_WIDTHS 4

struct lag_search {
	float belief[LAG_SEARCH_WIDTHS][LAG_SEARCH_BINS]; /* log likelihood, faded */
};

/* observation: as of lag_distribution_ambiguous(). edges: LAG_SEARCH_BINS + 1 limits of the bins, seconds. */
void lag_search_observe(struct lag_search *search, const float *observation, const float *edges);
/* Evidence fades with time; the longer the lag, the slower. */
void lag_search_fade(struct lag_search *search, double elapsed_s, const float *edges_s);
/* The distribution that follows, summing to 1 over the first `bins` bins, the others 0. last: the bin of the
 * median before. */
void lag_search_shares(const struct lag_search *search, unsigned bins, unsigned last, const float *edges,
		       float *out);

#endif
