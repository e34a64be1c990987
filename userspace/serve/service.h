/* SPDX-License-Identifier: MIT */
/*
 * service - the serving half of the daemon: what there is to say, over HTTP, in the event loop.
 *
 * Owns the HTTP server, its pages and the exposition. Reads the statistics; counts nothing itself.
 */
#ifndef MO_SERVICE_H
#define MO_SERVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/loop.h"
#include "cluster/cluster.h"
#include "serve/exposition.h"
#include "stats/stats.h"

struct service;
struct live;

struct service_options {
	struct loop *loop;
	const struct stats *stats;
	const char *host;                        /* numeric address */
	uint16_t port;                           /* 0 = the kernel chooses */
	bool observer_only;                      /* mirror_metrics_enabled: false */
	struct clusters *(*clusters)(void *ctx); /* NULL while nothing is observed */
	void (*refresh)(void *ctx);              /* before figures are shown */
	void (*refresh_briefly)(void *ctx);      /* the same as far as a pass of the loop may go */
	const char *(*attach_mode)(void *ctx);   /* NULL while nothing is attached */
	const char *(*not_ready)(void *ctx);     /* NULL when attached and serving, else why not */
	/* Why nothing can be judged of the i-th cluster, in one sentence, NULL when no cause is known. May be
	 * NULL. */
	const char *(*diagnosis)(void *ctx, size_t i);
	void *ctx;
};

/* Listens and answers from then on. 0 or -errno; service_error() is then one sentence. */
int service_new(struct service **out, const struct service_options *options);
void service_free(struct service **service);
const char *service_error(void);

/* Families from other modules; see exposition.h. */
int service_add(struct service *service, struct exposition_source source, bool cluster_scoped);
/* The configuration was reloaded: marked in the plots. */
void service_reloaded(struct service *service);
/* What is shown of the clusters, for saving and restoring it. */
struct live *service_live(struct service *service);
uint16_t service_port(const struct service *service);

#endif
