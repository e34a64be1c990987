/* SPDX-License-Identifier: MIT */
/*
 * observation - the observing half of the daemon: capture, connections and clusters, wired to each other and
 * to the loop.
 *
 * Owns the probe, the resolver, the classification and the connections. What it finds out goes into the
 * statistics. Exists only while mirror_metrics_enabled.
 */
#ifndef MO_OBSERVATION_H
#define MO_OBSERVATION_H

#include <stdint.h>

#include "base/loop.h"
#include "cluster/cluster.h"
#include "config/config.h"
#include "inspection.h"
#include "serve/exposition.h"
#include "stats/stats.h"
#include "stats/threshold.h"

struct observation;

/*
 * Loads and attaches; from then on the loop drains the records. The configuration must outlive the
 * observation or the next observation_reload, parser (may be NULL) the observation. 0 or -errno:
 * observation_error() is then one sentence with the remedy.
 */
int observation_new(struct observation **out, struct loop *loop, struct stats *stats,
		    struct threshold *threshold, struct parser *parser, const struct config *config);
/* Detaches everything. */
void observation_free(struct observation **observation);
const char *observation_error(void);

/* Takes a checked configuration; connections keep their sessions and are classified anew. 0, or -errno and
 * nothing is changed: observation_error() says why. */
int observation_reload(struct observation *observation, const struct config *config);

/* Looks at the proxy's connections and judges the configuration, as is done every few seconds; say: in the
 * log too. 0 or -errno (probe_error()). */
int observation_inspect(struct observation *observation, bool say);
/* With what is known of its database. */
struct role observation_role(const struct observation *observation, const struct diagnosis_group *group);
const struct inspection *observation_inspection(const struct observation *observation);

/* Drains the ring and copies the kernel's totals into the statistics; call before they are shown, and then
 * only: a full ring takes a while. */
void observation_sync(struct observation *observation);
/* The same as far as a pass of the loop may go: what remains comes in the next ones. */
void observation_refresh(struct observation *observation);
/* For what is shown of them; valid until a reload or observation_free. */
struct clusters *observation_clusters(const struct observation *observation);
/* An exposition_source; ctx is the struct observation. */
void observation_write(void *ctx, struct exposition *x);
const char *observation_mode(const struct observation *observation);
/* CLOCK_MONOTONIC, microseconds: the clock of everything here. */
uint64_t observation_now_us(void);

#endif
