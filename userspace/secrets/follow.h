/* SPDX-License-Identifier: MIT */
/*
 * follow - the TLS libraries of the proxy's processes: found in what they have mapped, hooked once for each
 * file.
 *
 * A hook belongs to a file, so later processes with the same file are covered by it. New files - a library
 * loaded late, an upgrade, another container - are found by looking again.
 */
#ifndef MO_FOLLOW_H
#define MO_FOLLOW_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "secrets/hooks.h"
#include "watch/proxy.h"

#define FOLLOW_TEXT_MAX 512

/* What was found out about a file, or why a process could not be looked into. */
struct follow_report {
	bool readable;              /* secrets of its handshakes will be seen */
	char text[FOLLOW_TEXT_MAX]; /* one sentence */
};

struct follow;

/* hooks must outlive it; NULL: only looks, attaches nothing. Returns 0 or -ENOMEM. */
int follow_new(struct follow **out, struct hooks *hooks,
	       void (*report)(void *ctx, const struct follow_report *report), void *ctx);
/* Detaches. */
void follow_free(struct follow **follow);

/* Looks at all processes that match; each file and each difficulty is reported once. */
void follow_look(struct follow *follow, const struct proxy *proxy);

#endif
