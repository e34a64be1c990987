/* SPDX-License-Identifier: MIT */
/*
 * endpoints - what is behind / and the files of the page, /metrics, /-/healthy and /-/ready.
 *
 * Every scrape is rendered afresh, except under a flood of requests (more than ENDPOINTS_RENDERS a second):
 * then the last rendering is given again for up to ENDPOINTS_STALE_MS, so that requests cannot take the time
 * that the records of the kernel need.
 */
#ifndef MO_ENDPOINTS_H
#define MO_ENDPOINTS_H

#include "serve/http.h"
#include "serve/live.h"
#include "serve/openmetrics.h"
#include "stats/stats.h"

#define ENDPOINTS_RENDERS  50
#define ENDPOINTS_STALE_MS 200

struct endpoints;

struct endpoints_options {
	struct openmetrics *openmetrics;
	const struct stats *stats;
	const char *version;
	/* NULL when programs are attached and served, else why not, in one sentence. */
	const char *(*not_ready)(void *ctx);
	const struct live *live; /* NULL: nothing is observed */
	void *ctx;
};

int endpoints_new(struct endpoints **out, const struct endpoints_options *options);
void endpoints_free(struct endpoints **endpoints);
/* Adds them all; 0 or -ENOSPC. */
int endpoints_add(struct endpoints *endpoints, struct http *http);

#endif
