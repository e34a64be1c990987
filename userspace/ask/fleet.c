/* SPDX-License-Identifier: MIT */
#include "ask/fleet.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "ask/report.h"
#include "verdict/readiness.h"

#define VERDICT       "cluster:pgdog_mirror_ready:fleet"
#define CHECK         "cluster_check:pgdog_mirror_ready_check:fleet"
#define MISSING       "cluster:fleet_missing:count"
#define MISSING_KNOWN "cluster_instance:fleet_missing:known"
#define EACH_CHECK    "pgdog_mirror_ready_check"

void fleet_query(struct buffer *out, const char *cluster)
{
	buffer_string(out,
		      "{__name__=~\"" VERDICT "|" CHECK "|" MISSING "|" MISSING_KNOWN "|" EACH_CHECK "\"");
	if (cluster)
		buffer_string(out, ",cluster=\"");
	for (const char *at = cluster ? cluster : ""; *at; at++) {
		if (*at == '"' || *at == '\\')
			buffer_string(out, "\\");
		buffer_append(out, at, 1);
	}
	buffer_string(out, cluster ? "\"}" : "}");
}

/* ----------------------------------------------------------------------------------- one sample */

static const char *label(const json_t *sample, const char *name)
{
	const char *text = json_string_value(json_object_get(json_object_get(sample, "metric"), name));

	return text ? text : "";
}

static bool is(const json_t *sample, const char *metric, const char *cluster, const char *check)
{
	return strcmp(label(sample, "__name__"), metric) == 0 &&
	       strcmp(label(sample, "cluster"), cluster) == 0 &&
	       (!check || strcmp(label(sample, "check"), check) == 0);
}

/* [time, "value"]; a value that is no number is NaN, which is no evidence. */
static double value_of(const json_t *sample)
{
	const char *text = json_string_value(json_array_get(json_object_get(sample, "value"), 1));
	char *end;
	double value = text ? strtod(text, &end) : NAN;

	return text && *text && !*end ? value : NAN;
}

static enum verdict verdict_of(const json_t *sample)
{
	double value = value_of(sample);

	return value == 1 ? VERDICT_READY : value == 0 ? VERDICT_NOT_READY : VERDICT_INSUFFICIENT_DATA;
}

/* ----------------------------------------------------------------------------------- one cluster */

static json_t *check_object(const char *name, enum verdict verdict, const struct buffer *reason)
{
	return json_pack("{s:s, s:s, s:n, s:n, s:s, s:s, s:s}", "name", name, "verdict",
			 readiness_verdict_name(verdict), "value", "threshold", "wanted", "at_most", "unit",
			 "", "reason", reason->len ? reason->data : "");
}

static void name_observer(struct buffer *reason, const json_t *sample, const char *what)
{
	buffer_printf(reason, "%s%s %s", reason->len ? "; " : "", label(sample, "instance"), what);
}

static json_t *fleet_check(const json_t *samples, const char *cluster, const json_t *of)
{
	const char *name = label(of, "check");
	struct buffer reason = {0};
	const json_t *sample;
	json_t *check;
	size_t i;

	json_array_foreach(samples, i, sample)
	{
		if (!is(sample, EACH_CHECK, cluster, name) || verdict_of(sample) == VERDICT_READY)
			continue;
		name_observer(&reason, sample,
			      verdict_of(sample) == VERDICT_NOT_READY ? "fails" : "lacks evidence");
	}
	buffer_append(&reason, "", 1);
	check = reason.failed ? NULL : check_object(name, verdict_of(of), &reason);
	buffer_free(&reason);
	return check;
}

/* Those that never answered have no name here: their clusters are not known. */
static json_t *observers_check(const json_t *samples, const char *cluster, enum verdict *verdict)
{
	struct buffer reason = {0};
	const json_t *sample;
	double missing = 0;
	json_t *check;
	size_t i, known = 0;

	json_array_foreach(samples, i, sample)
	{
		if (is(sample, MISSING, cluster, NULL))
			missing = value_of(sample);
		if (!is(sample, MISSING_KNOWN, cluster, NULL))
			continue;
		name_observer(&reason, sample, "does not report");
		known++;
	}
	if (missing > known)
		buffer_printf(&reason, "%s%.0f more of the job never answered", known ? "; " : "",
			      missing - known);
	buffer_append(&reason, "", 1);
	*verdict = missing == 0 && !known ? VERDICT_READY : VERDICT_INSUFFICIENT_DATA;
	check = reason.failed ? NULL : check_object("observers", *verdict, &reason);
	buffer_free(&reason);
	return check;
}

/* Prometheus may have written some of the samples and others not yet: the worst that any of them says counts.
 */
static json_t *cluster_object(const json_t *samples, const json_t *recorded)
{
	const char *cluster = label(recorded, "cluster");
	json_t *checks = json_array();
	const json_t *sample;
	enum verdict worst;
	size_t i;

	json_array_append_new(checks, observers_check(samples, cluster, &worst));
	worst = report_worse_of(worst, verdict_of(recorded));
	json_array_foreach(samples, i, sample)
	{
		if (!is(sample, CHECK, cluster, NULL))
			continue;
		json_array_append_new(checks, fleet_check(samples, cluster, sample));
		worst = report_worse_of(worst, verdict_of(sample));
	}
	return json_pack("{s:s, s:s, s:o}", "name", cluster, "verdict", readiness_verdict_name(worst),
			 "checks", checks);
}

/* ----------------------------------------------------------------------------------- the answer */

static int write_document(struct buffer *out, json_t *clusters)
{
	json_t *document = json_pack("{s:O}", "clusters", clusters);
	char *text = document ? json_dumps(document, JSON_COMPACT) : NULL;

	json_decref(document);
	if (!text)
		return -ENOMEM;
	buffer_string(out, text);
	buffer_append(out, "", 1);
	free(text);
	return out->failed ? -ENOMEM : 0;
}

static int read_samples(struct buffer *out, const json_t *samples)
{
	json_t *clusters = json_array();
	const json_t *sample;
	size_t i;
	int err;

	json_array_foreach(samples, i, sample)
	{
		if (strcmp(label(sample, "__name__"), VERDICT) == 0)
			json_array_append_new(clusters, cluster_object(samples, sample));
	}
	err = json_array_size(clusters) ? write_document(out, clusters) : -ENOENT;
	json_decref(clusters);
	return err;
}

int fleet_answer(struct buffer *out, const char *json)
{
	json_t *root = json_loads(json, 0, NULL);
	const json_t *samples = json_object_get(json_object_get(root, "data"), "result");
	int err = json_is_array(samples) ? read_samples(out, samples) : -EPROTO;

	json_decref(root);
	return err;
}
