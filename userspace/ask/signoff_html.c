/* SPDX-License-Identifier: MIT */
/* The report's HTML. */
#include <math.h>
#include <string.h>
#include <time.h>
#include <xxhash.h>

#include "ask/answer.h"
#include "ask/signoff.h"
#include "ask/sketch.h"
#include "base/quantity.h"
#include "serve/html.h"

static const char style[] =
    ":root{--ok:#1a7f37;--bad:#b3261e;--open:#8a5a00}*{box-sizing:border-box}"
    "body{font:14px/1.45 system-ui,sans-serif;max-width:70rem;margin:0 auto;padding:1rem "
    "1.25rem;color:#1b1f24;background:#fff}"
    "h1{font-size:1.5rem}h2{font-size:1.25rem;border-bottom:2px solid "
    "#1b1f24;margin-top:2.5rem}h3{margin:1.5rem 0 .4rem}"
    ".sentence{font-size:1.2rem;font-weight:600;padding:.5rem .8rem;border-left:.4rem solid "
    "var(--open);background:#f5f7f9}"
    ".ready{color:var(--ok)}.not_ready{color:var(--bad)}.sentence.ready{border-color:var(--ok)}"
    ".sentence.not_ready{border-color:var(--bad)}"
    ".insufficient_data{color:var(--open)}"
    "table{border-collapse:collapse;width:100%;font-size:.85rem}"
    "th,td{text-align:left;vertical-align:top;padding:.25rem .5rem;border-bottom:1px solid #d8dde3;"
    "font-variant-numeric:tabular-nums}.n{text-align:right;white-space:nowrap}"
    "code{font-size:.8rem;overflow-wrap:anywhere}td:first-child{white-space:nowrap}td "
    "code{white-space:normal}.why{color:var(--bad);white-space:normal;font-weight:600;display:block}"
    ".plots{display:grid;grid-template-columns:1fr 1fr;gap:.75rem}figure{margin:0;border:1px solid "
    "#d8dde3;padding:.4rem "
    ".6rem;break-inside:avoid}figcaption{font-weight:600}.legend{margin:0;font-size:.75rem}"
    "svg{width:100%;height:auto;display:block}svg "
    "text{font-size:11px;fill:#56606b}.y{text-anchor:end}.x{text-anchor:middle}"
    ".axis{stroke:#d8dde3}.line{fill:none;stroke-width:1.6;stroke-linejoin:round}.mark{stroke:#56606b;stroke-"
    "dasharray:3 3}"
    ".c1{stroke:#0b57d0;color:#0b57d0}.c2{stroke:#c2410c;color:#c2410c}.c3{stroke:#7c3aed;color:#7c3aed}"
    ".c4{stroke:#0f766e;color:#0f766e}.c5{stroke:#a21caf;color:#a21caf}.c6{stroke:#6b5b00;color:#6b5b00}"
    ".sign{display:grid;grid-template-columns:1fr 1fr 1fr;gap:2rem;margin-top:4rem}.sign "
    "p{border-top:1px solid;padding-top:.25rem;margin:0}"
    "@page{size:A4;margin:14mm}@media "
    "print{body{padding:0;max-width:none;font-size:11px}h2{break-before:page}"
    "h2:first-of-type{break-before:auto}tr{break-inside:avoid}}";

static void cell(struct buffer *out, const char *name, const char *text)
{
	buffer_printf(out, *name ? "<td class=\"%s\">" : "<td>", name);
	html_text(out, text);
	buffer_string(out, "</td>");
}

static const char *clock_text(char out[32], double at)
{
	time_t seconds = (time_t)at;
	struct tm utc;

	strcpy(out, "-");
	if (at > 0 && gmtime_r(&seconds, &utc))
		strftime(out, 32, "%Y-%m-%d %H:%M:%S UTC", &utc);
	return out;
}

