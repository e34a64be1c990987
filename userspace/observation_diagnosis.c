/* SPDX-License-Identifier: MIT */
#include "observation_internal.h"

#include "base/log.h"
#include "inspection.h"

/* A wrong configuration is to be named within ten seconds, and a complaint that is over gone within one. */
#define INSPECT_FIRST_US 1000000
#define INSPECT_US       4000000
#define INSPECT_SOON_US  500000

void observation_look(struct observation *o)
{
	o->looks_soon = false;
	if (observation_inspect(o, true))
		log_debug("looking at the proxy's connections: %s", probe_error());
}

static void on_time(void *ctx, uint32_t what)
{
	(void)what;
	observation_look(ctx);
}

int observation_start_looking(struct observation *o)
{
	return loop_add_timer(o->loop, INSPECT_FIRST_US, INSPECT_US, on_time, o, &o->inspection_timer);
}

void observation_role_found(struct observation *o, const struct role *role)
{
	if (role->target == TARGET_NONE || o->looks_soon || !o->inspection_timer ||
	    !inspection_diagnosis(o->inspection)->count)
		return;
	o->looks_soon = true;
	loop_set_timer(o->inspection_timer, INSPECT_SOON_US, INSPECT_US);
}

int observation_inspect(struct observation *o, bool say)
{
	const struct inspection_subject subject = {.probe = o->probe,
						   .proxy = o->proxy,
						   .config = o->config,
						   .classify = o->classify,
						   .clusters = o->clusters};

	return inspection_run(o->inspection, &subject, say);
}

struct role observation_role(const struct observation *o, const struct diagnosis_group *group)
{
	return diagnosis_role(o->classify, group);
}

const struct inspection *observation_inspection(const struct observation *o)
{
	return o->inspection;
}
