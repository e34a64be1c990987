/* SPDX-License-Identifier: MIT */
#include "ask/report.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "ask/answer.h"
#include "ask/table.h"
#include "base/quantity.h"

#define STATEMENT_WIDTH 96

/* ------------------------------------------------------------------------------------------------ reading */

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static double number_of(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	return json_is_number(value) ? json_number_value(value) : NAN;
}

static int verdict_of(const json_t *object, enum verdict *out)
{
	const char *text = text_of(object, "verdict");

	for (int v = VERDICT_READY; v <= VERDICT_INSUFFICIENT_DATA; v++)
		if (strcmp(text, readiness_verdict_name(v)) == 0) {
			*out = v;
			return 0;
		}
	return -EPROTO;
}

/* ------------------------------------------------------------------------------------------------ writing */

static const char *figure(char text[96], const char *sign, double value, const char *unit)
{
	char shown[QUANTITY_MAX];

	if (isnan(value))
		snprintf(text, 96, "-");
	else
		snprintf(text, 96, "%s%s", sign, quantity(shown, value, unit));
	return text;
}

static const char *shown_verdict(enum verdict verdict)
{
	static const char *const names[] = {"ok", "NOT READY", "no data yet"};

	return names[verdict];
}

/* The name and the reason come from outside: what a terminal would obey is taken out of them. */
static int add_check(struct table *table, const json_t *check, enum verdict verdict)
{
	const char *sign = strcmp(text_of(check, "wanted"), "at_least") == 0 ? ">= " : "<= ";
	struct buffer name = {0}, unit = {0}, reason = {0};
	char value[96], wanted[96];
	int err;

	answer_plain(&name, text_of(check, "name"), 63);
	answer_plain(&unit, text_of(check, "unit"), 16);
	answer_plain(&reason, verdict == VERDICT_READY ? "" : text_of(check, "reason"), 400);
	buffer_append(&name, "", 1);
	buffer_append(&unit, "", 1);
	buffer_append(&reason, "", 1);
	err = name.failed || unit.failed || reason.failed ? -ENOMEM : 0;
	if (!err)
		err = table_row(table, (const char *const[]){
					   shown_verdict(verdict), name.data,
					   figure(value, "", number_of(check, "value"), unit.data),
					   figure(wanted, sign, number_of(check, "threshold"), unit.data),
					   reason.data});
	buffer_free(&name);
	buffer_free(&unit);
	buffer_free(&reason);
	return err;
}

/* What is in the way first. */
static int add_checks(struct table *table, const json_t *checks)
{
	static const enum verdict order[] = {VERDICT_NOT_READY, VERDICT_INSUFFICIENT_DATA, VERDICT_READY};
	enum verdict verdict;
	const json_t *check;
	int err = 0;
	size_t i;

	for (size_t pass = 0; pass < 3; pass++)
		json_array_foreach(checks, i, check)
		{
			if (verdict_of(check, &verdict))
				return -EPROTO;
			if (verdict == order[pass] && !err)
				err = add_check(table, check, verdict);
		}
	return err;
}

static int write_checks(struct buffer *out, const json_t *checks)
{
	static const char *const columns[] = {"VERDICT", "CHECK", "VALUE", "WANTED", "REASON"};
	struct table *table;
	int err = table_new(&table, columns, sizeof(columns) / sizeof(*columns));

	if (err)
		return err;
	err = add_checks(table, checks);
	if (!err)
		err = table_write(table, "  ", out);
	table_free(&table);
	return err;
}

static size_t count_checks(const json_t *checks, enum verdict wanted)
{
	enum verdict verdict;
	const json_t *check;
	size_t i, n = 0;

	json_array_foreach(checks, i, check) n += !verdict_of(check, &verdict) && verdict == wanted;
	return n;
}

static void write_headline(struct buffer *out, const json_t *cluster, const json_t *checks,
			   enum verdict verdict)
{
	size_t bad = count_checks(checks, VERDICT_NOT_READY);
	size_t open = count_checks(checks, VERDICT_INSUFFICIENT_DATA);

