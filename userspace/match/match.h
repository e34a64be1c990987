/* SPDX-License-Identifier: MIT */
/*
 * match - finds for each statement that was sent to the mirror of a cluster the one sent to the primary that
 * it is a copy of, and from the pairs: the lag, the depth of the proxy's queue, and pairs of answers to
 * compare. One struct match for each cluster. Pure: no I/O and no clock; times are CLOCK_MONOTONIC
 * nanoseconds.
 *
 * The method
 *   - A twin has the same key (statement text and parameters). Either side may be seen first. Transaction
 *     control, session settings and ignored statements take no part.
 *   - One candidate: the pair is certain, its lag is sampled. Several: the one in the transaction that
 *     another statement of the same mirror transaction was paired with for certain; one inside a transaction
 *     is put off until a neighbour, earlier or later, has told, at most MATCH_DEFERRED of them and until the
 *     transaction ends. Else the one whose lag is nearest to the running median.
 *   - A further copy (a mirror of several servers) is told by its key having been paired a while ago; once
 *     copies are usual, each server is expected to get its own of each repeated key too (fanout.h).
 *   - The lag's distribution comes from certain pairs (lag_distribution.h); where those are too few, since
 *     only a few distinct statements are in use, from the times at which each key was sent to the primary at
 *     all, whatever was paired with what (repeated_keys.h). So a wrong pair cannot mislead the search for
 *     the right lag, and a lag that grows while the proxy drops is followed.
 *   - The depth is the survival estimate of depth_survival.h, bounded by what the proxy's queues can hold
 *     where that is known (depth_bound.h).
 *   - Where hardly any pair is certain, and while the search for the lag is not sure that it is short, the
 *     depth is counted (depth_count.h), and tells the lag (lag_from_depth.h).
 *   - What is older than the horizon on the clock of matches (matchclock.h) leaves as not_mirrored.
 * Its limits: pairs among statements of one key are right as a crowd, not each one. With only hot statements
 * the count rests on a beginning at which lags were short, and on the share of before: a share that changes
 * during a backlog is not noticed, and where a part is sampled chance alone puts the count wrong by half the
 * root of the number sent since. What is dropped shows only when its turn has passed, hence the bound by
 * queue_limit. Where a part is sampled, a part of the mirror that stands still while the rest moves on is
 * taken for drops once it is older than 1.5 times the longest recent lag.
 *
 * Memory: 64 bytes an entry and 4 for the index, taken as needed up to max_entries; about 1.5 MiB besides.
 * The default, 3 million entries, holds 100,000 statements/s for a horizon of 30 s in 196 MiB. Past that the
 * oldest leaves: as not_mirrored if it is decided, else as evicted. O(1) amortised per statement; nothing is
 * allocated once the slabs have grown.
 */
#ifndef MO_MATCH_H
#define MO_MATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "match/pair.h"
#include "wire/session.h"

#define MATCH_DEFAULT_ENTRIES 3000000u
#define MATCH_ENTRY_BYTES     68 /* with its part of the index */
#define MATCH_EARLY_NS        100000ull

/* Label values of `reason`; the order is that of UNMATCHED in counters.def. */
enum match_reason {
	MATCH_NOT_MIRRORED, /* primary: others of its age arrived long ago */
	MATCH_EVICTED,      /* its entry had to make room, or its place was unknown */
	MATCH_NO_PRIMARY,   /* mirror: no such statement was sent to the primary */
	MATCH_UNKEYED,      /* its text or parameters were not seen whole */
	MATCH_FANOUT,       /* mirror: a further copy of a statement already paired (a sharded mirror) */
	MATCH_REASONS,
};

struct match_options {
	uint32_t max_entries;       /* 0 = MATCH_DEFAULT_ENTRIES */
	uint64_t horizon_ns;        /* 0 = 30 s */
	uint64_t answer_timeout_ns; /* how long a pair waits for both answers; 0 = 120 s */
	uint32_t queue_limit;       /* requests per client of the proxy; 0 = not known */
	uint64_t window_ns;         /* of match_arrivals(); 0 = 1 h */
};

