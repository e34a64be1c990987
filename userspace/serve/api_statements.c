/* SPDX-License-Identifier: MIT */
/* Statement classes as JSON: texts normalised (fingerprint.h), never a literal. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "serve/api.h"
#include "serve/json.h"
#include "serve/json_fields.h"

#define STATEMENTS_MAX 1024 /* as many as the table of a cluster holds */

static void write_side(const char *name, uint64_t calls, const struct classside *side, struct buffer *out)
{
	json_key(out, name);
	buffer_string(out, "{");
	json_field_number(out, "calls", calls);
	json_field_number(out, "answers", side->answers);
	json_field_number(out, "errors", side->errors);
	json_field_number(out, "rows", side->rows);
	json_field_number(out, "mean", classside_mean(side));
	json_field_number(out, "p95", classside_quantile(side, 0.95));
	json_key(out, "sqlstates");
	buffer_string(out, "{");
	for (size_t i = 0; i < CLASSSIDE_SQLSTATES && *side->sqlstates[i].code; i++) {
		json_next(out);
		json_string(out, side->sqlstates[i].code);
		buffer_printf(out, ":%u", side->sqlstates[i].count);
	}
	buffer_string(out, "}}");
}

static void write_fields(const struct class_record *entry, struct buffer *out)
{
	const struct stats_DIVERGENCE *d = &entry->divergences;
	char reason[CLASS_REASON_MAX], fingerprint[17];
	double primary = classside_mean(&entry->sides[MATCH_PRIMARY]);

	snprintf(fingerprint, sizeof(fingerprint), "%016llx", (unsigned long long)entry->fingerprint);
	json_field_string(out, "fingerprint", fingerprint);
	json_field_string(out, "text", entry->text);
	json_field_string(out, "reason", class_reason(entry, reason));
	json_field_bool(out, "ignored", entry->ignored);
	write_side("primary", entry->primary, &entry->sides[MATCH_PRIMARY], out);
	write_side("mirror", entry->mirror, &entry->sides[MATCH_MIRROR], out);
	json_field_number(out, "compared", entry->compared);
	json_field_number(out, "ratio",
			  primary > 0 ? classside_mean(&entry->sides[MATCH_MIRROR]) / primary : NAN);
	json_field_number(out, "differences",
			  (double)d->primary_only_error + d->mirror_only_error + d->sqlstate + d->rows +
			      d->result);
	json_key(out, "by_kind");
	buffer_string(out, "{");
	json_field_number(out, "primary_only_error", d->primary_only_error);
	json_field_number(out, "mirror_only_error", d->mirror_only_error);
	json_field_number(out, "sqlstate", d->sqlstate);
	json_field_number(out, "rows", d->rows);
	json_field_number(out, "result", d->result);
	buffer_string(out, "}");
}

void api_write_statements(const struct live_cluster *cluster, const struct top *top, size_t limit,
			  struct buffer *out)
{
	const struct class_record **worst = calloc(STATEMENTS_MAX, sizeof(*worst));
	size_t count = worst ? top_worst(top, worst, limit < STATEMENTS_MAX ? limit : STATEMENTS_MAX) : 0;

	buffer_string(out, "{");
	json_field_string(out, "cluster", cluster->name);
	json_field_number(out, "classes", top_count(top));
	json_key(out, "statements");
	buffer_string(out, "[");
	for (size_t i = 0; i < count; i++) {
		json_next(out);
		buffer_string(out, "{");
		write_fields(worst[i], out);
		buffer_string(out, "}");
	}
	buffer_string(out, "]}");
	free(worst);
}

/* ----------------------------------------------------------------------------------------------- one of them
 */

static void write_history(const struct classlog *log, uint64_t id, struct buffer *out)
{
#define INFO(name, unit, plot, title) {#name, unit, plot, title},
	static const struct series_info infos[] = {CLASSLOG_FIGURES(INFO)};
#undef INFO

	json_field_number(out, "step", CLASSLOG_STEP_S);
	json_field_number(out, "end", classlog_end(log));
	json_key(out, "series");
	buffer_string(out, "[");
	for (size_t f = 0; f < CLASSLOG_COUNT; f++) {
		json_next(out);
		buffer_string(out, "{");
		json_field_string(out, "name", infos[f].name);
		json_field_string(out, "unit", infos[f].unit);
		json_field_string(out, "plot", infos[f].plot);
		json_field_string(out, "title", infos[f].title);
		json_key(out, "values");
		buffer_string(out, "[");
		for (size_t i = 0; i < CLASSLOG_POINTS; i++) {
			json_next(out);
			json_number(out, classlog_value(log, id, f, i));
		}
		buffer_string(out, "]}");
	}
	buffer_string(out, "]");
}

struct search {
	uint64_t fingerprint;
	const struct class_record *found;
};

static void match_fingerprint(void *ctx, const struct class_record *entry)
{
	struct search *search = ctx;

	if (entry->fingerprint == search->fingerprint)
		search->found = entry;
}

bool api_write_statement(const struct live_cluster *cluster, const struct top *top, uint64_t fingerprint,
			 struct buffer *out)
{
	struct search search = {fingerprint, NULL};

	top_each(top, match_fingerprint, &search);
	if (!search.found)
		return false;
	buffer_string(out, "{");
	json_field_string(out, "cluster", cluster->name);
	write_fields(search.found, out);
	write_history(cluster->classes, search.found->id, out);
	buffer_string(out, "}");
	return true;
}
