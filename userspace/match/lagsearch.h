/* SPDX-License-Identifier: MIT */
/*
 * lagsearch - where the lag is, roughly, when no single statement tells: a filter over hypotheses "the lags
 * lie evenly within this range", ranges of four widths around each bin of lagdist.h. Each ambiguous
 * observation multiplies a hypothesis' likelihood by how many candidates fall in its range against how many
 * chance would put there; older evidence fades. One parameter is found with far fewer observations than a
 * whole distribution, so this leads and lagdist's expectation maximisation refines.
 */
#ifndef MO_LAGSEARCH_H
#define MO_LAGSEARCH_H

#include <stdint.h>

#define LAGSEARCH_BINS   200
#define LAGSEARCH_WIDTHS 4

struct lagsearch {
	float belief[LAGSEARCH_WIDTHS][LAGSEARCH_BINS]; /* log likelihood, faded */
};

/* observation: as of lagdist_ambiguous(). edges: LAGSEARCH_BINS + 1 limits of the bins, seconds. */
void lagsearch_observe(struct lagsearch *search, const float *observation, const float *edges);
/* Evidence fades with time; the longer the lag, the slower. */
void lagsearch_fade(struct lagsearch *search, double elapsed_s, const float *edges_s);
/* The distribution that follows, summing to 1 over the first `bins` bins, the others 0. last: the bin of the
 * median before. */
void lagsearch_shares(const struct lagsearch *search, unsigned bins, unsigned last, const float *edges,
		      float *out);

#endif
