/* SPDX-License-Identifier: MIT */
/*
 * inspection - the diagnosis of a running observation: asks the kernel for the proxy's connections, lets
 * diagnosis.h judge them, says in the log what is new, and exports what was found.
 */
#ifndef MO_INSPECTION_H
#define MO_INSPECTION_H

#include "capture/probe.h"
#include "cluster/cluster.h"
#include "config/config.h"
#include "diagnosis/diagnosis.h"
#include "serve/exposition.h"
#include "watch/classify.h"
#include "watch/proxy.h"

struct inspection;

struct inspection_subject {
	struct probe *probe;
	struct proxy *proxy;
	const struct config *config;
	const struct classify *classify;
	struct clusters *clusters;
};

/* 0 or -ENOMEM. */
int inspection_new(struct inspection **out);
void inspection_free(struct inspection **inspection);

/* A start-up packet named that database; role is what became of it. */
void inspection_startup(struct inspection *inspection, const struct address *remote, const char *database,
			const struct role *role);

/* A walk over open files and the judgement. say: what is new goes to the log. 0, or -errno of the walk. */
int inspection_run(struct inspection *inspection, const struct inspection_subject *subject, bool say);

/* Of the last run. */
const struct diagnosis *inspection_diagnosis(const struct inspection *inspection);
const struct diagnosis_group *inspection_groups(const struct inspection *inspection, size_t *count);
size_t inspection_processes(const struct inspection *inspection);

/* mirror_observer_proxy_processes and mirror_observer_backend_connections. */
void inspection_write(const struct inspection *inspection, const struct clusters *clusters,
		      struct exposition *x);

#endif
