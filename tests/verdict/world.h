/* SPDX-License-Identifier: MIT */
/*
 * world - a pretended migration, composed at random from a seed: workload, proxy, mirror, observer. Healthy
 * ones differ in all that does no harm; a sick one has, besides, one thing of which the verdict must not be
 * "ready".
 */
#ifndef MO_WORLD_H
#define MO_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#define WORLD_CLASSES 40
#define WORLD_TENANTS 10
#define WORLD_TEXT    96

/* What may be the matter; `rate` and `which` of struct world say how much and with what. */
#define SICKNESSES(S)                                                                         \
	S(missing_table, "a table is missing: every call of one statement fails")             \
	S(missing_function, "a function is missing that is called a few times an hour")       \
	S(rights, "a right is missing: every call of one statement fails")                    \
	S(control_fails, "SET fails on the mirror only")                                      \
	S(commit_fails, "2 % of the COMMITs fail on the mirror only")                         \
	S(rows_missing, "one statement finds fewer rows, always")                             \
	S(rows_partly, "a frequent statement finds fewer rows, one time in five")             \
	S(rare_rows, "a table is empty that is read a few times an hour")                     \
	S(poll_short, "a polled table varies lawfully, and the mirror has always fewer rows") \
	S(tenant_empty, "one tenant's tables are empty")                                      \
	S(tenant_lost, "the mirror's sessions do not have the search_path of the primary's")  \
	S(constraint, "a constraint is missing: the mirror accepts what the primary refuses") \
	S(no_index, "an index is missing: one statement takes 50 times as long")              \
	S(slow, "the mirror takes three times as long")                                       \
	S(overload, "the mirror is slower than the traffic")                                  \
	S(dead, "the mirror dies and stays dead")                                             \
	S(stalled, "the mirror stops to answer")                                              \
	S(silent_end, "the proxy drops a third, and the traffic ends")                        \
	S(drops, "the proxy drops a tenth or more")                                           \
	S(never_mirrored, "one statement is never mirrored")                                  \
	S(refuses, "2 % of the mirror's connections are refused")                             \
	S(timeouts, "0.5 % of the requests time out on the mirror")                           \
	S(swapped, "primary and mirror are swapped in the configuration")                     \
	S(blind, "2 % of the outcomes are not seen")                                          \
	S(unkeyed, "most texts are not seen, prepared before the observer came")
#define SICKNESS_ENUM(name, what) SICK_##name,
enum sickness { SICKNESSES(SICKNESS_ENUM) SICKNESS_COUNT, HEALTHY = SICKNESS_COUNT };
extern const char *const sickness_names[], *const sickness_texts[];

enum proxy_kind { PROXY_PGDOG, PROXY_PGCAT, PROXY_PGPOOL, PROXY_KINDS };

struct statement_class {
	char text[WORLD_TEXT]; /* with a $1 that stands for the key */
	double weight;
	double service_s;
	unsigned keys; /* distinct parameters */
	bool polls;    /* rows vary from call to call, on both sides alike */
	bool rare;     /* a few times an hour */
};

struct world {
	uint64_t seed;
	enum sickness sickness;
	enum proxy_kind proxy;
	unsigned classes, clients, tenants; /* tenants 0: no settings */
	struct statement_class class[WORLD_CLASSES];
	unsigned which;             /* class or tenant that is sick */
	unsigned both_fail;         /* a tenant whose table is missing on both sides, or UINT32_MAX */
	double rate;                /* requests a second */
	double block_share;         /* of requests that are transaction blocks */
	double exposure;            /* what is mirrored; configured */
	double drop;                /* of what should be */
	double mirror_speed;        /* times the primary's service time */
	double onset;               /* s from which the sickness is there; 0 = from the beginning */
	double ends;                /* s at which the traffic ends */
	double pause;               /* s that a request of a client waits before it is replayed */
	bool session_set;           /* tenants by SET for the session's life, not SET LOCAL */
	bool late;                  /* connections are older than the observer */
	bool pooled;                /* primary connections are shared between clients */
	double reset_at, reload_at; /* s; 0 = never */
	double unknown;             /* share of outcomes that are not seen */
	/* the configuration */
	double observed, window, recent;
	double demanded; /* s that the evidence rules take at that rate */
	double lasts;    /* s */
};

/* sickness HEALTHY: a healthy one. */
void world_compose(struct world *world, uint64_t seed, enum sickness sickness);

/* The generator behind all that is random: advances *state. */
uint64_t world_random(uint64_t *state);
double world_uniform(uint64_t *state);

#endif
