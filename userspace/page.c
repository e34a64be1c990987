/* SPDX-License-Identifier: MIT */
#include "page.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "openmetrics.h"

const char page_css[] =
    "body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#1b1f24;"
    "background:#fff}\n"
    "table{border-collapse:collapse;width:100%}\n"
    "th,td{padding:.35rem .6rem;border-bottom:1px solid #d5dae0;text-align:right;"
    "font-variant-numeric:tabular-nums}\n"
    "th:first-child,td:first-child{text-align:left}\n"
    "caption{text-align:left;padding:.5rem 0}\n"
    ".bad{color:#b3261e;font-weight:600}\n"
    "@media (prefers-color-scheme:dark){body{color:#e4e7eb;background:#16191d}th,td{border-color:#3a4048}"
    "a{color:#8ab4f8}.bad{color:#ff8a80}}\n";

static void escaped(struct buffer *out, const char *s)
{
	for (; *s; s++)
		switch (*s) {
		case '<':
			buffer_string(out, "&lt;");
			break;
		case '>':
			buffer_string(out, "&gt;");
			break;
		case '&':
			buffer_string(out, "&amp;");
			break;
		case '"':
			buffer_string(out, "&quot;");
			break;
		default:
			buffer_append(out, s, 1);
		}
}

static void ago(struct buffer *out, uint64_t at_us, uint64_t now_us)
{
	uint64_t s = now_us > at_us ? (now_us - at_us) / 1000000 : 0;

	if (!at_us)
		buffer_string(out, "<td>never</td>");
	else if (s < 120)
		buffer_printf(out, "<td>%" PRIu64 " s ago</td>", s);
	else if (s < 7200)
		buffer_printf(out, "<td>%" PRIu64 " min ago</td>", s / 60);
	else
		buffer_printf(out, "<td>%" PRIu64 " h ago</td>", s / 3600);
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

	buffer_string(out, "<tr><td>");
	escaped(out, c->name);
	buffer_string(out, "</td>");
	count(out, c->requests.success + c->requests.failure + c->requests.unknown, false);
	if (isnan(rate))
		buffer_string(out, "<td>no data</td>");
	else
		buffer_printf(out, "<td>%.3f&nbsp;%%</td>", rate);
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
		      "<table><caption>Requests that the proxy sent to the mirror, since the counters began"
		      "</caption>\n<tr><th>Cluster</th><th>Requests</th><th>Success rate</th>"
		      "<th>Connection failures</th><th>Timeouts</th><th>Failed queries</th><th>Unknown</th>"
		      "<th>Connections to primary</th><th>to mirror</th><th>Last failure</th></tr>\n");
	for (uint32_t i = 0; i < n; i++)
		if (*clusters[i].name)
			write_cluster(out, &clusters[i], now_us);
	buffer_string(out, "</table>\n");
}

void page_write(struct buffer *out, const struct stats *stats, const struct page_options *options)
{
	buffer_string(
	    out, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
		 "<meta name=\"viewport\" content=\"width=device-width\"><title>mirror-observer</title>"
		 "<link rel=\"stylesheet\" href=\"/style.css\"></head>\n<body><h1>mirror-observer</h1>\n<p>");
	if (options->not_ready) {
		buffer_string(out, "<span class=\"bad\">Not observing:</span> ");
		escaped(out, options->not_ready);
	} else {
		buffer_string(out, "Observing.");
	}
	buffer_string(out, "</p>\n");
	write_table(out, stats, options->now_us);
	buffer_string(out, "<p><a href=\"/metrics\">metrics</a> &middot; <a href=\"/-/healthy\">healthy</a> "
			   "&middot; <a href=\"/-/ready\">ready</a></p>\n<p>Version ");
	escaped(out, options->version);
	buffer_string(out, "</p></body></html>\n");
}
