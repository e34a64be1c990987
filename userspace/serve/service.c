/* SPDX-License-Identifier: MIT */
#include "serve/service.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "base/log.h"
#include "serve/api.h"
#include "serve/endpoints.h"
#include "serve/figures.h"
#include "serve/http.h"
#include "serve/live.h"
#include "serve/openmetrics.h"

#define STATEMENTS_SHOWN 20 /* unless ?limit= says otherwise */

struct service {
	struct http *http;
	struct endpoints *endpoints;
	struct openmetrics *openmetrics;
	struct live *live;
	struct api *api;
	struct loop_source *readable, *deadline, *second;
	struct service_options options;
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

/* ------------------------------------------------------------------------------------------- each second */

#define SECOND_US     1000000
#define AFTER_TURN_US 2000 /* a timer that is a little early must not see the old second again */

static void update(struct service *service)
{
	const struct live_tick tick = {.clusters = service->options.clusters(service->options.ctx),
				       .observer = stats_observer((struct stats *)service->options.stats),
				       .diagnosis = service->options.diagnosis,
				       .ctx = service->options.ctx,
				       .now_s = stats_now_us() / SECOND_US,
				       .now_ns = clock_ns()};

	service->options.refresh_briefly(service->options.ctx);
	live_tick(service->live, &tick);
	if (live_ticks(service->live) == 1)
		live_mark_start(service->live, tick.now_s);
}

/* Just after each turn of the clock's second, so that every second has its point. */
static void each_second(void *ctx, uint32_t what)
{
	struct service *service = ctx;

	update(service);
	http_push(service->http);
	run(service, what);
	loop_set_timer(service->second, SECOND_US - stats_now_us() % SECOND_US + AFTER_TURN_US, 0);
}

/* ------------------------------------------------------------------------- /readiness, /statements, /-/reset
 */

/* NULL, and the reply says why, when nothing is observed. */
static struct clusters *observed(struct service *service, struct http_reply *reply)
{
	struct clusters *clusters = service->options.clusters(service->options.ctx);

	if (!clusters) {
		reply->status = 503;
		buffer_string(&reply->body, "nothing is observed: mirror_metrics_enabled is false\n");
	}
	return clusters;
}

static void unknown_cluster(struct http_reply *reply)
{
	reply->status = 404;
	buffer_reset(&reply->body);
	buffer_string(&reply->body, "{\"error\":\"no cluster of that name is configured\"}\n");
}

static void readiness(void *ctx, const struct http_request *request, struct http_reply *reply)
{
	struct service *service = ctx;
	struct clusters *clusters = observed(service, reply);
	enum verdict worst;

	if (!clusters)
		return;
	service->options.refresh(service->options.ctx);
	reply->content_type = "application/json";
	if (figures_readiness(clusters, http_query(request, "cluster"), &reply->body, &worst))
		unknown_cluster(reply);
	else
		reply->status = worst == VERDICT_READY ? 200 : 503;
}

static void statements(void *ctx, const struct http_request *request, struct http_reply *reply)
{
	struct service *service = ctx;
	struct clusters *clusters = observed(service, reply);
	const char *limit = http_query(request, "limit");

	if (!clusters)
		return;
	reply->content_type = "application/json";
	if (figures_statements(clusters, http_query(request, "cluster"),
			       limit ? strtoul(limit, NULL, 10) : STATEMENTS_SHOWN, &reply->body))
		unknown_cluster(reply);
}

static bool find_cluster(const struct clusters *clusters, const char *name, size_t *out)
{
	for (size_t i = 0; i < clusters_count(clusters); i++)
		if (strcmp(clusters_config(clusters, i)->name, name) == 0) {
			*out = i;
			return true;
		}
	return false;
}

static void reset(void *ctx, const struct http_request *request, struct http_reply *reply)
{
	struct service *service = ctx;
	struct clusters *clusters = observed(service, reply);
	const char *name = http_query(request, "cluster");
	size_t i;

	if (!clusters)
		return;
	reply->content_type = "application/json";
	if (!name) {
		reply->status = 400;
		buffer_string(&reply->body, "{\"error\":\"?cluster= is missing\"}\n");
	} else if (!find_cluster(clusters, name, &i)) {
		unknown_cluster(reply);
	} else {
		clusters_reset(clusters, i);
		live_mark(service->live, name, stats_now_us() / SECOND_US, MARK_RESET,
			  "verdict started anew");
		log_info("cluster %s: the verdict starts anew, as asked for", name);
		buffer_string(&reply->body, "{\"reset\":true}\n");
	}
}

static int listen_and_serve(struct service *service, const struct service_options *options)
{
	const struct http_options http = {.host = options->host, .port = options->port};
	int err = http_new(&service->http, &http);

	if (!err)
		err = endpoints_add(service->endpoints, service->http);
	if (!err)
		err = api_add(service->api, service->http);
	if (!err)
		err = http_add(service->http, "/readiness", readiness, service);
	if (!err)
		err = http_add(service->http, "/statements", statements, service);
	if (!err)
		err = http_add_action(service->http, "/-/reset", reset, service);
	if (!err)
		err = loop_add_timer(options->loop, 0, 0, run, service, &service->deadline);
	if (!err)
		err = loop_add_timer(options->loop, 1, 0, each_second, service, &service->second);
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
							.refresh = options->refresh,
							.ctx = options->ctx};
	struct endpoints_options endpoints = {.stats = options->stats,
					      .version = VERSION,
					      .not_ready = options->not_ready,
					      .ctx = options->ctx};
	struct api_options api = {.stats = options->stats,
				  .version = VERSION,
				  .clusters = options->clusters,
				  .not_ready = options->not_ready,
				  .attach_mode = options->attach_mode,
				  .ctx = options->ctx};
	int err = openmetrics_new(&service->openmetrics, &openmetrics);

	if (!err)
		err = live_new(&service->live);
	if (err)
		return err;
	api.live = endpoints.live = service->live;
	endpoints.openmetrics = service->openmetrics;
	err = api_new(&service->api, &api);
	if (!err)
		err = endpoints_new(&service->endpoints, &endpoints);
	return err ? err : listen_and_serve(service, options);
}

int service_new(struct service **out, const struct service_options *options)
{
	struct service *service = calloc(1, sizeof(*service));
	int err;

	if (!service)
		return -ENOMEM;
	service->options = *options;
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
	loop_remove(&(*service)->second);
	http_free(&(*service)->http);
	api_free(&(*service)->api);
	live_free(&(*service)->live);
	endpoints_free(&(*service)->endpoints);
	openmetrics_free(&(*service)->openmetrics);
	free(*service);
	*service = NULL;
}

int service_add(struct service *service, struct exposition_source source, bool cluster_scoped)
{
	return openmetrics_add(service->openmetrics, source, cluster_scoped);
}

void service_reloaded(struct service *service)
{
	update(service); /* the list of clusters may be another one */
	live_mark(service->live, NULL, stats_now_us() / SECOND_US, MARK_RELOAD, "configuration reloaded");
}

struct live *service_live(struct service *service)
{
	return service->live;
}

uint16_t service_port(const struct service *service)
{
	return http_port(service->http);
}
