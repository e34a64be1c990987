/* SPDX-License-Identifier: MIT */
/*
 * entries - the life of a statement's entry: entered when sent, waiting for its twin, joined with it, and
 * kept until both are answered. Knows nothing of who is whose twin.
 *
 * An entry is named by the list it waits in or by its twin, and by its connection until it is answered; it is
 * freed when nothing names it any more.
 */
#ifndef MO_ENTRIES_H
#define MO_ENTRIES_H

#include <stdbool.h>
#include <stdint.h>

#include "match/pair.h"
#include "match/pending.h"

struct entries {
	struct pending pending;
	struct age_list waiting[MATCH_SIDES]; /* for a twin, by time sent */
	struct age_list pairs;                /* mirror entries, for answers */
	uint64_t unanswered;                  /* pairs whose wait was over */
	void *ctx;
	void (*finished)(void *ctx, const struct match_pair *pair); /* NULL = nobody wants to know */
};

/* max: entries at most. Returns 0, -EINVAL or -ENOMEM. */
int entries_init(struct entries *entries, uint32_t max);
void entries_done(struct entries *entries);

static inline struct entry *entries_at(const struct entries *entries, uint32_t index)
{
	return pending_at(&entries->pending, index);
}

/* An entry for a statement that was sent; 0 when there is no room. */
uint32_t entries_enter(struct entries *entries, struct match_connection *connection,
		       const struct session_query *query, uint32_t tag);
enum match_side entries_side(const struct entry *entry);
/* match_connection.context when it was entered. */
uint32_t entries_context(const struct entry *entry);

/* Waits for its twin from now on, found by key and side. */
void entries_wait(struct entries *entries, uint32_t index, uint64_t key);
/* The oldest of those that wait, or 0. */
uint32_t entries_find(const struct entries *entries, enum match_side side, uint64_t key);
/* The key it waits under, or was deferred with. */
uint64_t entries_key(const struct entry *entry);
void entries_stop_waiting(struct entries *entries, uint32_t index);
/* Its connection will decide: it is kept until it waits, is joined or dropped. */
void entries_hold(struct entries *entries, uint32_t index);
/* Of an entry that neither waits nor is joined: freed as soon as it is answered. */
void entries_drop(struct entries *entries, uint32_t index);

/* Both wait no longer; the pair is finished when both are answered. */
void entries_join(struct entries *entries, uint32_t primary, uint32_t mirror, uint64_t key, bool certain);
void entries_answered(struct entries *entries, struct match_connection *connection,
		      const struct session_query *query, uint32_t result);
/* What is unanswered on the connection will never be. */
void entries_close(struct entries *entries, struct match_connection *connection);
/* Finishes the oldest pair if its mirror half was sent before `before`, answered or not. */
bool entries_give_up_oldest(struct entries *entries, uint64_t before);

#endif
