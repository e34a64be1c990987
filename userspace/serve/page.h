/* SPDX-License-Identifier: MIT */
/*
 * page - the index page for people. Its files are in serve/web/: index.html is filled here with what can be
 * said without a script, the verdict's sentence on each cluster and its main figures; app.js puts the live
 * page in its place. Nothing comes from elsewhere.
 */
#ifndef MO_PAGE_H
#define MO_PAGE_H

#include "base/buffer.h"
#include "serve/live.h"
#include "stats/stats.h"

struct page_options {
	const char *version;
	const char *not_ready;   /* why, in one sentence; NULL = ready */
	uint64_t now_us;         /* Unix time, for "last failure 12 s ago" */
	const struct live *live; /* may be NULL */
};

void page_write(struct buffer *out, const struct stats *stats, const struct page_options *options);

#endif
