/* SPDX-License-Identifier: MIT */
/*
 * fetch - one HTTP request to a running daemon, or to Prometheus, as the commands that ask need it. The only
 * file that knows libcurl.
 *
 * Follows no redirect, uses no proxy, gives up after FETCH_SECONDS; an answer is at most FETCH_MAX bytes.
 */
#ifndef MO_FETCH_H
#define MO_FETCH_H

#include "base/buffer.h"

#define FETCH_SECONDS 10
#define FETCH_MAX     (16u << 20)

enum fetch_method { FETCH_GET, FETCH_ACTION /* POST without a body, see http.h */ };

struct fetch_reply {
	long status;        /* of HTTP */
	struct buffer body; /* NUL-terminated; caller frees */
};

/* base such as "http://127.0.0.1:10432"; path may have a query; cluster, when not NULL, becomes
 * its ?cluster= or &cluster=. 0, or -errno and one
 * sentence from fetch_error(): -EINVAL when base is no URL, else -EHOSTUNREACH or -ENOMEM. */
int fetch(struct fetch_reply *out, enum fetch_method method, const char *base, const char *path,
	  const char *cluster);
/* The same for an instant query to Prometheus's HTTP API below base. */
int fetch_query(struct fetch_reply *out, const char *base, const char *promql);
const char *fetch_error(void);

#endif
