/* SPDX-License-Identifier: MIT */
/* Figures over time as JSON: columns of equal length, oldest first. */
#include <math.h>
#include <string.h>

#include "serve/api.h"
#include "serve/json.h"
#include "serve/json_fields.h"

unsigned int api_range(const char *range)
{
	static const struct {
		const char *name;
		unsigned int seconds;
	} ranges[] = {{"5m", 300}, {"1h", 3600}, {"2h", 7200}, {"24h", 86400}};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(*ranges); i++)
		if (strcmp(ranges[i].name, range) == 0)
			return ranges[i].seconds;
	return 0;
}

/* The finest that reaches back so far. */
static int tier_of(unsigned int seconds)
{
	int tier = SERIES_5M;

	while (tier + 1 < SERIES_TIER_COUNT && series_step(tier) * series_points(tier) < seconds)
		tier++;
	return tier;
}

/* Four digits are more than a plot shows, and a third of the bytes. */
static void write_value(struct buffer *out, float value)
{
	json_next(out);
	if (!isfinite(value))
		buffer_string(out, "null");
	else
		buffer_printf(out, "%.4g", (double)value);
}

static void write_column(const struct live_cluster *cluster, int tier, size_t id, uint64_t end, size_t points,
			 struct buffer *out)
{
	unsigned int step = series_step(tier);

	json_next(out);
	buffer_string(out, "{");
	json_field_string(out, "name", series_infos[id].name);
	json_field_string(out, "unit", series_infos[id].unit);
	json_field_string(out, "plot", series_infos[id].plot);
	json_field_string(out, "title", series_infos[id].title);
	json_key(out, "values");
	buffer_string(out, "[");
	for (size_t i = 0; i < points; i++)
		write_value(out, series_value(cluster->series, tier, id, end - (points - 1 - i) * step));
	buffer_string(out, "]}");
}

static void write_marks(const struct marks *marks, uint64_t from_s, struct buffer *out)
{
	json_key(out, "marks");
	buffer_string(out, "[");
	for (size_t i = 0; i < marks_kept(marks); i++) {
		const struct mark *mark = marks_get(marks, i);

		if (mark->at_s < from_s)
			continue;
		json_next(out);
		buffer_string(out, "{");
		json_field_number(out, "at", mark->at_s);
		json_field_string(out, "kind", marks_kind(mark->kind));
		json_field_string(out, "text", mark->text);
		buffer_string(out, "}");
	}
	buffer_string(out, "]");
}

void api_write_series(const struct live_cluster *cluster, unsigned int seconds, struct buffer *out)
{
	int tier = tier_of(seconds);
	uint64_t end = series_end(cluster->series, tier);
	size_t points = seconds / series_step(tier);

	buffer_string(out, "{");
	json_field_string(out, "cluster", cluster->name);
	json_field_number(out, "step", series_step(tier));
	json_field_number(out, "end", end);
	json_key(out, "series");
	buffer_string(out, "[");
	for (size_t id = 0; end && id < SERIES_COUNT; id++)
		write_column(cluster, tier, id, end, points, out);
	buffer_string(out, "]");
	write_marks(&cluster->marks, end > seconds ? end - seconds : 0, out);
	buffer_string(out, "}");
}
