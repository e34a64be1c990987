/* SPDX-License-Identifier: MIT */
/*
 * filter - what the kernel side is told to track (struct filter of bpf/event.h), made from who the proxy is
 * and where its backends are. Pure.
 */
#ifndef MO_FILTER_H
#define MO_FILTER_H

#include "bpf/event.h"
#include "watch/classify.h"
#include "watch/proxy.h"

/*
 * Ranges that others cover are left out. Unix-domain targets come first, so that host names that change leave
 * their indices (struct event_open.target) as they are. Returns 0, or -E2BIG when there are more than
 * FILTER_MAX_TARGETS: the filter then holds the first of them.
 */
int filter_build(struct filter *out, const struct proxy_identity *proxy, const struct classify *table);

#endif
