/* SPDX-License-Identifier: MIT */
/*
 * cluster_internal - shared by cluster.c (the list of clusters, their life and figures), cluster_account.c
 * (what connections report becomes counters) and cluster_members.c (their part in the comparison of the two
 * sides).
 */
#ifndef MO_CLUSTER_INTERNAL_H
#define MO_CLUSTER_INTERNAL_H

#include "cluster/cluster.h"
#include "sql/fingerprint.h"
#include "verdict/verdict.h"

struct cluster {
	const struct config_cluster *config;
	struct stats_cluster *stats;
	struct twins *twins;
	struct verdict_state *verdict;
	uint64_t
	    evidence; /* which the two above are; a number of its own for each beginning, 0 = not begun */
	char diagnosis[READINESS_DIAGNOSIS_MAX];
	bool wrong; /* the configuration, by that diagnosis */
};

struct clusters {
	struct stats *stats;
	struct stats_observer *observer;
	struct threshold *threshold;
	struct fingerprints *fingerprints;
	struct cluster *list;
	size_t count;
	uint64_t generation; /* counts the lists: a reload makes a new one */
	uint64_t evidence_last;
	struct readiness_settings readiness;
	uint64_t entries; /* of the matchers together */
	/* Of fingerprints, before this process; of classes also those of clusters that are gone. */
	struct stats_TABLE evicted_before;

	/* Connections and failed connects that may be any cluster's. A connection is so until its start-up
	 * packet is seen, which is no matter: the least of some seconds counts. */
	uint64_t ambiguous, ambiguous_least[2], ambiguous_since_ns;
	uint64_t ambiguous_failures;
};

static inline struct stats_target *target_stats(struct cluster *cluster, const struct role *role)
{
	return role->target == TARGET_PRIMARY ? &cluster->stats->primary : &cluster->stats->mirror;
}

/* A role may be older than the list, and name clusters that a reload has taken away. */
static inline uint64_t clusters_of(const struct clusters *clusters, const struct role *role)
{
	uint64_t all = clusters->count < 64 ? (1ull << clusters->count) - 1 : UINT64_MAX;

	return role->target == TARGET_NONE ? 0 : role->clusters & all;
}

/* Iterates over the clusters in which a connection has its role: one for a mirror, several for a shared
 * primary. From bit to bit, since every record passes here and there may be many clusters. */
#define FOR_EACH_CLUSTER(clusters, role, cluster)                                                  \
	for (uint64_t bits_ = clusters_of(clusters, role); bits_; bits_ &= bits_ - 1)              \
		for (struct cluster *cluster = &(clusters)->list[__builtin_ctzll(bits_)]; cluster; \
		     cluster = NULL)

/* The connection's part in the comparison; called with every query, its answer, and the end of a request. */
void members_sent(struct clusters *clusters, const struct conn_view *conn, const struct session_query *query);
void members_answered(struct clusters *clusters, const struct conn_view *conn,
		      const struct session_query *query);
void members_request(struct clusters *clusters, const struct conn_view *conn);
/* A failure of what was never executed. */
void members_homeless(struct clusters *clusters, const struct conn_view *conn,
		      const struct session_statement *statement);
/* The connection has ended. */
void members_leave(struct clusters *clusters, const struct conn_view *conn);

#endif
