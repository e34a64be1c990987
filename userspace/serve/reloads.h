/* SPDX-License-Identifier: MIT */
/* reloads - whether the last reload of the configuration was taken, as Prometheus says it of itself. */
#ifndef MO_RELOADS_H
#define MO_RELOADS_H

#include <stdbool.h>
#include <stdint.h>

#include "serve/exposition.h"

struct reloads {
	bool successful;     /* the last one; the start counts */
	uint64_t success_us; /* Unix time of the last one that was */
};

void reloads_note(struct reloads *reloads, bool successful);
/* An exposition_source; ctx is the struct reloads. */
void reloads_write(void *ctx, struct exposition *x);

#endif
