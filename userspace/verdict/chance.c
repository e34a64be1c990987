/* SPDX-License-Identifier: MIT */
#include "verdict/chance.h"

#include <math.h>

#define ONE_IN_TWENTY 1.645

double chance_share_at_least(double k, double n)
{
	double z = ONE_IN_TWENTY, p = n > 0 ? k / n : 0;

	if (n <= 0)
		return 0;
	return (p + z * z / (2 * n) - z * sqrt(p * (1 - p) / n + z * z / (4 * n * n))) / (1 + z * z / n);
}

bool chance_even(double k, double n)
{
	return fabs(2 * k - n) <= CHANCE_RARELY * sqrt(n);
}

bool chance_alike(double k, double n, double l, double m)
{
	double p = n + m > 0 ? (k + l) / (n + m) : 0;

	if (n <= 0 || m <= 0)
		return true;
	return fabs(k / n - l / m) <= CHANCE_RARELY * sqrt(p * (1 - p) * (1 / n + 1 / m));
}
