/* SPDX-License-Identifier: MIT */
/*
 * page - the index page for people: links, and the main figures of each cluster. HTML without scripts and
 * without anything from elsewhere; its style sheet is page_css.
 */
#ifndef MO_PAGE_H
#define MO_PAGE_H

#include "buffer.h"
#include "stats.h"

struct page_options {
	const char *version;
	const char *not_ready; /* why, in one sentence; NULL = ready */
	uint64_t now_us;       /* Unix time, for "last failure 12 s ago" */
};

extern const char page_css[];
void page_write(struct buffer *out, const struct stats *stats, const struct page_options *options);

#endif
