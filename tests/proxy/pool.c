/* SPDX-License-Identifier: MIT */
#include "pool.h"

#include <errno.h>
#include <stdlib.h>

#include "backend.h"
#include "loop.h"
#include "proxy.h"

enum slot_state { SLOT_FREE, SLOT_CONNECTING, SLOT_CHECKING, SLOT_LENT, SLOT_IDLE };

struct slot {
	struct pool *pool;
	struct backend *backend;
	struct borrower *borrower; /* NULL while idle or checked on the pool's own account */
	enum slot_state state;
	bool fresh;             /* never checked out */
	uint64_t used, checked; /* when last */
};

struct pool {
	struct proxy *proxy;
	const struct pool_ops *ops;
	struct borrower *first, *last; /* waiting */
	struct timer health;
	unsigned count;
	struct slot slots[];
};

static void serve(struct pool *pool);

static void check(struct slot *slot)
{
	slot->state = SLOT_CHECKING;
	slot->pool->proxy->truth.health_checks++;
	backend_query(slot->backend, ";");
}

static void lend(struct slot *slot)
{
	slot->state = SLOT_LENT;
	slot->fresh = false;
	slot->pool->ops->lent(slot->borrower->ctx, slot);
}

/* The slot has a borrower and an idle connection. */
static void check_out(struct slot *slot)
{
	uint64_t idle = slot->pool->proxy->options.health_idle_ns;

	if (idle && (slot->fresh || loop_now() - slot->used >= idle))
		check(slot);
	else
		lend(slot);
}

static void put_back(struct slot *slot)
{
	slot->borrower = NULL;
	slot->state = SLOT_IDLE;
	slot->used = loop_now();
	serve(slot->pool);
}

static void on_ready(void *ctx)
{
	struct slot *slot = ctx;

	slot->fresh = true;
	slot->used = slot->checked = loop_now();
	check_out(slot);
}

static void on_sent(void *ctx, uint64_t now_ns)
{
	struct slot *slot = ctx;

	if (slot->borrower)
		slot->pool->ops->sent(slot->borrower->ctx, now_ns);
}

static void on_done(void *ctx, uint8_t status)
{
	struct slot *slot = ctx;

	if (slot->state == SLOT_LENT) {
		slot->pool->ops->done(slot->borrower->ctx, status);
		return;
	}
	slot->checked = loop_now();
	if (slot->borrower)
		lend(slot);
	else
		put_back(slot);
}

static void on_failed(void *ctx)
{
	struct slot *slot = ctx;
	struct borrower *borrower = slot->borrower;

	slot->borrower = NULL;
	slot->state = SLOT_FREE;
	backend_free(&slot->backend);
	if (borrower)
		slot->pool->ops->failed(borrower->ctx);
	serve(slot->pool);
}

static const struct backend_ops backend_ops = {
    .ready = on_ready, .sent = on_sent, .done = on_done, .failed = on_failed};

/* An idle connection, else a free place, else NULL. */
static struct slot *find(struct pool *pool)
{
	struct slot *place = NULL, *idle = NULL;

	for (unsigned i = 0; i < pool->count; i++) {
		struct slot *slot = &pool->slots[i];
		if (slot->state == SLOT_FREE && !place)
			place = slot;
		if (slot->state == SLOT_IDLE && (!idle || slot->used > idle->used))
			idle = slot;
	}
	return idle ? idle : place;
}

/* Gives the longest waiting borrower what there is. */
static void serve(struct pool *pool)
{
	struct slot *slot;

	while (pool->first && (slot = find(pool))) {
		struct borrower *borrower = pool->first;
		pool->first = borrower->next;
		if (!pool->first)
			pool->last = NULL;
		slot->borrower = borrower;
		if (slot->state == SLOT_IDLE) {
			check_out(slot);
			continue;
		}
		slot->state = SLOT_CONNECTING;
		if (backend_new(&slot->backend, pool->proxy, &backend_ops, slot)) {
			slot->borrower = NULL;
			slot->state = SLOT_FREE;
			pool->ops->failed(borrower->ctx);
		}
	}
}

static void on_health(void *ctx)
{
	struct pool *pool = ctx;
	uint64_t period = pool->proxy->options.health_period_ns, now = loop_now();

	for (unsigned i = 0; i < pool->count; i++) {
		struct slot *slot = &pool->slots[i];
		uint64_t last = slot->checked > slot->used ? slot->checked : slot->used;
		if (slot->state == SLOT_IDLE && now - last >= period)
			check(slot);
	}
	loop_timer_start(pool->proxy->loop, &pool->health, period / 4 + 1);
}

int pool_new(struct pool **out, struct proxy *proxy, const struct pool_ops *ops)
{
	unsigned count = proxy->options.pool;
	struct pool *pool = calloc(1, sizeof(*pool) + count * sizeof(struct slot));

	if (!pool)
		return -ENOMEM;
	pool->proxy = proxy;
	pool->ops = ops;
	pool->count = count;
	for (unsigned i = 0; i < count; i++)
		pool->slots[i].pool = pool;
	pool->health = (struct timer){.fn = on_health, .ctx = pool};
	if (proxy->options.health_period_ns)
		loop_timer_start(proxy->loop, &pool->health, proxy->options.health_period_ns / 4 + 1);
	*out = pool;
	return 0;
}

void pool_free(struct pool **pool)
{
	if (!*pool)
		return;
	loop_timer_stop((*pool)->proxy->loop, &(*pool)->health);
	for (unsigned i = 0; i < (*pool)->count; i++)
		backend_free(&(*pool)->slots[i].backend);
	free(*pool);
	*pool = NULL;
}

void pool_borrow(struct pool *pool, struct borrower *borrower)
{
	borrower->next = NULL;
	*(pool->last ? &pool->last->next : &pool->first) = borrower;
	pool->last = borrower;
	serve(pool);
}

void pool_return(struct pool *pool, struct slot *slot)
{
	(void)pool;
	put_back(slot);
}

struct backend *pool_backend(struct slot *slot)
{
	return slot->backend;
}
