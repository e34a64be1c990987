/* SPDX-License-Identifier: MIT */
#include "serve/page.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "serve/html.h"
#include "serve/openmetrics.h"
#include "serve/page_verdict.h"

const char page_css[] =
    ":root{color-scheme:light dark;--ink:#1b1f24;--paper:#fff;--line:#d8dde3;--soft:#5b6672;--link:#0b57d0;"
    "--ok:#1a7f37;--bad:#b3261e;--open:#8a5a00;--fill:#f5f7f9}\n"
    "@media (prefers-color-scheme:dark){:root{--ink:#e4e7eb;--paper:#16191d;--line:#363c44;--soft:#9aa4af;"
    "--link:#8ab4f8;--ok:#5fd37c;--bad:#ff8a80;--open:#f0b955;--fill:#1e2227}}\n"
    "body{font:16px/1.5 system-ui,sans-serif;max-width:76rem;margin:2rem auto;padding:0 "
    "1.25rem;color:var(--ink);"
    "background:var(--paper)}\n"
    "a{color:var(--link)}h1{font-size:1.5rem;margin:0}h2{font-size:1.35rem;margin:0 0 .75rem}"
    "h3{font-size:1rem;margin:1.25rem 0 .25rem}\n"
    "header,footer{display:flex;flex-wrap:wrap;gap:.25rem "
    "1rem;align-items:baseline;justify-content:space-between}"
    "header p,footer p{margin:.25rem 0;color:var(--soft)}\n"
    "section{border:1px solid var(--line);border-left:.4rem solid var(--open);border-radius:.4rem;"
    "padding:1rem 1.25rem;margin:1.25rem 0}section.ok{border-left-color:var(--ok)}"
    "section.bad{border-left-color:var(--bad)}\n"
    "section.ok h2 span{color:var(--ok)}section.bad h2 span{color:var(--bad)}section.open h2 "
    "span{color:var(--open)}\n"
    ".wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:.9rem}\n"
    "th,td{padding:.4rem .6rem;border-bottom:1px solid var(--line);text-align:left;vertical-align:top;"
    "font-variant-numeric:tabular-nums}th{font-weight:600;color:var(--soft)}th[scope=row]{color:inherit}"
    "tr:last-child>*{border-bottom:0}.n{text-align:right;white-space:nowrap}\n"
    ".checks td:last-child{width:55%}.statements td:first-child{width:30%}"
    "td code{font-size:.85rem;overflow-wrap:anywhere}\n"
    ".tag{display:inline-block;padding:0 .5rem;border:1px "
    "solid;border-radius:1rem;font-size:.8rem;white-space:nowrap}"
    ".tag.ok{color:var(--ok)}.tag.bad{color:var(--bad)}.tag.open{color:var(--open)}td.bad,span.bad{color:var("
    "--bad);"
    "font-weight:600}\n"
    "details{margin-top:.75rem}summary{cursor:pointer;color:var(--soft)}\n"
    ".totals{background:var(--fill);border-radius:.4rem}.totals td,.totals th{text-align:right}"
    ".totals td:first-child,.totals th:first-child{text-align:left}\n";

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
	html_text(out, c->name);
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

static void write_header(struct buffer *out, const char *not_ready)
{
	buffer_string(out,
		      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
		      "<meta name=\"viewport\" content=\"width=device-width\"><title>mirror-observer</title>"
		      "<link rel=\"stylesheet\" "
		      "href=\"/style.css\"></head>\n<body><header><h1>mirror-observer</h1>\n<p>");
	if (not_ready) {
		buffer_string(out, "<span class=\"bad\">Not observing:</span> ");
		html_text(out, not_ready);
	} else {
		buffer_string(out, "Observing. Could I switch over now?");
	}
	buffer_string(out, "</p></header>\n");
}

void page_write(struct buffer *out, const struct stats *stats, const struct page_options *options)
{
	write_header(out, options->not_ready);
	if (options->clusters)
		page_verdicts(out, options->clusters, options->now_ns);
	write_table(out, stats, options->now_us);
	buffer_string(
	    out,
	    "<footer><p><a href=\"/readiness\">readiness</a> &middot; "
	    "<a href=\"/statements\">statements</a> &middot; <a href=\"/metrics\">metrics</a> &middot; "
	    "<a href=\"/-/healthy\">healthy</a> &middot; <a href=\"/-/ready\">attached</a></p><p>Version ");
	html_text(out, options->version);
	buffer_string(out, "</p></footer></body></html>\n");
}
