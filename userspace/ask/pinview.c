/* SPDX-License-Identifier: MIT */
#include "ask/pinview.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/quantity.h"
#include "stats/peek.h"

struct counts {
	double requests, primary, mirror;
};

struct pinview {
	struct peek *peek;
	struct counts *then; /* of each element */
	uint64_t at_ns;      /* when they were read; 0 = never */
};

static char error_text[600];

const char *pinview_error(void)
{
	return error_text;
}

int pinview_open(struct pinview **out, const char *pin)
{
	struct pinview *view = calloc(1, sizeof(*view));
	uint32_t count;
	int err;

	if (!view)
		return -ENOMEM;
	err = peek_open(&view->peek, pin, error_text, sizeof(error_text));
	if (!err) {
		peek_clusters(view->peek, &count);
		view->then = calloc(count, sizeof(*view->then));
		if (!view->then)
			err = -ENOMEM;
	}
	if (err) {
		pinview_close(&view);
		return err;
	}
	*out = view;
	return 0;
}

void pinview_close(struct pinview **view)
{
	if (!*view)
		return;
	peek_close(&(*view)->peek);
	free((*view)->then);
	free(*view);
	*view = NULL;
}

static double sum(const struct stats_STATUS *set)
{
	return (double)set->success + set->failure + set->unknown;
}

static json_t *figure(double value, const char *unit)
{
	char text[QUANTITY_MAX];

	return json_pack("{s:o,s:s,s:s}", "value", isnan(value) ? json_null() : json_real(value), "unit",
			 unit, "text", quantity(text, value, unit));
}

static double rate_of(double now, double then, double seconds)
{
	return seconds > 0 && now >= then ? (now - then) / seconds : NAN;
}

static json_t *describe(const struct stats_cluster *c, const struct counts *then, double seconds)
{
	double known = (double)c->requests.success + c->requests.failure;

	return json_pack("{s:s,s:s,s:s,s:{s:I,s:I,s:I},s:{s:I,s:I,s:I},s:o,s:o,s:o,s:o,s:o,s:o}", "name",
			 c->name, "verdict", "insufficient_data", "sentence",
			 "The daemon does not answer: counters of the pinned map only", "requests", "success",
			 (json_int_t)c->requests.success, "failure", (json_int_t)c->requests.failure,
			 "unknown", (json_int_t)c->requests.unknown, "failures", "connection",
			 (json_int_t)c->failures.connection, "timeout", (json_int_t)c->failures.timeout,
			 "query_execution", (json_int_t)c->failures.query_execution, "success_rate",
			 figure(known > 0 ? 100 * c->requests.success / known : NAN, "%"),
			 "requests_per_second",
			 figure(rate_of(sum(&c->requests), then->requests, seconds), "/s"),
			 "primary_statements_per_second",
			 figure(rate_of(sum(&c->primary.statements), then->primary, seconds), "/s"),
			 "mirror_statements_per_second",
			 figure(rate_of(sum(&c->mirror.statements), then->mirror, seconds), "/s"),
			 "queue_depth", figure(NAN, "statements"), "lag_p99", figure(NAN, "s"));
}

json_t *pinview_status(struct pinview *view)
{
	uint64_t now = clock_ns();
	double seconds = view->at_ns ? (now - view->at_ns) / 1e9 : NAN;
	json_t *clusters = json_array();
	const struct stats_cluster *c;
	uint32_t count;

	c = peek_clusters(view->peek, &count);
	for (uint32_t i = 0; i < count; i++) {
		if (!*c[i].name)
			continue;
		json_array_append_new(clusters, describe(&c[i], &view->then[i], seconds));
		view->then[i] = (struct counts){sum(&c[i].requests), sum(&c[i].primary.statements),
						sum(&c[i].mirror.statements)};
	}
	view->at_ns = now;
	return json_pack("{s:o}", "clusters", clusters);
}
