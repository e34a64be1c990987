/* SPDX-License-Identifier: MIT */
#include "match/backlog.h"

#include <math.h>

#define AT(backlog, n) (&(backlog)->tick[(n) % BACKLOG_TICKS])

void backlog_tick(struct backlog *backlog, uint64_t now, uint64_t arrived, double depth)
{
	double accepted = (double)arrived + depth;

	if (isnan(depth))
		return;
	if (backlog->ticks)
		accepted = fmax(accepted, AT(backlog, backlog->ticks - 1)->accepted);
	AT(backlog, backlog->ticks)->time = now;
	AT(backlog, backlog->ticks)->accepted = accepted;
	backlog->ticks++;
	if (backlog->place + BACKLOG_TICKS <= backlog->ticks)
		backlog->place = backlog->ticks - BACKLOG_TICKS + 1;
}

uint64_t backlog_lag(struct backlog *backlog, uint64_t now, uint64_t arrived)
{
	double n = (double)arrived, before, after, part;
	uint64_t from, to, sent;

	while (backlog->place < backlog->ticks && AT(backlog, backlog->place)->accepted < n)
		backlog->place++;
	if (backlog->place == backlog->ticks || !backlog->place)
		return 0;
	before = AT(backlog, backlog->place - 1)->accepted;
	after = AT(backlog, backlog->place)->accepted;
	from = AT(backlog, backlog->place - 1)->time;
	to = AT(backlog, backlog->place)->time;
	part = after > before ? fmax(n - before, 0) / (after - before) : 1;
	sent = from + (uint64_t)(fmin(part, 1) * (double)(to - from));
	return now > sent + BACKLOG_MIN_NS ? now - sent : 0;
}
