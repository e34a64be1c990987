/* SPDX-License-Identifier: MIT */
#include "serve/page_verdict.h"

#include <math.h>
#include <stdbool.h>

#include "base/quantity.h"
#include "serve/html.h"

#define STATEMENTS_SHOWN 10

static const struct {
	const char *class, *headline, *check;
} shown[] = {
    [VERDICT_READY] = {"ok", "Ready", "passes"},
    [VERDICT_NOT_READY] = {"bad", "Not ready", "fails"},
    [VERDICT_INSUFFICIENT_DATA] = {"open", "Not enough seen yet", "no evidence"},
};

/* ------------------------------------------------------------------------------------------------ checks */

static void write_figure(struct buffer *out, const char *sign, double value, const char *unit)
{
	char text[QUANTITY_MAX];

	if (isnan(value))
		buffer_string(out, "<td class=\"n\">&ndash;</td>");
	else
		buffer_printf(out, "<td class=\"n\">%s%s</td>", sign, quantity(text, value, unit));
}

static void write_check(struct buffer *out, const struct readiness_check *check)
{
	buffer_printf(out, "<tr><td><span class=\"tag %s\">%s</span></td><th scope=\"row\">%s</th>",
		      shown[check->verdict].class, shown[check->verdict].check, check->name);
	write_figure(out, "", check->value, check->unit);
	write_figure(out, check->at_least ? "&ge;&nbsp;" : "&le;&nbsp;", check->threshold, check->unit);
	buffer_string(out, "<td>");
	html_text(out, check->reason);
	buffer_string(out, "</td></tr>\n");
}

static size_t count_of(const struct readiness *readiness, enum verdict verdict)
{
	size_t n = 0;

	for (size_t i = 0; i < READINESS_CHECK_COUNT; i++)
		n += readiness->checks[i].verdict == verdict;
	return n;
}

static void write_checks(struct buffer *out, const struct readiness *readiness, enum verdict verdict)
{
	for (size_t i = 0; i < READINESS_CHECK_COUNT; i++)
		if (readiness->checks[i].verdict == verdict)
			write_check(out, &readiness->checks[i]);
}

#define CHECKS_BEGIN                                                                                        \
	"<div class=\"wide\"><table class=\"checks\"><tr><th></th><th>Check</th><th class=\"n\">Value</th>" \
	"<th class=\"n\">Wanted</th><th>Reason</th></tr>\n"
#define TABLE_END "</table></div>\n"

/* What is in the way is open to the eye, what passes can be unfolded. */
static void write_readiness(struct buffer *out, const struct readiness *readiness)
{
	size_t pass = count_of(readiness, VERDICT_READY);

	if (pass < READINESS_CHECK_COUNT) {
		buffer_string(out, CHECKS_BEGIN);
		write_checks(out, readiness, VERDICT_NOT_READY);
		write_checks(out, readiness, VERDICT_INSUFFICIENT_DATA);
		buffer_string(out, TABLE_END);
	}
	if (!pass)
		return;
	buffer_printf(out, "<details><summary>%zu of %d checks pass</summary>\n", pass,
		      READINESS_CHECK_COUNT);
	buffer_string(out, CHECKS_BEGIN);
	write_checks(out, readiness, VERDICT_READY);
	buffer_string(out, TABLE_END "</details>\n");
}

/* -------------------------------------------------------------------------------------------- statements */

static void write_statement(struct buffer *out, const struct top_entry *entry, const char *reason)
{
	buffer_string(out, "<tr><td>");
	html_text(out, reason);
	buffer_string(out, "</td><td><code>");
	html_text(out, entry->text);
	buffer_printf(out, "</code></td><td class=\"n\"><code>%016llx</code></td></tr>\n",
		      (unsigned long long)entry->fingerprint);
}

static void write_statements(struct buffer *out, const struct top *top)
{
	const struct top_entry *worst[STATEMENTS_SHOWN];
	size_t count = top_worst(top, worst, STATEMENTS_SHOWN), listed = 0;
	char reason[TOP_REASON_MAX];

	for (size_t i = 0; i < count; i++) {
		if (worst[i]->ignored || !*top_reason(worst[i], reason))
			continue;
		if (!listed++)
			buffer_string(
			    out,
			    "<h3>Statements in the way</h3>\n<div class=\"wide\"><table class=\"statements\">"
			    "<tr><th>Reason</th><th>Statement</th>"
			    "<th class=\"n\">Fingerprint</th></tr>\n");
		write_statement(out, worst[i], reason);
	}
	if (listed)
		buffer_string(out, TABLE_END);
}

void page_verdicts(struct buffer *out, struct clusters *clusters, uint64_t now_ns)
{
	struct readiness readiness;

	for (size_t i = 0; i < clusters_count(clusters); i++) {
		clusters_readiness(clusters, i, now_ns, &readiness);
		buffer_printf(out, "<section class=\"%s\"><h2>", shown[readiness.verdict].class);
		html_text(out, clusters_config(clusters, i)->name);
		buffer_printf(out, ": <span>%s</span></h2>\n", shown[readiness.verdict].headline);
		write_readiness(out, &readiness);
		write_statements(out, twins_top(clusters_twins(clusters, i)));
		buffer_string(out, "</section>\n");
	}
}
