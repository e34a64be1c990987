/* SPDX-License-Identifier: MIT */
/*
 * contexts - what the statements of one cluster ran in, as numbers that fit into an entry of the matcher, and
 * whether two of them are the same, so that the answers may be compared.
 *
 * A statement's context is what its connection was set to (context.h of wire) and its place: what preceded in
 * its transaction, or the part of its portal. Two are the same when both agree, and:
 *   - How a connection began (user, start-up parameters, defaults of the server) counts only as far as
 * connections of either side began so: one user here may be another one there.
 *   - Of a connection that is older than the observer, settings are known as far as it set them since. That
 * is enough while no connection is seen to set others for more than a transaction.
 *   - Settings that differ are the same where pairs known for certain show that the one goes with the other,
 * always and both ways: a proxy that sets something of its own on one side. The CONTEXTS kinds that came last
 * are remembered, at least half of them. Values only, no clock.
 */
#ifndef MO_CONTEXTS_H
#define MO_CONTEXTS_H

#include <stdbool.h>
#include <stdint.h>

#include "match/pair.h"
#include "wire/context.h"

#define CONTEXTS       4096
#define CONTEXT_STARTS 64

struct contexts_kind {
	uint64_t settings, start, names;
	bool unseen;
	uint16_t twin;          /* of the other side, by certain pairs; 0 = none yet */
	uint32_t with, without; /* certain pairs with that one, and with others */
};

struct contexts {
	uint64_t lasting; /* names that some connection has set for longer than a transaction */
	struct {
		uint64_t start;
		uint8_t sides; /* 1: primary, 2: mirror */
	} starts[CONTEXT_STARTS];
	uint32_t start_count, shared_starts;
	uint32_t half, used; /* kinds of this half of the table that are in use; the other half is older */
	uint16_t bucket[2 * CONTEXTS]; /* open addressing: number of a kind, 0 = free */
	struct contexts_kind kind[CONTEXTS];
};

/* A connection's place; zeroed at first. */
struct contexts_place {
	uint64_t hash; /* of what preceded */
	bool unknown;  /* something in it was not seen whole */
};

/* A statement is sent: the number of its context, for match_connection.context. 0: not known. */
uint32_t contexts_of(struct contexts *contexts, enum match_side side, struct contexts_place *place,
		     const struct session_query *query);

enum contexts_answer { CONTEXTS_SAME, CONTEXTS_DIFFER, CONTEXTS_UNKNOWN };
enum contexts_answer contexts_compare(const struct contexts *contexts, uint32_t primary, uint32_t mirror);
/* Learns from a pair that is certain. */
void contexts_pair(struct contexts *contexts, uint32_t primary, uint32_t mirror);

#endif