static void pair(struct buffer *out, const char *name, const char *text)
{
	buffer_string(out, "<tr><th scope=\"row\">");
	html_text(out, name);
	buffer_string(out, "</th>");
	cell(out, "", text);
	buffer_string(out, "</tr>\n");
}

static void pair_number(struct buffer *out, const char *name, double value, const char *unit)
{
	char text[QUANTITY_MAX];

	pair(out, name, quantity(text, value, unit));
}

void signoff_begin(struct buffer *out, const json_t *status)
{
	char at[32];

	buffer_string(out, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n<meta "
			   "name=\"viewport\" content=\"width=device-width\">\n<title>mirror-observer: "
			   "report</title>\n<style>");
	buffer_string(out, style);
	buffer_string(out, "</style></head>\n<body><h1>Could the traffic be switched over?</h1>\n<table>\n");
	pair(out, "Written", clock_text(at, answer_number(status, "now")));
	pair(out, "Observer", answer_text(status, "version"));
	pair(out, "Report written by version", VERSION);
	pair(out, "How it sees", answer_text(status, "attach_mode"));
	if (*answer_text(status, "why_not"))
		pair(out, "Not observing", answer_text(status, "why_not"));
	buffer_string(out, "</table>\n");
}

/* ---------------------------------------------------------------------------------------------------- checks
 */

static void write_check(struct buffer *out, const json_t *check)
{
	static const char *const words[][2] = {
	    {"ready", "passes"}, {"not_ready", "fails"}, {"insufficient_data", "no evidence"}};
	const char *verdict = answer_text(check, "verdict"), *word = "";
	char wanted[QUANTITY_MAX + 8];

	for (size_t i = 0; i < 3; i++)
		if (strcmp(words[i][0], verdict) == 0)
			word = words[i][1];
	buffer_printf(out, "<tr><td class=\"%s\">%s</td>", *word ? verdict : "", word);
	cell(out, "", answer_text(check, "name"));
	cell(out, "n", answer_figure(check, "value"));
	snprintf(wanted, sizeof(wanted), "%s %.60s",
		 strcmp(answer_text(check, "compare"), "at_least") ? "\u2264" : "\u2265",
		 answer_figure(check, "wanted"));
	cell(out, "n", wanted);
	cell(out, "", answer_text(check, "reason"));
	buffer_string(out, "</tr>\n");
}

static void write_checks(struct buffer *out, const json_t *cluster)
{
	const json_t *checks = json_object_get(cluster, "check_list"), *check;
	size_t i;

	buffer_string(out,
		      "<h3>Checks</h3><table><tr><th>Verdict</th><th>Check</th><th class=\"n\">Value</th><th "
		      "class=\"n\">Wanted</th><th>Reason</th></tr>\n");
	json_array_foreach(checks, i, check) write_check(out, check);
	buffer_string(out, "</table>\n");
}

static void write_history(struct buffer *out, const json_t *series)
{
	const json_t *marks = json_object_get(series, "marks"), *mark;
	char at[32];
	size_t i;

	buffer_string(out, "<h3>What happened</h3><table><tr><th>When</th><th>What</th><th></th></tr>\n");
	json_array_foreach(marks, i, mark)
	{
		buffer_string(out, "<tr>");
		cell(out, "", clock_text(at, answer_number(mark, "at")));
		cell(out, "", answer_text(mark, "kind"));
		cell(out, "", answer_text(mark, "text"));
		buffer_string(out, "</tr>\n");
	}
	buffer_string(out, "</table>\n");
}

/* The time of the first point that is known. */
static double first_known(const json_t *series)
{
	const json_t *values = json_object_get(answer_find(series, "series", "success"), "values"), *value;
	double step = answer_number(series, "step");
	size_t i;

	json_array_foreach(values, i, value) if (json_is_number(value)) return answer_number(series, "end") -
	    step * (json_array_size(values) - i);
	return NAN;
}

