/* SPDX-License-Identifier: MIT */
/*
 * diagnosis - does the configuration fit what runs, and if not, what is to be changed?
 *
 * The one set of sentences: --check prints them, the daemon logs them, the page has them on top, and the
 * verdict gives the first as its first reason. Pure: the connections that were found, the configuration and a
 * few counters in, findings out, the one to look at first in front.
 */
#ifndef MO_DIAGNOSIS_H
#define MO_DIAGNOSIS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/event.h"
#include "config/config.h"
#include "watch/classify.h"

#define DIAGNOSIS_DATABASE_MAX 64
#define DIAGNOSIS_TEXT_MAX     480
#define DIAGNOSIS_MAX          64 /* findings; the rest is left out */
#define DIAGNOSIS_GROUPS_MAX   256

/* Open connections that processes of one name have made, with the same destination and database. */
struct diagnosis_group {
	struct survey found;                   /* one of them */
	char database[DIAGNOSIS_DATABASE_MAX]; /* "" = not known */
	uint64_t count;
	/* A bit for each group, by its place in the list, in which one of this one's processes is too. */
	uint64_t company[DIAGNOSIS_GROUPS_MAX / 64];
};

/* What was counted of one side of a cluster. */
struct diagnosis_side {
	uint64_t plain, encrypted, resyncing; /* connections now */
	uint64_t statements;                  /* lately */
	uint64_t unkeyed; /* statements whose text is not known: prepared before the observer was there */
};

struct diagnosis_cluster {
	struct diagnosis_side primary, mirror;
	uint64_t pairs, inverted; /* of those, answered by the mirror before the primary was asked */
};

struct diagnosis_input {
	const struct config *config;
	const struct classify *classify;
	const char *proxy; /* the selection, as proxy_describe has it */
	const struct diagnosis_group *groups;
	size_t group_count;
	const struct diagnosis_cluster *clusters; /* one for each of the configuration */
	size_t processes;                         /* of the proxy */
};

enum diagnosis_kind {
	DIAGNOSIS_NO_PROCESS,     /* the proxy does not run, as far as can be seen */
	DIAGNOSIS_OTHER_PROCESS,  /* but another process is connected to the configured addresses */
	DIAGNOSIS_NO_CONNECTION,  /* the proxy is connected to nothing (yet) */
	DIAGNOSIS_OTHER_ADDRESS,  /* a side has no connection, the proxy is connected elsewhere */
	DIAGNOSIS_OTHER_DATABASE, /* a side's connections are to another database */
	DIAGNOSIS_SIDE_MISSING,   /* a side has no connection, and there is none elsewhere */
	DIAGNOSIS_SWAPPED,
	DIAGNOSIS_ENCRYPTED,
	DIAGNOSIS_MPTCP,
	DIAGNOSIS_REDIRECTED,
	DIAGNOSIS_PREPARED,
};

struct diagnosis_finding {
	enum diagnosis_kind kind;
	int cluster; /* index in the configuration, -1 = all */
	bool wrong;  /* the configuration cannot be right: not merely nothing yet */
	char text[DIAGNOSIS_TEXT_MAX];
};

struct diagnosis {
	struct diagnosis_finding findings[DIAGNOSIS_MAX];
	size_t count;
	/* Connections of the proxy, by cluster and side (enum target). */
	uint64_t connections[CONFIG_CLUSTERS_MAX][2];
};

void diagnose(const struct diagnosis_input *input, struct diagnosis *out);

/* The first finding of a cluster or of all; NULL where there is none. */
const struct diagnosis_finding *diagnosis_of(const struct diagnosis *diagnosis, size_t cluster);
/* Is one of them `wrong`? */
bool diagnosis_is_wrong(const struct diagnosis *diagnosis);

/* With what is known of the database. */
struct role diagnosis_role(const struct classify *classify, const struct diagnosis_group *group);
/* Where a connection goes, as text. */
const char *diagnosis_remote(const struct survey *found, char text[ADDRESS_TEXT_MAX]);

#endif
