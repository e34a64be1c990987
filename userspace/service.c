/* SPDX-License-Identifier: MIT */
#include "service.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "endpoints.h"
#include "http.h"
#include "openmetrics.h"

struct service {
	struct http *http;
	struct endpoints *endpoints;
	struct openmetrics *openmetrics;
	struct loop_source *readable, *deadline;
};

const char *service_error(void)
{
	return http_error();
}

/* libmicrohttpd says when it wants to be called again even if no descriptor becomes ready. */
static void run(void *ctx, uint32_t what)
{
	struct service *service = ctx;
	int timeout_ms;

	(void)what;
	http_run(service->http);
	timeout_ms = http_timeout(service->http);
	loop_set_timer(service->deadline, timeout_ms < 0 ? 0 : timeout_ms ? timeout_ms * 1000ull : 1, 0);
}

static int listen_and_serve(struct service *service, const struct service_options *options)
{
	const struct http_options http = {.host = options->host, .port = options->port};
	int err = http_new(&service->http, &http);

	if (!err)
		err = endpoints_add(service->endpoints, service->http);
	if (!err)
		err = loop_add_timer(options->loop, 0, 0, run, service, &service->deadline);
	if (!err)
		err = loop_add_fd(options->loop, http_fd(service->http), EPOLLIN, run, service,
				  &service->readable);
	return err;
}

static int build(struct service *service, const struct service_options *options)
{
	const struct openmetrics_options openmetrics = {.stats = options->stats,
							.observer_only = options->observer_only,
							.version = VERSION,
							.attach_mode = options->attach_mode,
							.ctx = options->ctx};
	struct endpoints_options endpoints = {.stats = options->stats,
					      .version = VERSION,
					      .not_ready = options->not_ready,
					      .ctx = options->ctx};
	int err = openmetrics_new(&service->openmetrics, &openmetrics);

	if (err)
		return err;
	endpoints.openmetrics = service->openmetrics;
	err = endpoints_new(&service->endpoints, &endpoints);
	return err ? err : listen_and_serve(service, options);
}

int service_new(struct service **out, const struct service_options *options)
{
	struct service *service = calloc(1, sizeof(*service));
	int err;

	if (!service)
		return -ENOMEM;
	err = build(service, options);
	if (err) {
		service_free(&service);
		return err;
	}
	*out = service;
	return 0;
}

void service_free(struct service **service)
{
	if (!*service)
		return;
	loop_remove(&(*service)->readable);
	loop_remove(&(*service)->deadline);
	http_free(&(*service)->http);
	endpoints_free(&(*service)->endpoints);
	openmetrics_free(&(*service)->openmetrics);
	free(*service);
	*service = NULL;
}

int service_add(struct service *service, struct exposition_source source, bool cluster_scoped)
{
	return openmetrics_add(service->openmetrics, source, cluster_scoped);
}

uint16_t service_port(const struct service *service)
{
	return http_port(service->http);
}