static void write_plots(struct buffer *out, const json_t *series)
{
	static const char *const plots[][2] = {
	    {"requests", "Requests on the mirror"},
	    {"failures", "Failed requests by type"},
	    {"statements", "Statements"},
	    {"queue", "On the way to the mirror"},
	    {"lag", "Lag of the mirror"},
	    {"latency", "Time of a statement"},
	    {"coverage", "Coverage"},
	    {"losses", "Losses"},
	};

	buffer_string(out, "<h3>The last 24 hours (UTC)</h3><div class=\"plots\">\n");
	for (size_t i = 0; i < sizeof(plots) / sizeof(*plots); i++)
		sketch_write(out, series, plots[i][0], plots[i][1]);
	buffer_string(out, "</div>\n");
}

/* ------------------------------------------------------------------------------------------------ statements
 */

static void write_statement(struct buffer *out, const json_t *one)
{
	const json_t *primary = json_object_get(one, "primary"), *mirror = json_object_get(one, "mirror");
	char text[QUANTITY_MAX];

	buffer_string(out, "<tr><td><code>");
	html_text(out, answer_text(one, "text"));
	buffer_string(out, "</code>");
	if (*answer_text(one, "reason")) {
		buffer_string(out, "<span class=\"why\">");
		html_text(out, answer_text(one, "reason"));
		buffer_string(out, json_is_true(json_object_get(one, "ignored")) ? " (ignored)</span>"
										 : "</span>");
	}
	buffer_string(out, "</td>");
	cell(out, "n", quantity(text, answer_number(primary, "calls"), ""));
	cell(out, "n", quantity(text, answer_number(mirror, "calls"), ""));
	cell(out, "n", quantity(text, answer_number(mirror, "errors"), ""));
	cell(out, "n", quantity(text, answer_number(primary, "mean"), "s"));
	cell(out, "n", quantity(text, answer_number(mirror, "mean"), "s"));
	cell(out, "n", quantity(text, answer_number(one, "differences"), ""));
	buffer_string(out, "</tr>\n");
}

#define STATEMENTS_HEAD                                                                                \
	"<table><tr><th>Statement</th><th class=\"n\">Calls, primary</th><th class=\"n\">mirror</th>"  \
	"<th class=\"n\">Errors</th><th class=\"n\">Mean, primary</th><th class=\"n\">mirror</th><th " \
	"class=\"n\">"                                                                                 \
	"Differ</th></tr>\n"

static double weight(const json_t *one)
{
	const json_t *primary = json_object_get(one, "primary");
	double mean = answer_number(primary, "mean");

	return isnan(mean) ? 0 : mean * answer_number(primary, "calls");
}

#define HEAVIEST 100

/* By the time that they take on the primary in all. */
static size_t heaviest(const json_t *statements, const json_t *out[HEAVIEST])
{
	const json_t *one;
	size_t i, count = 0;

	json_array_foreach(statements, i, one)
	{
		size_t at = count;

		while (at > 0 && weight(one) > weight(out[at - 1]))
			at--;
		if (at >= HEAVIEST)
			continue;
		if (count < HEAVIEST)
			count++;
		memmove(&out[at + 1], &out[at], (count - 1 - at) * sizeof(*out));
		out[at] = one;
	}
	return count;
}

static void write_statements(struct buffer *out, const json_t *answer)
{
	const json_t *statements = json_object_get(answer, "statements"), *one, *list[HEAVIEST];
	size_t i, count, shown = 0;

	buffer_string(out, "<h3>Statements in the way</h3>\n" STATEMENTS_HEAD);
	json_array_foreach(statements, i, one) if (*answer_text(one, "reason"))
	{
		write_statement(out, one);
		shown++;
	}
	buffer_string(out, shown ? "</table>\n" : "</table><p>None.</p>\n");
	count = heaviest(statements, list);
	buffer_printf(out,
		      "<h3>The %zu heaviest statements, by their time on the primary</h3>\n" STATEMENTS_HEAD,
		      count);
	for (i = 0; i < count; i++)
		write_statement(out, list[i]);
	buffer_string(out, "</table>\n");
}

