/* SPDX-License-Identifier: MIT */
#include "serve/api.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "serve/assets.h"

#define STATEMENTS_SHOWN 200 /* unless ?limit= says otherwise */

/* What was rendered within a second serves everybody who asks within it. */
struct cached {
	struct buffer text;
	uint64_t tick; /* live_ticks() of then */
};

struct api {
	struct api_options options;
	struct cached status;
	struct cached *clusters;
	size_t cluster_count;
};

int api_new(struct api **out, const struct api_options *options)
{
	struct api *api = calloc(1, sizeof(*api));

	if (!api)
		return -ENOMEM;
	api->options = *options;
	*out = api;
	return 0;
}

static void drop_clusters(struct api *api)
{
	for (size_t i = 0; i < api->cluster_count; i++)
		buffer_free(&api->clusters[i].text);
	free(api->clusters);
	api->clusters = NULL;
	api->cluster_count = 0;
}

void api_free(struct api **api)
{
	if (!*api)
		return;
	drop_clusters(*api);
	buffer_free(&(*api)->status.text);
	free(*api);
	*api = NULL;
}

/* ------------------------------------------------------------------------------------------- what is asked
 * for */

static bool is_fresh(const struct api *api, const struct cached *cached)
{
	return cached->text.len && !cached->text.failed && cached->tick == live_ticks(api->options.live);
}

static const struct buffer *status_text(struct api *api)
{
	if (!is_fresh(api, &api->status)) {
		buffer_reset(&api->status.text);
		api->status.tick = live_ticks(api->options.live);
		api_write_status(&api->options, &api->status.text);
	}
	return &api->status.text;
}

/* NULL without memory. */
static const struct buffer *cluster_text(struct api *api, const struct live_cluster *cluster, size_t i)
{
	struct cached *cached;

	if (api->cluster_count != live_count(api->options.live)) {
		drop_clusters(api);
		api->clusters = calloc(live_count(api->options.live), sizeof(*api->clusters));
		if (!api->clusters)
			return NULL;
		api->cluster_count = live_count(api->options.live);
	}
	cached = &api->clusters[i];
	if (!is_fresh(api, cached)) {
		buffer_reset(&cached->text);
		cached->tick = live_ticks(api->options.live);
		api_write_cluster(&api->options, cluster, i, &cached->text);
	}
	return &cached->text;
}

static void refuse(struct http_reply *reply, unsigned int status, const char *sentence)
{
	reply->status = status;
	buffer_reset(&reply->body);
	buffer_printf(&reply->body, "{\"error\":\"%s\"}\n", sentence);
}

/* The snapshot may be a second older than the configuration: what is in both, and at the same place. */
static const struct live_cluster *find(struct api *api, const struct http_request *request, size_t *out)
{
	const char *name = http_query(request, "cluster");
	struct clusters *clusters = api->options.clusters(api->options.ctx);
	size_t count = live_count(api->options.live);

	for (size_t i = 0; name && clusters && i < count && i < clusters_count(clusters); i++)
		if (strcmp(live_get(api->options.live, i)->name, name) == 0 &&
		    strcmp(clusters_config(clusters, i)->name, name) == 0) {
			*out = i;
			return live_get(api->options.live, i);
		}
	return NULL;
}

/* Like find(), and the reply says why when there is none. */
static const struct live_cluster *wanted(struct api *api, const struct http_request *request,
					 struct http_reply *reply, size_t *i)
{
	const struct live_cluster *cluster = find(api, request, i);

	reply->content_type = "application/json";
	if (cluster)
		return cluster;
	if (!http_query(request, "cluster"))
		refuse(reply, 400, "?cluster= is missing");
	else
		refuse(reply, 404, "no cluster of that name is observed");
	return NULL;
}

static void finish(struct http_reply *reply, const struct buffer *text)
{
	if (!text || text->failed)
		reply->body.failed = true;
	else
		buffer_append(&reply->body, text->data, text->len);
	buffer_string(&reply->body, "\n");
}

/* --------------------------------------------------------------------------------------------------- paths
 */

static void status(void *ctx, const struct http_request *request, struct http_reply *reply)
{
	(void)request;
	reply->content_type = "application/json";
	finish(reply, status_text(ctx));
}

static void cluster(void *ctx, const struct http_request *request, struct http_reply *reply)
{
	size_t i;
	const struct live_cluster *found = wanted(ctx, request, reply, &i);

	if (found)
		finish(reply, cluster_text(ctx, found, i));
}

static void series(void *ctx, const struct http_request *request, struct http_reply *reply)
{
	size_t i;
	const struct live_cluster *found = wanted(ctx, request, reply, &i);
	const char *range = http_query(request, "range");
	unsigned int seconds = api_range(range ? range : "1h");

	if (!found)
		return;
	if (!seconds) {
		refuse(reply, 400, "range must be 5m, 1h, 2h or 24h");
		return;
	}
	api_write_series(found, seconds, &reply->body);
	buffer_string(&reply->body, "\n");
}

static const struct top *top_of(struct api *api, size_t i)
{
	return twins_top(clusters_twins(api->options.clusters(api->options.ctx), i));
}

static void statements(void *ctx, const struct http_request *request, struct http_reply *reply)
{
	const char *limit = http_query(request, "limit");
	size_t i;
	const struct live_cluster *found = wanted(ctx, request, reply, &i);

	if (!found)
		return;
	api_write_statements(found, top_of(ctx, i), limit ? strtoul(limit, NULL, 10) : STATEMENTS_SHOWN,
			     &reply->body);
	buffer_string(&reply->body, "\n");
}

static void statement(void *ctx, const struct http_request *request, struct http_reply *reply)
{
	const char *fingerprint = http_query(request, "fingerprint");
	size_t i;
	const struct live_cluster *found = wanted(ctx, request, reply, &i);

	if (!found)
		return;
	if (!fingerprint ||
	    !api_write_statement(found, top_of(ctx, i), strtoull(fingerprint, NULL, 16), &reply->body))
		refuse(reply, 404, "no statement class of that fingerprint is known");
	else
		buffer_string(&reply->body, "\n");
}

static void description(void *ctx, const struct http_request *request, struct http_reply *reply)
{
	(void)ctx, (void)request;
	reply->content_type = "application/json";
	buffer_string(&reply->body, asset_openapi_json);
}

static void write_event(struct buffer *out, const char *event, const struct buffer *text)
{
	buffer_printf(out, "event: %s\ndata: ", event);
	buffer_append(out, text->data, text->len);
	buffer_string(out, "\n\n");
}

static void stream(void *ctx, const struct http_request *request, struct http_reply *reply)
{
	struct api *api = ctx;
	size_t i;
	const struct live_cluster *found = find(api, request, &i);
	const struct buffer *text = status_text(api);

	buffer_string(&reply->body, "retry: 2000\n");
	write_event(&reply->body, "status", text);
	text = found ? cluster_text(api, found, i) : NULL;
	if (text)
		write_event(&reply->body, "cluster", text);
}

int api_add(struct api *api, struct http *http)
{
	static const struct {
		const char *path;
		http_handler *handler;
	} routes[] = {
	    {"/api/v1/status", status},       {"/api/v1/cluster", cluster},
	    {"/api/v1/series", series},       {"/api/v1/statements", statements},
	    {"/api/v1/statement", statement}, {"/api/v1/openapi.json", description},
	};

	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
		if (http_add(http, routes[i].path, routes[i].handler, api))
			return -ENOSPC;
	return http_add_stream(http, "/api/v1/stream", stream, api);
}
