/* SPDX-License-Identifier: MIT */
/*
 * truth - what really happened, for tests to compare an observer with.
 *
 * Unit: the statement, that is one Query, Execute or FunctionCall message. A statement enters `depth` when
 * the send to the primary that held its last byte returned, provided that its request was chosen by
 * `exposure`; it leaves when the send to the mirror with its last byte returned, or when it is known never to
 * be sent (dropped, client gone within a transaction, mirror connection lost). So statements of open
 * transactions count. The choice is made at the beginning of a request; statements that a client pipelines
 * behind the end of the running request are decided anew once that end is known. Lag = sent to the mirror -
 * sent to the primary.
 *
 * Control commands (kind.h) are counted like the others, but `depth.control` says how many of the depth they
 * are, and they have no lag: an observer does not match them.
 */
#ifndef TESTPROXY_TRUTH_H
#define TESTPROXY_TRUTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRUTH_BUCKETS 22 /* upper bounds as those of pgdog_mirror_lag_seconds */

/* Numbers of statements. */
struct tally {
	int64_t all, control; /* control: of all */
};

static inline void tally_add(struct tally *to, bool control, int n)
{
	to->all += n;
	to->control += control ? n : 0;
}

static inline void tally_add_all(struct tally *to, struct tally from, int times)
{
	to->all += times * from.all;
	to->control += times * from.control;
}

struct truth {
	struct tally depth;
	uint64_t primary, mirror;  /* statements sent */
	uint64_t sampled_requests; /* requests that were to be mirrored: enqueued or dropped */
	uint64_t skipped_requests; /* requests that `exposure` left out */
	uint64_t enqueued, enqueued_requests;
	uint64_t dropped, dropped_requests; /* by a full queue, past a bound, or on command */
	uint64_t abandoned; /* statements in depth that left it unsent, other than by a drop */
	uint64_t replayed_requests, failed_requests; /* finished on the mirror; its connection failed */
	uint64_t mirror_errors;                      /* ErrorResponses of the mirror */
	uint64_t reordered;
	uint64_t health_checks,
	    prepared; /* `;` and Parse+Sync sent to the mirror on the proxy's own account */
	uint64_t lag_count, lag_sum_ns, lag_max_ns;
	uint64_t lag_buckets[TRUTH_BUCKETS + 1];               /* not cumulative; the last is +Inf */
	uint64_t queued_requests, clients, tasks, connections; /* now */
	uint64_t relayed[2]; /* bytes to and from the backend (relay mode); atomic */
};

void truth_lag(struct truth *truth, uint64_t primary_ns, uint64_t mirror_ns);
/* One line of JSON without a newline; returns its length or -ENOSPC. */
int truth_json(const struct truth *truth, const char *mode, char *text, size_t size);

#endif