	answer_plain(out, text_of(cluster, "name"), 63);
	if (verdict == VERDICT_READY)
		buffer_printf(out, ": READY. All %zu checks pass.\n\n", json_array_size(checks));
	else if (verdict == VERDICT_NOT_READY)
		buffer_printf(out, ": NOT READY. Of %zu checks %zu fail%s and %zu lack%s evidence.\n\n",
			      json_array_size(checks), bad, bad == 1 ? "s" : "", open, open == 1 ? "s" : "");
	else
		buffer_printf(out,
			      ": INSUFFICIENT DATA. Of %zu checks none fails, but %zu lack%s evidence.\n\n",
			      json_array_size(checks), open, open == 1 ? "s" : "");
}

/* not_ready before insufficient_data before ready: what is known to be in the way matters most. */
enum verdict report_worse_of(enum verdict a, enum verdict b)
{
	if (a == VERDICT_NOT_READY || b == VERDICT_NOT_READY)
		return VERDICT_NOT_READY;
	return a == VERDICT_INSUFFICIENT_DATA ? a : b;
}

static int write_cluster(struct buffer *out, const json_t *cluster, enum verdict *worst)
{
	const json_t *checks = json_object_get(cluster, "checks");
	enum verdict verdict;

	if (verdict_of(cluster, &verdict) || !json_is_array(checks))
		return -EPROTO;
	if (out->len)
		buffer_string(out, "\n");
	write_headline(out, cluster, checks, verdict);
	*worst = report_worse_of(*worst, verdict);
	return write_checks(out, checks);
}

/* Calls one() for each cluster of the document. */
static int each_cluster(const char *json, int (*one)(void *ctx, const json_t *cluster), void *ctx)
{
	json_t *root = json_loads(json, 0, NULL), *cluster;
	const json_t *clusters = json_object_get(root, "clusters");
	int err = json_is_array(clusters) ? 0 : -EPROTO;
	size_t i;

	if (!err)
		json_array_foreach(clusters, i, cluster)
		{
			err = one(ctx, cluster);
			if (err)
				break;
		}
	json_decref(root);
	return err;
}

struct readiness_report {
	struct buffer *out;
	enum verdict *worst;
	bool any;
};

static int one_readiness(void *ctx, const json_t *cluster)
{
	struct readiness_report *report = ctx;

	report->any = true;
	return write_cluster(report->out, cluster, report->worst);
}

int report_readiness(struct buffer *out, const char *json, enum verdict *worst)
{
	struct readiness_report report = {out, worst, false};
	int err;

	*worst = VERDICT_READY;
	err = each_cluster(json, one_readiness, &report);
	if (!report.any)
		*worst = VERDICT_INSUFFICIENT_DATA;
	return err ? err : out->failed ? -ENOMEM : 0;
}

/* --------------------------------------------------------------------------------------------- statements */

static void write_statement(struct buffer *out, const json_t *statement)
{
	buffer_string(out, "  ");
	answer_plain(out, text_of(statement, "fingerprint"), 16);
	buffer_string(out, "  ");
	answer_plain(out, text_of(statement, "reason"), 200);
	buffer_string(out, "\n      ");
	answer_plain(out, text_of(statement, "text"), STATEMENT_WIDTH);
	buffer_string(out, "\n");
}

struct statement_report {
	struct buffer *out;
	size_t limit;
};

static int one_list(void *ctx, const json_t *cluster)
{
	const struct statement_report *report = ctx;
	const json_t *statements = json_object_get(cluster, "statements"), *statement;
	size_t i, shown = 0;

	if (!json_is_array(statements))
		return -EPROTO;
	json_array_foreach(statements, i, statement)
	{
		if (!*text_of(statement, "reason") || json_is_true(json_object_get(statement, "ignored")))
			continue;
		if (shown++ == report->limit)
			break;
		if (shown == 1) {
			buffer_string(report->out, "\nStatements in the way on ");
			answer_plain(report->out, text_of(cluster, "name"), 63);
			buffer_string(report->out, ", worst first:\n");
		}
		write_statement(report->out, statement);
	}
	return 0;
}

int report_statements(struct buffer *out, const char *json, size_t limit)
{
	struct statement_report report = {out, limit};
	int err = each_cluster(json, one_list, &report);

	return err ? err : out->failed ? -ENOMEM : 0;
}
