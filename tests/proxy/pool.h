/* SPDX-License-Identifier: MIT */
/*
 * pool - a bounded set of mirror connections with PgDog's health checks: `;` at the first checkout of a
 * connection, at a checkout after it was idle for health_idle, and while idle every health_period.
 */
#ifndef TESTPROXY_POOL_H
#define TESTPROXY_POOL_H

#include <stdbool.h>
#include <stdint.h>

struct backend;
struct pool;
struct proxy;
struct slot; /* a connection, while it is lent */

/* Of who waits for a connection or uses one. */
struct pool_ops {
	void (*lent)(void *ctx, struct slot *slot); /* checked and idle */
	void (*sent)(void *ctx, uint64_t now_ns);
	void (*done)(void *ctx, uint8_t status);
	void (*failed)(void *ctx); /* no connection, or the lent one is gone and must not be returned */
};

struct borrower {
	struct borrower *next;
	void *ctx;
};

int pool_new(struct pool **out, struct proxy *proxy, const struct pool_ops *ops);
void pool_free(struct pool **pool);
/* Calls lent or failed, now or later. The borrower stays in place until then. */
void pool_borrow(struct pool *pool, struct borrower *borrower);
void pool_return(struct pool *pool, struct slot *slot);
struct backend *pool_backend(struct slot *slot);

#endif
