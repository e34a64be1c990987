/* SPDX-License-Identifier: MIT */
#include "ask/status.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "ask/answer.h"
#include "ask/locate.h"
#include "base/quantity.h"

static int unreachable(void)
{
	fprintf(stderr, "%s\n", answer_error());
	return EXIT_UNREACHABLE;
}

static void write_since(struct buffer *out, double since)
{
	time_t at = (time_t)since;
	char text[32];
	struct tm local;

	if (!(since > 0) || !localtime_r(&at, &local))
		return;
	strftime(text, sizeof(text), "%Y-%m-%d %H:%M", &local);
	buffer_printf(out, ", since %s", text);
}

static void write_cluster(struct buffer *out, const json_t *cluster)
{
	const json_t *requests = json_object_get(cluster, "requests"),
		     *failures = json_object_get(cluster, "failures");
	char a[QUANTITY_MAX], b[QUANTITY_MAX], c[QUANTITY_MAX], d[QUANTITY_MAX];

	answer_plain(out, answer_text(cluster, "name"), 63);
	buffer_string(out, ": ");
	answer_plain(out, answer_text(cluster, "sentence"), 400);
	write_since(out, answer_number(cluster, "since"));
	buffer_printf(out, "\n  requests    %s now, %s succeeded (%s), %s failed, %s unknown\n",
		      answer_figure(cluster, "requests_per_second"),
		      quantity(a, answer_number(requests, "success"), ""),
		      answer_figure(cluster, "success_rate"),
		      quantity(b, answer_number(requests, "failure"), ""),
		      quantity(c, answer_number(requests, "unknown"), ""));
	buffer_printf(out, "  failures    connection %s, timeout %s, query execution %s\n",
		      quantity(a, answer_number(failures, "connection"), ""),
		      quantity(b, answer_number(failures, "timeout"), ""),
		      quantity(d, answer_number(failures, "query_execution"), ""));
	buffer_printf(out, "  statements  primary %s, mirror %s\n",
		      answer_figure(cluster, "primary_statements_per_second"),
		      answer_figure(cluster, "mirror_statements_per_second"));
	buffer_printf(out, "  queue       %s, lag (99th percentile) %s\n",
		      answer_figure(cluster, "queue_depth"), answer_figure(cluster, "lag_p99"));
	buffer_printf(out, "  checks      %.0f of %.0f pass, %.0f fail\n", answer_number(cluster, "passed"),
		      answer_number(cluster, "checks"), answer_number(cluster, "failed"));
}

static int print_status(const struct options *options, const json_t *status)
{
	const json_t *clusters = json_object_get(status, "clusters"), *cluster;
	struct buffer out = {0};
	size_t i, shown = 0;

	if (*answer_text(status, "why_not")) {
		buffer_string(&out, "not observing: ");
		answer_plain(&out, answer_text(status, "why_not"), 200);
		buffer_string(&out, "\n");
	}
	json_array_foreach(clusters, i, cluster)
	{
		if (options->cluster && strcmp(answer_text(cluster, "name"), options->cluster) != 0)
			continue;
		if (shown++)
			buffer_string(&out, "\n");
		write_cluster(&out, cluster);
	}
	if (out.data)
		fputs(out.data, stdout);
	buffer_free(&out);
	if (shown || !options->cluster)
		return EXIT_OK;
	fprintf(stderr, "no cluster %s is configured\n", options->cluster);
	return EXIT_USAGE;
}

static int print_json(const struct options *options, const char *url)
{
	json_t *answer =
	    answer_get(url, options->cluster ? "/api/v1/cluster" : "/api/v1/status", options->cluster);

	if (!answer) {
		fprintf(stderr, "%s\n", answer_error());
		return answer_status() == 404 ? EXIT_USAGE : EXIT_UNREACHABLE;
	}
	json_dumpf(answer, stdout, JSON_INDENT(1));
	putchar('\n');
	json_decref(answer);
	return EXIT_OK;
}

int status_run(const struct options *options)
{
	char url[LOCATE_URL_MAX];
	json_t *status;
	int result;

	if (locate(options, url))
		return EXIT_USAGE;
	if (options->json)
		return print_json(options, url);
	status = answer_get(url, "/api/v1/status", NULL);
	if (!status)
		return unreachable();
	result = print_status(options, status);
	json_decref(status);
	return result;
}
