/* SPDX-License-Identifier: MIT */
#include "match/depth_count.h"

#include <math.h>

#define MEMORY        50000.0 /* statements sent that the share remembers */
#define ENOUGH        200     /* ... before it is believed */
#define RATE_TIME     1.0     /* s of the running mean */
#define SETTLE_TIME   0.5 /* s in which the count takes over the estimate while lags are short, at least */
#define SETTLE_LAGS   2   /* ... and times the lag that the count implies: no lag is known sooner */
#define SHORT_LAG     0.2 /* s, below which the survival estimate is the better one */
#define TOLERANCE     0.25
#define TOLERANCE_MIN 20           /* statements */
#define UNSURE_NS     300000000ull /* ... unless lags are unsure for so long */
#define DRIFT_TIME    300.0        /* s in which it does otherwise, and after which it is believed no more */

static double share(const struct depth_count *count)
{
	return count->sent > ENOUGH ? fmin(count->accepted / count->sent, 1) : 1;
}

void depth_count_sent(struct depth_count *count)
{
	count->new_sent++;
	count->counted++;
	count->depth += share(count);
}

void depth_count_arrived(struct depth_count *count)
{
	count->new_arrived++;
	count->depth = fmax(count->depth - 1, 0);
}

static void learn(struct depth_count *count, double survival)
{
	double keep = count->new_sent < MEMORY ? 1 - count->new_sent / MEMORY : 0;

	count->sent = count->sent * keep + count->new_sent;
	count->accepted = count->accepted * keep + count->new_arrived + survival - count->survival;
}

/* Seconds that the last in the queue will wait. */
static double implied_lag(const struct depth_count *count)
{
	return count->depth / fmax(count->rate, 1);
}

static double patience(const struct depth_count *count, bool settled)
{
	return settled ? fmax(SETTLE_TIME, SETTLE_LAGS * implied_lag(count)) : DRIFT_TIME;
}

void depth_count_tick(struct depth_count *count, uint64_t now, double survival, double bound, bool settled)
{
	double elapsed = count->ticked ? (double)(now - count->ticked) * 1e-9 : 0;

	if (elapsed > 0)
		count->rate += (count->new_arrived / elapsed - count->rate) * fmin(elapsed / RATE_TIME, 1);
	if (settled && count->settled && count->settled == count->ticked)
		learn(count, survival);
	count->depth = fmin(count->depth, bound);
	if (depth_count_known(count))
		count->depth += (survival - count->depth) * fmin(elapsed / patience(count, settled), 1);
	else
		count->depth = survival;
	count->new_sent = count->new_arrived = 0;
	count->survival = survival;
	count->ticked = now;
	if (settled) {
		count->settled = now;
		count->counted = 0;
	}
}

bool depth_count_known(const struct depth_count *count)
{
	return count->settled && count->sent > ENOUGH &&
	       (double)(count->ticked - count->settled) < DRIFT_TIME * 1e9;
}

bool depth_count_leads(const struct depth_count *count)
{
	return depth_count_known(count) &&
	       (count->settled + UNSURE_NS < count->ticked || implied_lag(count) > SHORT_LAG);
}

/* Twice the standard deviation of what was counted: that of the sampling, and that of the share itself. */
bool depth_count_sure(const struct depth_count *count)
{
	double r = share(count),
	       spread = r * (1 - r) * count->counted * (1 + count->counted / fmax(count->sent, 1));

	return depth_count_known(count) && 2 * sqrt(spread) <= fmax(TOLERANCE * count->depth, TOLERANCE_MIN);
}
