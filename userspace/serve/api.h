/* SPDX-License-Identifier: MIT */
/*
 * api - the JSON below /api/v1: what page, terminal and report show, for everybody else too. Its description
 * is serve/web/openapi.json, served at /api/v1/openapi.json; a test holds the answers to it.
 *
 *   /api/v1/status      every cluster in short
 *   /api/v1/cluster     one with its checks, connections, counters, configuration     ?cluster=
 *   /api/v1/series      its figures over time, and marks        ?cluster=&range=5m|1h|2h|24h
 *   /api/v1/statements  its statement classes                   ?cluster=&limit=
 *   /api/v1/statement   one class, over time                    ?cluster=&fingerprint=
 *   /api/v1/stream      status and cluster, pushed every second (server-sent events)   ?cluster=
 *
 * What the first two say is the snapshot of one second (live.h), so that a page and a scrape of the same
 * second agree, and it is rendered once for all who ask within it. Texts of numbers ("text": "59 s") come
 * from quantity.h.
 */
#ifndef MO_API_H
#define MO_API_H

#include "cluster/cluster.h"
#include "serve/http.h"
#include "serve/live.h"
#include "stats/stats.h"

struct api;

struct api_options {
	const struct live *live;
	const struct stats *stats;
	const char *version;
	struct clusters *(*clusters)(void *ctx);
	const char *(*not_ready)(void *ctx);
	const char *(*attach_mode)(void *ctx);
	void *ctx;
};

int api_new(struct api **out, const struct api_options *options);
void api_free(struct api **api);
/* Adds all paths; 0 or -ENOSPC. */
int api_add(struct api *api, struct http *http);

/* The pieces, in files of their own. Each appends one JSON document. */
void api_write_status(const struct api_options *options, struct buffer *out);
void api_write_cluster(const struct api_options *options, const struct live_cluster *cluster, size_t i,
		       struct buffer *out);
/* Seconds of `range`, 0 when it is none of those above. */
unsigned int api_range(const char *range);
void api_write_series(const struct live_cluster *cluster, unsigned int seconds, struct buffer *out);
void api_write_statements(const struct live_cluster *cluster, const struct top *top, size_t limit,
			  struct buffer *out);
/* False, and nothing written, when there is no such class. */
bool api_write_statement(const struct live_cluster *cluster, const struct top *top, uint64_t fingerprint,
			 struct buffer *out);

#endif
