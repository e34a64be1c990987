/* SPDX-License-Identifier: MIT */
#include "serve/endpoints.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "serve/assets.h"
#include "serve/header.h"
#include "serve/page.h"

struct rendering {
	struct buffer text;
	uint64_t at_ms;
};

struct endpoints {
	struct endpoints_options options;
	struct rendering last[2]; /* by enum exposition_format */
	uint64_t second;          /* in which `rendered` were rendered */
	unsigned int rendered;
};

int endpoints_new(struct endpoints **out, const struct endpoints_options *options)
{
	struct endpoints *e = calloc(1, sizeof(*e));

	if (!e)
		return -ENOMEM;
	e->options = *options;
	*out = e;
	return 0;
}

void endpoints_free(struct endpoints **endpoints)
{
	if (!*endpoints)
		return;
	buffer_free(&(*endpoints)->last[0].text);
	buffer_free(&(*endpoints)->last[1].text);
	free(*endpoints);
	*endpoints = NULL;
}

/* True when the last rendering must do: the second's share is spent and it is not too old. */
static bool flooded(struct endpoints *e, const struct rendering *last, uint64_t now)
{
	if (now / 1000 != e->second) {
		e->second = now / 1000;
		e->rendered = 0;
	}
	return e->rendered >= ENDPOINTS_RENDERS && last->text.len && !last->text.failed &&
	       now - last->at_ms < ENDPOINTS_STALE_MS;
}

static void metrics(void *ctx, const struct http_request *request, struct http_reply *reply)
{
	struct endpoints *e = ctx;
	enum exposition_format format =
	    header_wants_openmetrics(request->accept) ? EXPOSITION_OPENMETRICS : EXPOSITION_PROMETHEUS;
	struct rendering *last = &e->last[format];
	uint64_t now = clock_ms();

	if (!flooded(e, last, now)) {
		buffer_reset(&last->text);
		openmetrics_render(e->options.openmetrics, format, &last->text);
		last->at_ms = now;
		e->rendered++;
	}
	reply->content_type = exposition_content_type(format);
	reply->body.failed = last->text.failed;
	buffer_append(&reply->body, last->text.data, last->text.len);
}

static void healthy(void *ctx, const struct http_request *request, struct http_reply *reply)
{
	(void)ctx, (void)request;
	buffer_string(&reply->body, "healthy\n");
}

static void ready(void *ctx, const struct http_request *request, struct http_reply *reply)
{
	const struct endpoints *e = ctx;
	const char *why = e->options.not_ready(e->options.ctx);

	(void)request;
	reply->status = why ? 503 : 200;
	if (why)
		buffer_printf(&reply->body, "not ready: %s\n", why);
	else
		buffer_string(&reply->body, "ready\n");
}

static void page(void *ctx, const struct http_request *request, struct http_reply *reply)
{
	const struct endpoints *e = ctx;
	const struct page_options options = {
	    .version = e->options.version,
	    .not_ready = e->options.not_ready(e->options.ctx),
	    .now_us = stats_now_us(),
	    .live = e->options.live,
	};

	(void)request;
	reply->content_type = "text/html; charset=utf-8";
	page_write(&reply->body, e->options.stats, &options);
}

/* A file of the page; its type follows from its name. */
static void asset(void *ctx, const struct http_request *request, struct http_reply *reply)
{
	static const struct {
		const char *path, *text, *type;
	} assets[] = {
	    {"/style.css", asset_style_css, "text/css; charset=utf-8"},
	    {"/format.js", asset_format_js, "text/javascript; charset=utf-8"},
	    {"/dom.js", asset_dom_js, "text/javascript; charset=utf-8"},
	    {"/plot.js", asset_plot_js, "text/javascript; charset=utf-8"},
	    {"/cluster.js", asset_cluster_js, "text/javascript; charset=utf-8"},
	    {"/statements.js", asset_statements_js, "text/javascript; charset=utf-8"},
	    {"/app.js", asset_app_js, "text/javascript; charset=utf-8"},
	    {"/icon.svg", asset_icon_svg, "image/svg+xml"},
	};

	(void)ctx;
	for (size_t i = 0; i < sizeof(assets) / sizeof(assets[0]); i++)
		if (strcmp(assets[i].path, request->path) == 0) {
			reply->content_type = assets[i].type;
			buffer_string(&reply->body, assets[i].text);
		}
}

int endpoints_add(struct endpoints *e, struct http *http)
{
	static const struct {
		const char *path;
		http_handler *handler;
	} routes[] = {
	    {"/", page},
	    {"/metrics", metrics},
	    {"/-/healthy", healthy},
	    {"/-/ready", ready},
	    {"/style.css", asset},
	    {"/format.js", asset},
	    {"/dom.js", asset},
	    {"/plot.js", asset},
	    {"/cluster.js", asset},
	    {"/statements.js", asset},
	    {"/app.js", asset},
	    {"/icon.svg", asset},
	};

	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
		if (http_add(http, routes[i].path, routes[i].handler, e) < 0)
			return -ENOSPC;
	return 0;
}
