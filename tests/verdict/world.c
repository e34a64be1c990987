/* SPDX-License-Identifier: MIT */
#include "world.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define PAIRS_ENOUGH 30000.0 /* of error_divergence, by the rule of three */

#define NAME(name, what) #name,
#define TEXT(name, what) what,
const char *const sickness_names[] = {SICKNESSES(NAME) "healthy"};
const char *const sickness_texts[] = {SICKNESSES(TEXT) "nothing is the matter"};

uint64_t world_random(uint64_t *state)
{
	uint64_t x = *state += 0x9e3779b97f4a7c15ull; /* splitmix64 */

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

double world_uniform(uint64_t *state)
{
	return (double)(world_random(state) >> 11) / 9007199254740992.0;
}

static double between(uint64_t *state, double low, double high)
{
	return low * pow(high / low, world_uniform(state));
}

static bool chance(uint64_t *state, double p)
{
	return world_uniform(state) < p;
}

static void compose_classes(struct world *w, uint64_t *r)
{
	static const char *const shapes[] = {
	    "SELECT a FROM t%u WHERE id = $1", "SELECT count(*) FROM t%u WHERE b = $1",
	    "UPDATE t%u SET a = 1 WHERE id = $1", "INSERT INTO t%u VALUES ($1)",
	    "SELECT * FROM t%u JOIN u USING (id) WHERE t%u.id = $1"};

	w->classes = 4 + world_random(r) % (WORLD_CLASSES - 4);
	for (unsigned i = 0; i < w->classes; i++) {
		struct statement_class *class = &w->class[i];
		const char *shape = shapes[world_random(r) % 5];

		snprintf(class->text, sizeof(class->text), shape, i, i);
		class->weight = 1 / pow(i + 1, world_uniform(r) * 1.5);
		class->service_s = between(r, 0.00005, 0.002);
		class->keys = chance(r, 0.3) ? 1 + world_random(r) % 5 : 100 + world_random(r) % 100000;
		class->polls = i && chance(r, 0.05);
		if (class->polls) {
			class->keys = 1 + world_random(r) % 5;
			class->weight = fmax(class->weight, 0.2);
		}
		class->rare = i > 3 && !class->polls && chance(r, 0.1);
	}
	w->class[0].polls = false; /* something must tell the lag */
	w->class[0].keys = 100000;
	w->class[0].rare = false;
}

static void compose_observer(struct world *w, uint64_t *r)
{
	bool defaults = chance(r, 0.1); /* the others have the default's rules in a shorter time */
	double pairs, blocks = w->tenants && !w->session_set ? fmax(w->block_share, 0.8) : w->block_share;
	double per_request = 1 - blocks + 2.5 * blocks;

	w->observed = defaults ? 1800 : 60;
	w->window = defaults ? 3600 : 600;
	w->recent = defaults ? 300 : 30;
	w->rate = defaults ? between(r, 8, 20) : between(r, 60, 300);
	w->exposure = w->proxy != PROXY_PGDOG || chance(r, 0.6) ? 1 : between(r, 0.2, 1);
	w->rate = fmax(w->rate, 1.4 * PAIRS_ENOUGH / w->window / w->exposure) / per_request;
	w->late = chance(r, 0.2);
	w->unknown = chance(r, 0.2) ? 0.0002 : 0;
	pairs = w->rate * per_request * w->exposure;
	w->demanded = fmax(w->observed, PAIRS_ENOUGH / pairs);
	w->reset_at = chance(r, 0.1) ? 0.3 * w->demanded : 0;
	w->reload_at = chance(r, 0.1) ? 0.5 * w->demanded : 0;
	w->lasts = w->reset_at + 2 * w->demanded;
	w->pause = fmin(w->pause, 0.3 * w->clients / w->rate);
	w->ends = INFINITY;
}

static void compose_traffic(struct world *w, uint64_t *r)
{
	w->proxy = world_random(r) % PROXY_KINDS;
	w->clients = 8 + world_random(r) % 30;
	w->block_share = chance(r, 0.5) ? world_uniform(r) : 0;
	w->tenants = chance(r, 0.4) ? 2 + world_random(r) % (WORLD_TENANTS - 1) : 0;
	w->both_fail = w->tenants && chance(r, 0.5) ? world_random(r) % w->tenants : UINT32_MAX;
	w->session_set = w->tenants && chance(r, 0.3);
	if (w->tenants && !w->session_set)
		w->block_share = fmax(w->block_share, 0.5);
	w->pooled = !w->session_set && chance(r, 0.5);
	w->mirror_speed = between(r, 0.7, 1.2);
	w->drop = chance(r, 0.2) && w->proxy == PROXY_PGDOG ? 0.02 * world_uniform(r) : 0;
	w->pause = chance(r, 0.3) ? between(r, 0.001, 1) : 0;
}

/* A class that is not rare, and not the first, which tells the lag. */
static unsigned frequent_class(const struct world *w, uint64_t *r)
{
	for (unsigned n = 0; n < 100; n++) {
		unsigned i = world_random(r) % w->classes;

		if (!w->class[i].rare && !w->class[i].polls)
			return i;
	}
	return 0;
}

static void make_rare(struct world *w, uint64_t *r, const char *text)
{
	w->which = 1 + world_random(r) % (w->classes - 1);
	snprintf(w->class[w->which].text, WORLD_TEXT, "%s", text);
	w->class[w->which].rare = true;
	w->class[w->which].polls = false;
}

static void need_tenants(struct world *w, uint64_t *r)
{
	w->tenants = w->tenants ? w->tenants : 2 + world_random(r) % 5;
	w->both_fail = UINT32_MAX;
	w->block_share = fmax(w->block_share, 0.5);
	w->which = world_random(r) % w->tenants;
	w->late = false;
}

/* A class of statements, a tenant. */
static void sicken_what(struct world *w, uint64_t *r)
{
	struct statement_class *class;

	w->which = frequent_class(w, r);
	class = &w->class[w->which];
	switch (w->sickness) {
	case SICK_missing_function:
		make_rare(w, r, "SELECT missing($1)");
		break;
	case SICK_rare_rows:
		make_rare(w, r, "SELECT * FROM empty_there WHERE id = $1");
		break;
	case SICK_poll_short:
		w->which = 1;
		w->block_share = fmin(w->block_share, 0.5);
		w->class[1].keys = 3;
		w->class[1].weight = 1;
		w->class[1].polls = true;
		w->class[1].rare = false;
		break;
	case SICK_tenant_empty:
	case SICK_tenant_lost:
	case SICK_control_fails:
		need_tenants(w, r);
		break;
	case SICK_commit_fails:
		w->block_share = fmax(w->block_share, 0.3);
		break;
	case SICK_rows_partly:
	case SICK_no_index:
		w->which = 0;
		class = &w->class[0];
		class->service_s = between(r, 0.001, 0.005);
		class->weight = 3;
		break;
	default:
		break;
	}
}

/* The mirror's speed, the proxy, the observer. */
static void sicken_way(struct world *w, uint64_t *r)
{
	switch (w->sickness) {
	case SICK_slow:
		w->mirror_speed = 3;
		for (unsigned i = 0; i < w->classes; i++)
			w->class[i].service_s = between(r, 0.002, 0.01);
		w->rate = fmin(w->rate, 5 * w->clients);
		break;
	case SICK_overload:
		w->tenants = 0;
		w->session_set = false;
		w->block_share = 0;
		w->clients = 8;
		w->rate = 60 * w->clients; /* a third of what the primary bears, more than the mirror does */
		w->mirror_speed = 4;
		for (unsigned i = 0; i < w->classes; i++)
			w->class[i].service_s = 0.005;
		break;
	case SICK_dead:
	case SICK_stalled:
		w->onset = (0.2 + 0.8 * world_uniform(r)) * w->lasts * 0.7;
		break;
	case SICK_silent_end:
		w->proxy = PROXY_PGDOG;
		w->drop = 0.33;
		w->ends = 0.7 * w->lasts;
		break;
	case SICK_drops:
		w->proxy = PROXY_PGDOG;
		w->drop = between(r, 0.1, 0.6);
		break;
	case SICK_swapped: /* where both are sent at once nothing tells them apart */
		w->proxy = w->proxy == PROXY_PGCAT ? PROXY_PGPOOL : w->proxy;
		break;
	case SICK_blind:
		w->unknown = 0.02;
		break;
	default:
		break;
	}
}

void world_compose(struct world *w, uint64_t seed, enum sickness sickness)
{
	uint64_t random = seed * 1000003 + 17, *r = &random;

	memset(w, 0, sizeof(*w));
	w->seed = seed;
	w->sickness = sickness;
	compose_classes(w, r);
	compose_traffic(w, r);
	compose_observer(w, r);
	if (sickness != HEALTHY)
		sicken_what(w, r), sicken_way(w, r);
}
