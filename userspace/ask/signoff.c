/* SPDX-License-Identifier: MIT */
#include "ask/signoff.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ask/answer.h"
#include "ask/locate.h"

#define SERIES     "/api/v1/series?range=24h"
#define STATEMENTS "/api/v1/statements?limit=1024"

static int add_cluster(struct buffer *out, const char *url, const char *name)
{
	json_t *cluster = answer_get(url, "/api/v1/cluster", name), *series = NULL, *statements = NULL;

	if (cluster)
		series = answer_get(url, SERIES, name);
	if (series)
		statements = answer_get(url, STATEMENTS, name);
	if (statements)
		signoff_cluster(out, &(struct signoff_cluster){cluster, series, statements});
	json_decref(cluster);
	json_decref(series);
	json_decref(statements);
	return statements ? 0 : -EIO;
}

static int failed(void)
{
	fprintf(stderr, "%s\n", answer_error());
	return answer_status() == 404 ? EXIT_USAGE : EXIT_UNREACHABLE;
}

/* All clusters, or the one asked for. */
static int add_clusters(struct buffer *out, const char *url, const json_t *status, const char *wanted)
{
	const json_t *clusters = json_object_get(status, "clusters"), *one;
	size_t i, count = 0;

	json_array_foreach(clusters, i, one)
	{
		const char *name = answer_text(one, "name");

		if (wanted && strcmp(name, wanted) != 0)
			continue;
		if (add_cluster(out, url, name))
			return failed();
		count++;
	}
	if (count || !wanted)
		return EXIT_OK;
	fprintf(stderr, "no cluster %s is configured\n", wanted);
	return EXIT_USAGE;
}

/* Under another name first: a file of that name is whole, or the old one. */
static int write_file(const char *path, const struct buffer *out)
{
	char temporary[4096];
	FILE *file;
	int ok;

	snprintf(temporary, sizeof(temporary), "%s.%d", path, getpid());
	file = fopen(temporary, "wxe");
	ok = file && fwrite(out->data, 1, out->len, file) == out->len;
	if (file && fclose(file))
		ok = 0;
	if (ok && rename(temporary, path) == 0)
		return EXIT_OK;
	fprintf(stderr, "%s: %s\n", path, strerror(errno));
	if (file)
		unlink(temporary);
	return EXIT_NOT_OK;
}

int signoff_run(const struct options *options)
{
	struct buffer out = {0};
	char url[LOCATE_URL_MAX];
	json_t *status;
	int result;

	if (locate(options, url))
		return EXIT_USAGE;
	status = answer_get(url, "/api/v1/status", NULL);
	if (!status)
		return failed();
	signoff_begin(&out, status);
	result = add_clusters(&out, url, status, options->cluster);
	signoff_end(&out);
	if (!result && out.failed) {
		fprintf(stderr, "the report grew too large: ask for one cluster with --cluster\n");
		result = EXIT_NOT_OK;
	}
	if (!result)
		result = write_file(options->output, &out);
	if (!result)
		printf("%s: %zu bytes\n", options->output, out.len);
	json_decref(status);
	buffer_free(&out);
	return result;
}
