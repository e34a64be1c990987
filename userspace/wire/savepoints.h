/* SPDX-License-Identifier: MIT */
/*
 * savepoints - those of an open transaction block, and which portals a ROLLBACK TO drops: those that were
 * bound after the savepoint (PostgreSQL, portalmem.c, AtSubAbort_Portals).
 *
 * Portals are told apart by number, in the order in which they were bound. What a name stands for is not
 * always known; then what is dropped for certain is told apart from what may be.
 */
#ifndef MO_SAVEPOINTS_H
#define MO_SAVEPOINTS_H

#include <stdbool.h>
#include <stdint.h>

#define SAVEPOINTS_MAX 1024 /* remembered; behind them all are one of unknown name */

struct savepoint {
	uint64_t name;  /* 0 = not known */
	uint64_t bound; /* the last portal before it */
};

struct savepoints {
	struct savepoint *at;
	uint32_t count, size;
	bool torn; /* there may be others */
};

/* Portals up to kept live on, those behind gone are dropped; of those between nobody knows. */
struct savepoints_cut {
	uint64_t kept, gone;
};

void savepoints_set(struct savepoints *savepoints, uint64_t name, uint64_t bound);
void savepoints_release(struct savepoints *savepoints, uint64_t name);
struct savepoints_cut savepoints_roll_back(struct savepoints *savepoints, uint64_t name);
/* The block is over. */
void savepoints_clear(struct savepoints *savepoints);
void savepoints_free(struct savepoints *savepoints);

#endif
