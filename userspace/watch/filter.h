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
 * out holds the filter before (zeros: none), and then the new one. Ranges that others cover are left out.
 * Unix-domain targets come first. A socket is known by the index of its target (struct event_open.target),
 * which may reach us when the filter is another one already: so a path keeps its index as long as any is
 * configured, that of one which is gone stays empty, and is given to another path only when FILTER_UNIX_KEPT
 * have been. Returns 0, or -E2BIG when there are more than FILTER_MAX_TARGETS: the filter then holds the
 * first of them.
 */
#define FILTER_UNIX_KEPT 128
int filter_build(struct filter *out, const struct proxy_identity *proxy, const struct classify *table);

/* The path of a Unix-domain target; NULL when there is none of that index. */
const char *filter_path(const struct filter *filter, uint32_t target);

#endif
