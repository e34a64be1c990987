/* SPDX-License-Identifier: MIT */
/*
 * cluster - what the configured primary + mirror pairs experienced: turns what connections report into
 * counters.
 *
 * The stage after conn: clusters_sink() gives the callbacks that conn calls. Owns one entry for each
 * configured cluster; the counters themselves live in the pinned map (stats.h), so that there is one source
 * for HTTP and bpftool.
 *
 * Accounting rules (design: "What the figures mean"), kept by every function here:
 *   requests{failure} == sum of failures over error_type, always
 *   a failed connect to the mirror is one failed request of type connection
 *   ignored statements and upkeep are counted apart, never as mirrored traffic
 */
#ifndef MO_CLUSTER_H
#define MO_CLUSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "capture/conn.h"
#include "config/config.h"
#include "sql/parser.h"
#include "stats/stats.h"
#include "stats/threshold.h"
#include "verdict/readiness.h"
#include "verdict/twins.h"

struct clusters;

/* Counters live in stats, the window over failed requests in threshold; both must outlive this, as must
 * parser (NULL: classes are called by their tag only). 0 or -ENOMEM. */
int clusters_new(struct clusters **out, struct stats *stats, struct threshold *threshold,
		 struct parser *parser);
void clusters_free(struct clusters **clusters);

/*
 * Takes the clusters of a configuration. What is known of one goes on as long as it is the same cluster, that
 * is its name, endpoints and databases (config_same_cluster): matching, statement classes, the threshold's
 * window and the history of the verdict. Whatever differs in one of these begins anew, though the counters of
 * a name go on; those of names that are gone are dropped.
 *
 * Index i is config->clusters[i], as in struct role.clusters: a role is good for the list that it was made
 * for, and no call may come with it afterwards (conns_leave_roles). The configuration (at most max_clusters
 * clusters, which config.h ensures) must outlive the next call. Returns 0 or -ENOMEM; then nothing is
 * changed.
 */
int clusters_configure(struct clusters *clusters, const struct config *config);

/*
 * What is known of the i-th is forgotten, as if it were another cluster: its counters go on, its connections
 * keep their roles. 0 or -ENOMEM; then the verdict begins anew, while the matching goes on.
 */
int clusters_renew(struct clusters *clusters, size_t i);

/* Callbacks for conns_new; classify is left NULL for main to fill. */
struct conn_sink clusters_sink(struct clusters *clusters);

/* About ten times a second: matching and the history of the verdict move on. */
void clusters_tick(struct clusters *clusters, uint64_t now_ns);
/* Takes the parser's answers that are there. False once it is gone for good. */
bool clusters_collect_names(struct clusters *clusters);
/* Brings what the matcher and the tables of statement classes count up to date in the map. */
void clusters_sync(struct clusters *clusters);

/* The proxy's client connections; 0 = not known. */
void clusters_set_clients(struct clusters *clusters, uint32_t clients);

size_t clusters_count(const struct clusters *clusters);
const struct config_cluster *clusters_config(const struct clusters *clusters, size_t i);
/* Its counters in the map; clusters_sync brings some of them up to date. */
const struct stats_cluster *clusters_stats(const struct clusters *clusters, size_t i);
struct twins *clusters_twins(const struct clusters *clusters, size_t i);
void clusters_readiness(struct clusters *clusters, size_t i, uint64_t now_ns, struct readiness *out);
/* Why the cluster cannot be judged, as a sentence; "" = nothing is the matter. wrong: it is not ready for
 * that alone. It becomes the first reason of the verdict. */
void clusters_set_diagnosis(struct clusters *clusters, size_t i, const char *text, bool wrong);
/* NULL where nothing is the matter. */
const char *clusters_diagnosis(const struct clusters *clusters, size_t i);
/* The verdict starts anew from here; counters stay. */
void clusters_reset(struct clusters *clusters, size_t i);

#endif
