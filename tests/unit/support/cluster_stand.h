/* SPDX-License-Identifier: MIT */
/*
 * cluster_stand - clusters with their counters and connections, configured by texts, with made-up traffic and
 * pretended time: what is known of a cluster, and what is not.
 */
#ifndef MO_CLUSTER_STAND_H
#define MO_CLUSTER_STAND_H

#include "cluster/cluster.h"

#define SECOND     1000000000ull
#define STATEMENTS 40
#define SETTINGS                                                                      \
	"proxy: {comm: pgpool}\nreadiness: {window: 60s, observed: 1s}\nwindow: 1m\n" \
	"mirror_failure_threshold: 5\nclusters:\n"
#define CLUSTER(name, primary, primary_db, mirror, mirror_db)                                 \
	"  - name: " name "\n    primary: {address: " primary ", database: " primary_db "}\n" \
	"    mirror: {address: " mirror ", database: " mirror_db "}\n"

#define A       CLUSTER("a", "127.0.0.1:1", "app", "127.0.0.1:2", "app")
#define B       CLUSTER("b", "127.0.0.1:1", "app", "127.0.0.1:3", "app")
#define ONLY(x) SETTINGS x

struct cluster_stand {
	struct stats *stats;
	struct threshold *threshold;
	struct config *config;
	struct clusters *clusters;
	struct classify *table;
	struct conns *conns;
	struct conn_sink sink;
	uint64_t now, serial, sockets;
};

/* One connection, as the clusters see it. */
struct cluster_side {
	struct conn_view view;
	void *user;
};

/* A test gets a stand with cluster A alone. */
#define CLUSTER_TEST(name) cmocka_unit_test_setup_teardown(name, cluster_set_up, cluster_tear_down)
int cluster_set_up(void **state);
int cluster_tear_down(void **state);
/* As observation_reload() does; false when memory was short, and then all is as before. */
bool cluster_reload(struct cluster_stand *f, const char *text);

void cluster_side(struct cluster_side *side, enum target target, uint64_t clusters);
struct session_query cluster_ask(struct cluster_stand *f, struct cluster_side *side, uint64_t key,
				 const char *text);
void cluster_answer(struct cluster_stand *f, struct cluster_side *side, struct session_query *query);
/* Statements of the i-th cluster, each on both sides, and some seconds of it. */
void cluster_run(struct cluster_stand *f, size_t i);

struct stats_cluster *cluster_counters(struct cluster_stand *f, size_t i);
const struct readiness_check *cluster_check(const struct readiness *readiness, const char *name);
void assert_known(struct cluster_stand *f, size_t i);
/* Nothing is known, and no check passes on what was counted before. */
void assert_unknown(struct cluster_stand *f, size_t i);
/* After as much as was seen of the first: not only not yet. */
void assert_learns(struct cluster_stand *f, size_t i);

#endif
