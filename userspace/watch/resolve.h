/* SPDX-License-Identifier: MIT */
/*
 * resolve - host names of the configuration: looked up at start and again every interval, in the epoll loop.
 * The only file that knows c-ares.
 *
 * c-ares, because its look-ups are sockets and a timer in our loop: no thread, no helper process, nothing
 * that needs a privilege. It reads /etc/resolv.conf, /etc/hosts and the `hosts` line of nsswitch.conf
 * ("files" and "dns") anew for each round; other name services (mDNS, NSS modules) it does not know.
 *
 * A name that cannot be looked up keeps its last good answer; that, recovery and a changed answer are logged
 * once each. Addresses only: the port belongs to the configuration.
 */
#ifndef MO_RESOLVE_H
#define MO_RESOLVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/loop.h"
#include "config/config.h"

#define RESOLVE_INTERVAL_US   (30 * UINT64_C(1000000))
#define RESOLVE_ADDRESSES_MAX 32 /* of one name; more are left out, with a warning */

struct resolve;

/* Called when every name of a round was answered or given up; changed: some answer differs from before. Never
 * from within resolve_new or resolve_names. It may call anything here but resolve_free. */
typedef void resolve_handler(void *ctx, bool changed);

struct resolve_options {
	uint64_t interval_us; /* between the end of a round and the next */
	int timeout_ms;       /* for the first try of a server */
	int tries;            /* of each server */
	const char *servers;  /* "127.0.0.1:5300" for tests; NULL: those of /etc/resolv.conf */
};
extern const struct resolve_options resolve_default_options;

int resolve_new(struct resolve **out, struct loop *loop, const struct resolve_options *options,
		resolve_handler *handler, void *ctx);
void resolve_free(struct resolve **resolve);

/* Looks up the names of this configuration from now on, at once; those known before keep their answers. The
 * configuration is not kept. */
int resolve_names(struct resolve *resolve, const struct config *config);

/* A classify_lookup (ctx is the struct resolve): the last good answer, 0 before the first. */
size_t resolve_lookup(void *ctx, const char *host, const struct address_range **out);

#endif
