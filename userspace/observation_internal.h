/* SPDX-License-Identifier: MIT */
/*
 * observation_internal - shared by observation.c (the stages wired to each other, what is observed as what),
 * observation_totals.c (what the kernel counts becomes counters) and observation_diagnosis.c (does the
 * configuration fit what runs).
 */
#ifndef MO_OBSERVATION_INTERNAL_H
#define MO_OBSERVATION_INTERNAL_H

#include "capture/conn.h"
#include "capture/probe.h"
#include "observation.h"
#include "reading.h"
#include "watch/classify.h"
#include "watch/filter.h"
#include "watch/proxy.h"
#include "watch/resolve.h"

struct observation {
	struct loop *loop;
	const struct config *config;
	struct stats *stats;
	struct probe *probe;
	struct proxy *proxy;
	struct resolve *resolve;
	struct classify *classify;
	struct filter filter; /* the one in force */
	struct inspection *inspection;
	struct loop_source *inspection_timer;
	bool looks_soon; /* the timer fires earlier than usual */
	struct clusters *clusters;
	struct conns *conns;
	struct parser *parser;
	uint64_t deaths_before; /* of its worker: of the map before this process */
	struct loop_source *ring, *rest, *names, *tick_timer, *proxy_timer;
	struct reading *reading;           /* of TLS; NULL with `tls: off` */
	struct stats_TABLE evicted_before; /* of the tables of connections and their segments */
	unsigned int walks_skipped;        /* walks for clients that are still to be left out */
	uint64_t behind_ns; /* since then each tick has found records waiting; 0 = the last did not */
	uint64_t lost_seen,
	    lost_ns; /* what the kernel has lost so far, and when that was last seen to grow */
	uint64_t recovered, recovered_ns; /* lost_seen when sockets were asked last, and when that was */
	struct probe_totals base;         /* counters of the map before this process; see observation_sync */
};

/* Brings the kernel's totals into the statistics. */
void observation_count(struct observation *o);
/* The map continues over restarts, the kernel's totals begin at zero with each load: what was there is the
 * base. */
void observation_remember_base(struct observation *o);

/* Looks whether the configuration fits, now and from then on; 0 or -errno. */
int observation_start_looking(struct observation *o);
void observation_look(struct observation *o);
/* A connection was found to be that: what was wrong so far may be so no more, and is soon looked at again. */
void observation_role_found(struct observation *o, const struct role *role);

#endif
