/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "player.h"

static void control(struct request *q, const char *text, int tenant)
{
	struct statement *s = &q->statement[q->count++];

	snprintf(s->text, sizeof(s->text), "%s", text);
	s->tenant = tenant;
}

static void ordinary(struct player *p, struct request *q, int tenant)
{
	const struct world *w = p->w;
	struct statement *s = &q->statement[q->count++];
	double total = 0, draw;
	unsigned i;

	for (i = 0; i < w->classes; i++)
		total += w->class[i].rare ? 0.0002 : w->class[i].weight;
	draw = player_uniform(p) * total;
	for (i = 0; i + 1 < w->classes; i++)
		if ((draw -= w->class[i].rare ? 0.0002 : w->class[i].weight) < 0)
			break;
	s->class = &w->class[i];
	if (s->class->polls && q->block) /* polling is done outside of transactions */
		s->class = &w->class[0];
	memcpy(s->text, s->class->text, sizeof(s->text));
	s->key = (unsigned)(player_uniform(p) * s->class->keys);
	s->tenant = tenant;
}

struct request request_compose(struct player *p, unsigned client)
{
	const struct world *w = p->w;
	struct request q = {.client = client};
	int tenant = w->tenants ? (int)(player_uniform(p) * w->tenants) : -1;
	char text[WORLD_TEXT];

	q.block =
	    player_uniform(p) < w->block_share || (tenant >= 0 && !w->session_set && player_uniform(p) < 0.8);
	if (!q.block && !w->session_set)
		tenant = -1;
	if (w->session_set)
		tenant = (int)(client % w->tenants);
	if (q.block)
		control(&q, "BEGIN", -1);
	if (q.block && tenant >= 0 && !w->session_set) {
		snprintf(text, sizeof(text), "SET LOCAL search_path TO t%d", tenant);
		control(&q, text, tenant);
	}
	for (unsigned n = q.block ? 1 + (unsigned)(player_uniform(p) * 4) : 1; n; n--)
		ordinary(p, &q, tenant);
	if (q.block)
		control(&q, "COMMIT", -1);
	q.statement[q.count - 1].last = true;
	return q;
}
