/* SPDX-License-Identifier: MIT */
/*
 * page - the index page for people: the verdict on each cluster, its main figures, links. HTML without
 * scripts and without anything from elsewhere; its style sheet is page_css.
 */
#ifndef MO_PAGE_H
#define MO_PAGE_H

#include "base/buffer.h"
#include "cluster/cluster.h"
#include "stats/stats.h"

struct page_options {
	const char *version;
	const char *not_ready;     /* why, in one sentence; NULL = ready */
	uint64_t now_us;           /* Unix time, for "last failure 12 s ago" */
	uint64_t now_ns;           /* CLOCK_MONOTONIC */
	struct clusters *clusters; /* NULL while nothing is observed */
};

extern const char page_css[];
void page_write(struct buffer *out, const struct stats *stats, const struct page_options *options);

#endif
