/* SPDX-License-Identifier: MIT */
/*
 * live - what page, terminal and report show of each cluster: verdict, its sentence, since when, the figures
 * over time and what happened. Brought up to date once a second; everything that is shown within a second is
 * one snapshot.
 *
 * Owns series, marks and classlog of each configured cluster: a reload and a restart keep them for the same
 * cluster (name, addresses and databases), and for no other.
 */
#ifndef MO_LIVE_H
#define MO_LIVE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "cluster/cluster.h"
#include "serve/classlog.h"
#include "serve/marks.h"
#include "serve/series.h"

#define LIVE_SENTENCE_MAX 512

struct live_cluster {
	char name[64];
	uint64_t identity; /* of name, addresses and databases: another one of the same name begins anew */
	struct readiness readiness;
	char sentence[LIVE_SENTENCE_MAX];
	uint64_t since_s; /* Unix time of the verdict's last change, as far as it was observed */
	struct series *series;
	struct classlog *classes;
	struct marks marks;
};

struct live;

int live_new(struct live **out);
void live_free(struct live **live);

/* Once a second. now_ns: CLOCK_MONOTONIC. clusters may be NULL: then there are none. diagnosis: may be NULL,
 * and return it: see sentence.h. */
struct live_tick {
	struct clusters *clusters;
	const struct stats_observer *observer;
	const char *(*diagnosis)(void *ctx, size_t cluster);
	void *ctx;
	uint64_t now_s, now_ns;
};
void live_tick(struct live *live, const struct live_tick *tick);

/* A mark for one cluster (by name) or, with NULL, for all. */
void live_mark(struct live *live, const char *cluster, uint64_t now_s, enum mark_kind kind, const char *text);

/* The observer began: for clusters that were restored the mark tells how long nothing was observed. */
void live_mark_start(struct live *live, uint64_t now_s);

/* As of the last tick: index i is the cluster's in the configuration then. */
size_t live_count(const struct live *live);
const struct live_cluster *live_get(const struct live *live, size_t i);
/* NULL when there is none of that name. */
const struct live_cluster *live_find(const struct live *live, const char *name);
/* Unix time of the last tick, and how many there were. */
uint64_t live_now_s(const struct live *live);
uint64_t live_ticks(const struct live *live);
/* The mean of a figure's last ten seconds; NaN when none of them is known. */
double live_recent(const struct live_cluster *cluster, enum series_id id);

/* For keep.h. live_layout() changes whenever what was saved would be read wrongly. */
uint64_t live_layout(void);
void live_save(const struct live *live, struct buffer *out);
/* Takes what live_save wrote; clusters that are not configured are dropped at the next tick. 0 or -EINVAL,
 * -ENOMEM: then nothing was taken. */
int live_restore(struct live *live, const void *data, size_t len);

#endif
