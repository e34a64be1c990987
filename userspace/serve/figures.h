/* SPDX-License-Identifier: MIT */
/*
 * figures - what is computed about clusters rather than counted: queue depth, age, share, verdict. As metric
 * families, as JSON for /readiness and /statements.
 *
 * JSON carries normalised statement texts only (fingerprint.h): no literals, no server messages.
 */
#ifndef MO_FIGURES_H
#define MO_FIGURES_H

#include "base/buffer.h"
#include "cluster/cluster.h"
#include "serve/exposition.h"
#include "stats/threshold.h"

/* An exposition_source; ctx is the struct clusters. */
void figures_write(void *ctx, struct exposition *x);
/* The same of pgdog_mirror_failure_threshold_exceeded; ctx is the struct threshold. */
void figures_write_threshold(void *ctx, struct exposition *x);

/*
 * {"clusters":[{"name","verdict","checks":[{"name","verdict","value","threshold","unit","reason"}]}]}
 * name NULL = all clusters. *worst is the worst verdict (not_ready before insufficient_data before ready).
 * -ENOENT when no cluster has that name.
 */
int figures_readiness(struct clusters *clusters, const char *name, struct buffer *out, enum verdict *worst);

/* {"clusters":[{"name","statements":[{...}]}]}: the statement classes most in the way, worst first, at most
 * `limit` each. */
int figures_statements(struct clusters *clusters, const char *name, size_t limit, struct buffer *out);

#endif
