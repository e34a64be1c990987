/* SPDX-License-Identifier: MIT */
#include <string.h>
#include <xxhash.h>

#include "player.h"

bool server_is_sick(const struct player *p, double t)
{
	return p->w->sickness != HEALTHY && t >= p->w->onset;
}

bool server_has_class(const struct player *p, const struct statement *s)
{
	return s->class == &p->w->class[p->w->which];
}

double server_time(struct player *p, enum side side, const struct statement *s, double t)
{
	double mean = s->class ? s->class->service_s : 0.00005;

	if (side == MIRROR) {
		mean *= p->w->mirror_speed;
		if (p->w->sickness == SICK_no_index && server_is_sick(p, t) && server_has_class(p, s))
			mean *= 50;
	}
	return 0.00015 + mean * (0.5 + 0.5 * player_exponential(p, 1));
}

const char *server_error(struct player *p, enum side side, const struct statement *s, double t)
{
	const struct world *w = p->w;
	bool mirror = side == MIRROR && server_is_sick(p, t);

	if (s->class && s->tenant >= 0 && (unsigned)s->tenant == w->both_fail && s->class == &w->class[0])
		return "42P01";
	if (w->sickness == SICK_constraint && s->class && server_has_class(p, s) && side == PRIMARY)
		return s->key % 3 ? "" : "23514";
	if (!mirror)
		return "";
	if (s->class && server_has_class(p, s) &&
	    (w->sickness == SICK_missing_table || w->sickness == SICK_missing_function))
		return w->sickness == SICK_missing_table ? "42P01" : "42883";
	if (s->class && server_has_class(p, s) && w->sickness == SICK_rights)
		return "42501";
	if (w->sickness == SICK_control_fails && strncmp(s->text, "SET", 3) == 0)
		return "42704";
	if (w->sickness == SICK_commit_fails && strcmp(s->text, "COMMIT") == 0 && player_uniform(p) < 0.02)
		return "23503";
	if (w->sickness == SICK_timeouts && s->class && player_uniform(p) < 0.005)
		return "57014";
	return "";
}

uint64_t server_rows(struct player *p, enum side side, const struct statement *s, int tenant, double t)
{
	const struct world *w = p->w;
	const uint64_t what[3] = {(uint64_t)(s->class - w->class), s->key, (uint64_t)(tenant + 1)};
	uint64_t rows = 1 + XXH3_64bits(what, sizeof(what)) % 20;
	bool mirror = side == MIRROR && server_is_sick(p, t), here = server_has_class(p, s);

	if (s->class->polls)
		rows = 1 + (uint64_t)(player_uniform(p) * 5);
	if (!mirror)
		return rows;
	if ((w->sickness == SICK_rows_missing || w->sickness == SICK_rare_rows) && here)
		return 0;
	if (w->sickness == SICK_rows_partly && here && s->key % 5 == 0)
		return rows - 1;
	if (w->sickness == SICK_poll_short && here)
		return rows > 2 ? rows - 2 : 0;
	if (w->sickness == SICK_tenant_empty && tenant == (int)w->which)
		return 0;
	return rows;
}
