/* SPDX-License-Identifier: MIT */
/*
 * page_verdict - the part of the index page that answers the question: the verdict on each cluster, its
 * checks and the statements in the way.
 */
#ifndef MO_PAGE_VERDICT_H
#define MO_PAGE_VERDICT_H

#include <stdint.h>

#include "base/buffer.h"
#include "cluster/cluster.h"

/* now_ns: CLOCK_MONOTONIC. */
void page_verdicts(struct buffer *out, struct clusters *clusters, uint64_t now_ns);

#endif