struct match_sink {
	void *ctx;
	/* Once for each pair, though not at once; lag is never below 0 (clamped ones are counted). Pairs that
	 * are not certain count with the lag of certain ones nearby where there are any: lag_per_pair.h. */
	void (*lag)(void *ctx, uint64_t lag_ns);
	/* Sent to the primary until answered by the mirror; of certain pairs. */
	void (*delay)(void *ctx, uint64_t delay_ns);
	/* Both statements are answered, or the wait is over. Valid during the call. */
	void (*pair)(void *ctx, const struct match_pair *pair);
};

struct match_counters {
	uint64_t matched, ambiguous; /* ambiguous ones among the matched */
	uint64_t guessed;            /* pairs whose lag, and with it the depth, is a mere guess */
	uint64_t clamped;            /* lags below 0, sampled as 0 */
	uint64_t early; /* of those, certain ones more than MATCH_EARLY_NS below: the sides may be swapped */
	uint64_t unmatched[MATCH_SIDES][MATCH_REASONS];
	uint64_t unanswered;       /* pairs whose wait was over */
	uint64_t repeated_evicted; /* repeated keys displaced from their table */
};

struct match;

/* Returns 0, -EINVAL (options out of range) or -ENOMEM. Options and sink are copied. */
int match_new(struct match **out, const struct match_options *options, const struct match_sink *sink);
void match_free(struct match **match);

void match_open(struct match *match, struct match_connection *connection, enum match_side side,
		uint8_t endpoint);
/* What is unanswered on it will be reported as such. The connection may be forgotten afterwards. */
void match_close(struct match *match, struct match_connection *connection);

/* From session_sink.sent. tag is handed back with the pair (e.g. an index of the statement's text). */
void match_sent(struct match *match, struct match_connection *connection, const struct session_query *query,
		uint32_t tag);
/* From session_sink.answered. result: checksum of the rows; 0 = none. */
void match_answered(struct match *match, struct match_connection *connection,
		    const struct session_query *query, uint32_t result);

/* When the oldest unanswered statement of that connection was sent that takes part; 0 when there is none. */
uint64_t match_waits_since(const struct match *match, const struct match_connection *connection);

/* Lets go what has waited long enough. To be called about ten times a second. */
void match_tick(struct match *match, uint64_t now_ns);
/* The proxy's client connections as they are now; 0 = not known. See depth_bound.h. */
void match_set_clients(struct match *match, uint32_t clients);
/* As in struct match_options. */
void match_set_queue_limit(struct match *match, uint32_t queue_limit);

/* What became of the primary's statements, by when they were sent: see arrivals.h. */
struct match_arrivals {
	double sent, arrived, lost, evicted;
	double young;     /* of the others: not yet older than the lags seen */
	double overtaken; /* ... and: others that were sent later arrived long ago */
};
void match_arrivals(struct match *match, uint64_t now_ns, struct match_arrivals *out);
/* The sums are taken over a window of another length from now on, which starts anew. */
void match_set_window(struct match *match, uint64_t window_ns, uint64_t now_ns);
/* Begins anew: what was learned of the share that is mirrored, and the sums, are forgotten. */
void match_reset(struct match *match, uint64_t now_ns);
/* After a reload. What is held is given up as it leaves. */
void match_set_max(struct match *match, uint32_t max_entries);

/* Statements on their way; NaN before the first match. */
double match_depth(struct match *match, uint64_t now_ns);
/* Share of the primary's statements that reach the mirror, 0..1; NaN before the first match. */
double match_share(const struct match *match);
/* Age of the oldest statement that is likely still on its way, ns; 0 when none. */
uint64_t match_oldest(struct match *match, uint64_t now_ns);
/* Median of the recent lags, ns; 0 before the first. */
uint64_t match_median_lag(const struct match *match);

const struct match_counters *match_counters(struct match *match);
size_t match_bytes(const struct match *match);
/* Entries in use: waiting on either side, and pairs that wait for answers. */
uint32_t match_entries(const struct match *match);

#endif
