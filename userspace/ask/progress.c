/* SPDX-License-Identifier: MIT */
#include "ask/progress.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "ask/answer.h"
#include "base/quantity.h"

static size_t width(void)
{
	struct winsize size;

	return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col - 4 : 76;
}

/* Of the cluster asked for, or of the first that is not ready. */
static const json_t *pick(const json_t *status, const char *cluster)
{
	const json_t *clusters = json_object_get(status, "clusters"), *one;
	size_t i;

	if (cluster)
		return answer_find(status, "clusters", cluster);
	json_array_foreach(clusters, i,
			   one) if (strcmp(answer_text(one, "verdict"), "ready") != 0) return one;
	return NULL;
}

/* The check that takes longest at the pace so far; NaN when none can tell. */
static double longest(const json_t *cluster)
{
	const json_t *checks = json_object_get(cluster, "check_list"), *check;
	double most = NAN, left;
	size_t i;

	json_array_foreach(checks, i, check)
	{
		left = answer_number(json_object_get(check, "progress"), "seconds_left");
		if (!isnan(left) && !(left <= most))
			most = left;
	}
	return most;
}

/* The sentence is cut, never the time that is left. */
static void write_line(struct buffer *line, const char *url, const json_t *one)
{
	json_t *cluster = answer_get(url, "/api/v1/cluster", answer_text(one, "name"));
	char time[QUANTITY_MAX], left_text[QUANTITY_MAX + 40] = "";
	struct buffer sentence = {0};
	double left = longest(cluster);

	if (!isnan(left))
		snprintf(left_text, sizeof(left_text), "; all evidence in %s at this rate",
			 quantity(time, left, "s"));
	buffer_printf(&sentence, "%s: %s", answer_text(one, "name"), answer_text(one, "sentence"));
	answer_plain(line, sentence.data, width() > strlen(left_text) ? width() - strlen(left_text) : 1);
	buffer_string(line, left_text);
	buffer_free(&sentence);
	json_decref(cluster);
}

void progress_show(const char *url, const char *cluster)
{
	struct buffer line = {0};
	json_t *status;
	const json_t *one;

	if (!isatty(STDERR_FILENO))
		return;
	status = answer_get(url, "/api/v1/status", NULL);
	one = pick(status, cluster);
	if (one)
		write_line(&line, url, one);
	else
		answer_plain(&line, status ? "" : answer_error(), width());
	fprintf(stderr, "\r\033[K%s", line.data ? line.data : "");
	fflush(stderr);
	buffer_free(&line);
	json_decref(status);
}

void progress_end(void)
{
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r\033[K");
}
