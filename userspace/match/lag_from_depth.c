/* SPDX-License-Identifier: MIT */
#include "match/lag_from_depth.h"

#include <math.h>

#define AT(record, n) (&(record)->tick[(n) % LAG_FROM_DEPTH_TICKS])

void lag_from_depth_tick(struct lag_from_depth *record, uint64_t now, uint64_t arrived, double depth)
{
	double accepted = (double)arrived + depth;

	if (isnan(depth))
		return;
	if (record->ticks)
		accepted = fmax(accepted, AT(record, record->ticks - 1)->accepted);
	AT(record, record->ticks)->time = now;
	AT(record, record->ticks)->accepted = accepted;
	record->ticks++;
	if (record->place + LAG_FROM_DEPTH_TICKS <= record->ticks)
		record->place = record->ticks - LAG_FROM_DEPTH_TICKS + 1;
}

uint64_t lag_from_depth_lag(struct lag_from_depth *record, uint64_t now, uint64_t arrived)
{
	double n = (double)arrived, before, after, part;
	uint64_t from, to, sent;

	while (record->place < record->ticks && AT(record, record->place)->accepted < n)
		record->place++;
	if (record->place == record->ticks || !record->place)
		return 0;
	before = AT(record, record->place - 1)->accepted;
	after = AT(record, record->place)->accepted;
	from = AT(record, record->place - 1)->time;
	to = AT(record, record->place)->time;
	part = after > before ? fmax(n - before, 0) / (after - before) : 1;
	sent = from + (uint64_t)(fmin(part, 1) * (double)(to - from));
	return now > sent + LAG_FROM_DEPTH_MIN_NS ? now - sent : 0;
}
