/* SPDX-License-Identifier: MIT */
/*
 * helper - the process that keeps what attaching needs, so that the daemon can give it up.
 *
 * Forked before the daemon drops its privileges; it looks for the proxy's TLS libraries and hooks them, and
 * ends with the daemon. It never sees a byte of traffic nor a secret: what it is told is who the proxy is and
 * that it is time to look; what it answers are sentences.
 */
#ifndef MO_HELPER_H
#define MO_HELPER_H

#include "config/config.h"
#include "secrets/follow.h"

struct helper;

/* begin: looks at once, and has done so when this returns; else at helper_look. Returns 0 or -errno. */
int helper_start(struct helper **out, struct hooks *hooks, const struct config_proxy *proxy, bool begin);
/* Ends it; what it has attached is detached. */
void helper_free(struct helper **helper);

/* Looks now, and every second from now on. */
void helper_look(struct helper *helper);
/* Another proxy, after a reload. */
void helper_set_proxy(struct helper *helper, const struct config_proxy *proxy);

/* Readable when there is something to say. */
int helper_fd(const struct helper *helper);
/* 1 and a report, 0 when there is none now, -EPIPE when the helper is gone. */
int helper_report(struct helper *helper, struct follow_report *out);

#endif
