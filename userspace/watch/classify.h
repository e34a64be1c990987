/* SPDX-License-Identifier: MIT */
/*
 * classify - which cluster, and which side of it, a connection belongs to: by where it goes and which
 * database its start-up packet names.
 *
 * A table made from the configuration and from what its host names stand for now; made anew when either
 * changes. It never guesses: what could be two things is ambiguous.
 */
#ifndef MO_CLASSIFY_H
#define MO_CLASSIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "config/config.h"

/* Label values of `target`, and what is neither. */
enum target { TARGET_PRIMARY, TARGET_MIRROR, TARGET_NONE };

struct role {
	enum target target;
	uint64_t
	    clusters; /* bit i = config->clusters[i]; several only for a shared primary; 0 for TARGET_NONE */
	bool ambiguous; /* TARGET_NONE because more than one answer is possible */
};

struct classify;

/* What a host name stands for now; the port in the ranges is of no account. */
typedef size_t classify_lookup(void *ctx, const char *host, const struct address_range **out);

/* The configuration must outlive the table. lookup may be NULL: then names stand for nothing. 0 or -ENOMEM.
 */
int classify_new(struct classify **out, const struct config *config, classify_lookup *lookup, void *ctx);
void classify_free(struct classify **classify);

/*
 * The role of a connection to remote, or where path is not NULL to the Unix-domain socket path. database
 * NULL: the start-up packet was not seen; then there is an answer only where each database that the
 * configuration names there would give the same one.
 */
struct role classify(const struct classify *table, const struct address *remote, const char *path,
		     const char *database);

/* A side of that cluster has addresses in both tables, and none in common: by host name it has moved. */
bool classify_moved(const struct classify *before, const struct classify *now, size_t cluster);

/* The i-th range of the table, Unix-domain ones first; NULL past the end. Ranges may repeat. */
const struct address_range *classify_range(const struct classify *table, size_t i);

/* One sentence when host names stand for addresses that make an endpoint two things at once, else NULL. */
const char *classify_conflict(const struct classify *table);

#endif
