/* SPDX-License-Identifier: MIT */
#include "serve/page.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/quantity.h"
#include "serve/assets.h"
#include "serve/html.h"
#include "serve/openmetrics.h"

#define PLACE "<!-- without a script -->" /* in index.html */

static void ago(struct buffer *out, uint64_t at_us, uint64_t now_us)
{
	uint64_t s = now_us > at_us ? (now_us - at_us) / 1000000 : 0;
	char text[QUANTITY_MAX];

	if (!at_us)
		buffer_string(out, "<td>never</td>");
	else
		buffer_printf(out, "<td>%s ago</td>", quantity(text, s, "s"));
}

static void count(struct buffer *out, uint64_t value, bool bad)
{
	buffer_printf(out, "<td%s>%" PRIu64 "</td>", bad && value ? " class=\"bad\"" : "", value);
}

static uint64_t open_connections(const struct stats_target *target)
{
	return target->connections.plain + target->connections.encrypted + target->connections.resyncing;
}

static void write_cluster(struct buffer *out, const struct stats_cluster *c, uint64_t now_us)
{
	double rate = openmetrics_success_rate(c);
	char text[QUANTITY_MAX];

	buffer_string(out, "<tr><td>");
	html_text(out, c->name);
	buffer_string(out, "</td>");
	count(out, c->requests.success + c->requests.failure + c->requests.unknown, false);
	if (isnan(rate))
		buffer_string(out, "<td>no data</td>");
	else
		buffer_printf(out, "<td>%s</td>", quantity(text, rate, "%"));
	count(out, c->failures.connection, true);
	count(out, c->failures.timeout, true);
	count(out, c->failures.query_execution, true);
	count(out, c->requests.unknown, false);
	count(out, open_connections(&c->primary), false);
	count(out, open_connections(&c->mirror), false);
	ago(out, c->last_failure.value, now_us);
	buffer_string(out, "</tr>\n");
}

static void write_table(struct buffer *out, const struct stats *stats, uint64_t now_us)
{
	uint32_t n;
	const struct stats_cluster *clusters = stats_elements(stats, &n);

	buffer_string(out,
		      "<h3>Requests that the proxy sent to the mirror, since the counters began</h3>\n"
		      "<div class=\"wide\"><table "
		      "class=\"totals\"><tr><th>Cluster</th><th>Requests</th><th>Success rate</th>"
		      "<th>Connection failures</th><th>Timeouts</th><th>Failed queries</th><th>Unknown</th>"
		      "<th>Connections to primary</th><th>to mirror</th><th>Last failure</th></tr>\n");
	for (uint32_t i = 0; i < n; i++)
		if (*clusters[i].name)
			write_cluster(out, &clusters[i], now_us);
	buffer_string(out, "</table></div>\n");
}

static void write_sentences(struct buffer *out, const struct live *live)
{
	for (size_t i = 0; i < live_count(live); i++) {
		const struct live_cluster *cluster = live_get(live, i);

		buffer_string(out, "<p><strong>");
		html_text(out, cluster->name);
		buffer_string(out, "</strong>: ");
		html_text(out, cluster->sentence);
		buffer_string(out, "</p>\n");
	}
}

static void write_static(struct buffer *out, const struct stats *stats, const struct page_options *options)
{
	if (options->not_ready) {
		buffer_string(out, "<p><span class=\"bad\">Not observing:</span> ");
		html_text(out, options->not_ready);
		buffer_string(out, "</p>\n");
	}
	if (options->live)
		write_sentences(out, options->live);
	write_table(out, stats, options->now_us);
	buffer_string(out, "<p>Version ");
	html_text(out, options->version);
	buffer_string(out, "</p>\n");
}

void page_write(struct buffer *out, const struct stats *stats, const struct page_options *options)
{
	const char *place = strstr(asset_index_html, PLACE);

	if (place)
		buffer_append(out, asset_index_html, place - asset_index_html);
	write_static(out, stats, options);
	if (place)
		buffer_string(out, place + strlen(PLACE));
}
