/* SPDX-License-Identifier: MIT */
/*
 * twins - the comparison of one cluster's two sides: what was sent and answered on either goes through the
 * matcher (match.h); lags, pairs and their divergences come out as counters and as statement classes (top.h).
 *
 * Divergences are judged on pairs of which both outcomes are known; a pair of which one half was never
 * executed (an error earlier in its batch) is not compared, nor is one whose halves ran in different contexts
 * (contexts.h). What takes no part in the matching (transaction control, texts not seen) is compared as a
 * class: the failures of either side by command tag.
 */
#ifndef MO_TWINS_H
#define MO_TWINS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"
#include "config/config.h"
#include "match/match.h"
#include "sql/fingerprint.h"
#include "stats/stats.h"
#include "verdict/contexts.h"
#include "verdict/top.h"
#include "wire/session.h"

struct twins;

struct twins_options {
	uint32_t queue_limit; /* requests per client of the proxy; 0 = not known */
	uint32_t max_entries; /* of the matcher; 0 = its default */
	uint64_t window_ns;   /* of the verdict; 0 = the matcher's default */
	/* Fingerprints that are shown, but not held against the mirror. */
	const uint64_t *ignored;
	size_t ignored_count;
};

#define TWINS_UNPAIRED \
	8 /* statements of a connection that are on their way and take no part in the matching */

/* One connection's part in the comparison; zeroed before twins_open. Whoever moves it
 * while it is open says so by twins_moved. */
struct twins_connection {
	struct match_connection match;
	struct contexts_place place;
	bool erred; /* mirror: the current request has had its first error */
	struct {
		uint64_t serial, class;
	} unpaired[TWINS_UNPAIRED]; /* ring, by serial */
	uint64_t unanswered;        /* statements sent and not answered */
	uint64_t waiting_since;     /* ns; when the oldest of them was sent, or its predecessor answered */
	struct twins_connection *next, *previous;
};

/* What was sent and is not answered yet, of one side. */
struct twins_unanswered {
	uint64_t statements;
	uint64_t oldest_ns; /* age; 0 when there is none */
};

/* fingerprints is shared between clusters; it and stats must outlive this. Options are copied but for
 * `ignored`. stats may be NULL until twins_begin. 0 or -errno. */
int twins_new(struct twins **out, const struct twins_options *options, struct stats_cluster *stats,
	      struct fingerprints *fingerprints);
void twins_free(struct twins **twins);
/* What the proxy does not mirror by its `level` is neither expected on the mirror nor compared. At once for
 * what is sent from now on. */
void twins_set_level(struct twins *twins, enum config_level level);
/* Where its counters go: they go on from what is there. */
void twins_begin(struct twins *twins, struct stats_cluster *stats);
/* After a reload. */
void twins_set_ignored(struct twins *twins, const uint64_t *ignored, size_t count);
void twins_set_queue_limit(struct twins *twins, uint32_t queue_limit);

void twins_open(struct twins *twins, struct twins_connection *connection, enum match_side side,
		const struct address *remote);
/* An open connection was copied to this place; its old one is not looked at any more. */
void twins_moved(struct twins *twins, struct twins_connection *connection);
void twins_close(struct twins *twins, struct twins_connection *connection);
void twins_sent(struct twins *twins, struct twins_connection *connection, const struct session_query *query);
void twins_answered(struct twins *twins, struct twins_connection *connection,
		    const struct session_query *query);
/* A request of that connection ended. */
void twins_request(struct twins *twins, struct twins_connection *connection);

/* A statement class has got its name for good (fingerprint.h). */
void twins_named(struct twins *twins, uint64_t before, const struct fingerprint *now);
/* A statement failed that was never executed: the error of a Parse, Bind or Describe without an Execute. */
void twins_homeless(struct twins *twins, struct twins_connection *connection, const char *sqlstate,
		    uint64_t now_ns);

/* Pairs lately; `early`: the mirror got the statement before the primary did; `inverted`: it had even
 * answered by then. */
struct twins_order {
	uint64_t pairs, early, inverted;
};
struct twins_order twins_order(const struct twins *twins);

/* About ten times a second. */
void twins_tick(struct twins *twins, uint64_t now_ns);
/* Brings the counters of the map up to date. */
void twins_sync(struct twins *twins);
void twins_set_clients(struct twins *twins, uint32_t clients);

struct twins_unanswered twins_unanswered(const struct twins *twins, enum match_side side, uint64_t now_ns);
/* Begins anew: classes, what was learned of noise, and the matcher's share and sums. */
void twins_reset(struct twins *twins, uint64_t now_ns);

struct match *twins_match(struct twins *twins);
struct top *twins_top(struct twins *twins);

#endif