/* --------------------------------------------------------------------------------------------------- cluster
 */

static void write_counts(struct buffer *out, const json_t *set, const char *unit)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)set, key, value)
	    pair_number(out, key, json_is_number(value) ? json_number_value(value) : NAN, unit);
}

static void write_side(struct buffer *out, const char *name, const json_t *side)
{
	const json_t *addresses = json_object_get(side, "addresses"), *address;
	struct buffer text = {0};
	size_t i;

	json_array_foreach(addresses, i, address) if (json_is_string(address))
	    buffer_printf(&text, "%s%s", i ? ", " : "", json_string_value(address));
	buffer_printf(&text, " (database %s)",
		      *answer_text(side, "database") ? answer_text(side, "database") : "any");
	pair(out, name, text.data);
	buffer_free(&text);
}

static void write_configuration(struct buffer *out, const json_t *cluster)
{
	buffer_string(out, "<h3>Configuration</h3><table>\n");
	write_side(out, "primary", json_object_get(cluster, "primary"));
	write_side(out, "mirror", json_object_get(cluster, "mirror"));
	pair_number(out, "exposure", answer_number(cluster, "exposure"), "");
	pair_number(out, "queue_limit", answer_number(cluster, "queue_limit"), "");
	pair_number(out, "request_timeout", answer_number(cluster, "request_timeout"), "s");
	buffer_string(out, "</table><p>What each check wants stands beside it above.</p>\n");
}

static void write_totals(struct buffer *out, const json_t *cluster)
{
	buffer_string(out, "<h3>Requests on the mirror, since the counters began</h3><table>\n");
	write_counts(out, json_object_get(cluster, "requests"), "");
	write_counts(out, json_object_get(cluster, "failures"), "");
	pair(out, "success rate", answer_figure(cluster, "success_rate"));
	buffer_string(
	    out,
	    "</table><h3>Bytes of observed connections that were not captured, all clusters</h3><table>\n");
	write_counts(out, json_object_get(cluster, "lost_bytes"), "B");
	pair_number(out, "records of connections lost", answer_number(cluster, "lost_records"), "");
	buffer_string(out, "</table>\n");
}

void signoff_cluster(struct buffer *out, const struct signoff_cluster *answers)
{
	const json_t *cluster = answers->cluster;
	const char *verdict = answer_text(cluster, "verdict");
	char from[32], to[32];

	buffer_string(out, "<h2>");
	html_text(out, answer_text(cluster, "name"));
	buffer_string(out, "</h2>\n<p class=\"sentence ");
	html_text(out, verdict);
	buffer_string(out, "\">");
	html_text(out, answer_text(cluster, "sentence"));
	buffer_printf(out, "</p>\n<p>Since %s. Figures over time from %s to %s.</p>\n",
		      clock_text(from, answer_number(cluster, "since")),
		      clock_text(to, first_known(answers->series)),
		      clock_text((char[32]){0}, answer_number(answers->series, "end")));
	write_history(out, answers->series);
	write_checks(out, cluster);
	write_totals(out, cluster);
	write_plots(out, answers->series);
	write_statements(out, answers->statements);
	write_configuration(out, cluster);
}

void signoff_end(struct buffer *out)
{
	XXH128_hash_t hash;

	buffer_string(
	    out,
	    "<div class=\"sign\"><p>Name</p><p>Date</p><p>Signature</p></div>\n"
	    "<p>The last line of this file is a comment with the XXH128 checksum of all lines before it: "
	    "<code>head -n -1 FILE | xxh128sum</code>.</p></body></html>\n");
	if (out->failed)
		return;
	hash = XXH3_128bits(out->data, out->len);
	buffer_printf(out, "<!-- xxh128 %016llx%016llx -->\n", (unsigned long long)hash.high64,
		      (unsigned long long)hash.low64);
}
