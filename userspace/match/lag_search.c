/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <string.h>

#include "match/lag_search.h"

#define BINS       LAG_SEARCH_BINS
#define MEMORY     0.75  /* of a hypothesis, in units of its lag: no lag is known sooner than after itself */
#define MEMORY_MIN 0.1   /* s */
#define SURE       20.0f /* nats; more would only make it slow to change its mind */
#define STAY       8.0f  /* nats */
#define STAY_LAG   2.0f  /* s */
#define STAY_BINS  8     /* an octave */
#define NOISE      0.1f  /* share of observations that follow no hypothesis */

static const unsigned half_width[LAG_SEARCH_WIDTHS] = {1, 3, 8, 20};

static unsigned first_of(unsigned centre, unsigned half)
{
	return centre > half ? centre - half : 0;
}

static unsigned end_of(unsigned centre, unsigned half, unsigned bins)
{
	return centre + half + 1 < bins ? centre + half + 1 : bins;
}

void lag_search_observe(struct lag_search *search, const float *observation, const float *edges)
{
	float below[BINS + 1];

	below[0] = 0;
	for (unsigned b = 0; b < BINS; b++)
		below[b + 1] = below[b] + observation[b] * (edges[b + 1] - edges[b]);
	for (unsigned w = 0; w < LAG_SEARCH_WIDTHS; w++)
		for (unsigned c = 0; c < BINS; c++) {
			unsigned from = first_of(c, half_width[w]), to = end_of(c, half_width[w], BINS);
			float times = (below[to] - below[from]) / (edges[to] - edges[from]);

			search->belief[w][c] += logf(NOISE + (1 - NOISE) * times);
		}
}

void lag_search_fade(struct lag_search *search, double elapsed, const float *edges)
{
	for (unsigned c = 0; c < BINS; c++) {
		double memory = edges[c] * MEMORY > MEMORY_MIN ? edges[c] * MEMORY : MEMORY_MIN;
		float keep = (float)exp(-elapsed / memory);

		for (unsigned w = 0; w < LAG_SEARCH_WIDTHS; w++)
			search->belief[w][c] = fmaxf(fminf(search->belief[w][c], SURE), -SURE) * keep;
	}
}

/*
 * What was believed last needs less evidence than a change of mind, the more so the longer the lag: there,
 * each key has many candidates, and chance is the more often convincing.
 */
static float favoured(const struct lag_search *search, unsigned w, unsigned c, unsigned last, float lag)
{
	unsigned apart = c > last ? c - last : last - c;

	return search->belief[w][c] + (apart <= STAY_BINS ? STAY * fminf(lag / STAY_LAG, 1) : 0);
}

void lag_search_shares(const struct lag_search *search, unsigned bins, unsigned last, const float *edges,
		       float *out)
{
	float best = -INFINITY, sum = 0;

	memset(out, 0, BINS * sizeof(*out));
	for (unsigned w = 0; w < LAG_SEARCH_WIDTHS; w++)
		for (unsigned c = 0; c < bins; c++)
			best = fmaxf(best, favoured(search, w, c, last, edges[last]));
	for (unsigned w = 0; w < LAG_SEARCH_WIDTHS; w++)
		for (unsigned c = 0; c < bins; c++) {
			unsigned from = first_of(c, half_width[w]), to = end_of(c, half_width[w], bins);
			float odds = expf(favoured(search, w, c, last, edges[last]) - best);

			for (unsigned b = from; b < to && odds > 1e-4f; b++)
				out[b] += odds * (edges[b + 1] - edges[b]) / (edges[to] - edges[from]);
		}
	for (unsigned b = 0; b < bins; b++)
		sum += out[b];
	for (unsigned b = 0; b < bins; b++)
		out[b] /= sum;
}
