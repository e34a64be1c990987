/* SPDX-License-Identifier: MIT */
#include "match/level.h"

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

static double share(const struct level *level)
{
	return level->sent > ENOUGH ? fmin(level->accepted / level->sent, 1) : 1;
}

void level_sent(struct level *level)
{
	level->new_sent++;
	level->counted++;
	level->depth += share(level);
}

void level_arrived(struct level *level)
{
	level->new_arrived++;
	level->depth = fmax(level->depth - 1, 0);
}

static void learn(struct level *level, double survival)
{
	double keep = level->new_sent < MEMORY ? 1 - level->new_sent / MEMORY : 0;

	level->sent = level->sent * keep + level->new_sent;
	level->accepted = level->accepted * keep + level->new_arrived + survival - level->survival;
}

/* Seconds that the last in the queue will wait. */
static double implied_lag(const struct level *level)
{
	return level->depth / fmax(level->rate, 1);
}

static double patience(const struct level *level, bool settled)
{
	return settled ? fmax(SETTLE_TIME, SETTLE_LAGS * implied_lag(level)) : DRIFT_TIME;
}

void level_tick(struct level *level, uint64_t now, double survival, double bound, bool settled)
{
	double elapsed = level->ticked ? (double)(now - level->ticked) * 1e-9 : 0;

	if (elapsed > 0)
		level->rate += (level->new_arrived / elapsed - level->rate) * fmin(elapsed / RATE_TIME, 1);
	if (settled && level->settled && level->settled == level->ticked)
		learn(level, survival);
	level->depth = fmin(level->depth, bound);
	if (level_known(level))
		level->depth += (survival - level->depth) * fmin(elapsed / patience(level, settled), 1);
	else
		level->depth = survival;
	level->new_sent = level->new_arrived = 0;
	level->survival = survival;
	level->ticked = now;
	if (settled) {
		level->settled = now;
		level->counted = 0;
	}
}

bool level_known(const struct level *level)
{
	return level->settled && level->sent > ENOUGH &&
	       (double)(level->ticked - level->settled) < DRIFT_TIME * 1e9;
}

bool level_leads(const struct level *level)
{
	return level_known(level) &&
	       (level->settled + UNSURE_NS < level->ticked || implied_lag(level) > SHORT_LAG);
}

/* Twice the standard deviation of what was counted: that of the sampling, and that of the share itself. */
bool level_sure(const struct level *level)
{
	double r = share(level),
	       spread = r * (1 - r) * level->counted * (1 + level->counted / fmax(level->sent, 1));

	return level_known(level) && 2 * sqrt(spread) <= fmax(TOLERANCE * level->depth, TOLERANCE_MIN);
}
