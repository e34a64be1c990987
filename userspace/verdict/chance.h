/* SPDX-License-Identifier: MIT */
/*
 * chance - what a count proves, and what chance alone may have done. Pure.
 */
#ifndef MO_CHANCE_H
#define MO_CHANCE_H

#include <stdbool.h>

/* Standard deviations that chance hardly ever exceeds, even where it is asked after each of thousands of
 * observations. */
#define CHANCE_RARELY 4.5

/* The least share that k of n may be a sample of (Wilson's lower bound, one in twenty to that side); 0 for n
 * = 0. */
double chance_share_at_least(double k, double n);
/* Of n things that may go one of two ways, k went one: no more one-sided than chance may make it.
 */
bool chance_even(double k, double n);
/* k of n and l of m may be samples of one share. */
bool chance_alike(double k, double n, double l, double m);

#endif
