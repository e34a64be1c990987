/* SPDX-License-Identifier: MIT */
#include "serve/reloads.h"

#include <time.h>

void reloads_note(struct reloads *reloads, bool successful)
{
	struct timespec now;

	reloads->successful = successful;
	if (!successful)
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	reloads->success_us = (uint64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void reloads_write(void *ctx, struct exposition *x)
{
	const struct reloads *reloads = ctx;

	exposition_family(x, "mirror_observer_config_last_reload_successful", EXPOSITION_GAUGE,
			  "Whether the last attempt to read the configuration was taken");
	exposition_integer(x, NO_LABELS, reloads->successful);
	exposition_family(x, "mirror_observer_config_last_reload_success_timestamp_seconds", EXPOSITION_GAUGE,
			  "Unix time at which a configuration was taken last");
	exposition_decimal(x, NO_LABELS, reloads->success_us, 6);
}
