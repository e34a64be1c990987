/* SPDX-License-Identifier: MIT */
#include "ask/sketch.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "ask/answer.h"
#include "base/quantity.h"
#include "serve/html.h"

#define WIDTH  640
#define HEIGHT 120
#define LEFT   70
#define RIGHT  6
#define TOP    8
#define BOTTOM 18
#define TICKS  6

struct scale {
	double start, end, top;
	const char *unit;
};

static double item(const json_t *values, size_t i)
{
	const json_t *value = json_array_get(values, i);

	return json_is_number(value) ? json_number_value(value) : NAN;
}

static double x_of(double share)
{
	return LEFT + share * (WIDTH - LEFT - RIGHT);
}

static double y_of(const struct scale *scale, double value)
{
	return TOP + (1 - value / scale->top) * (HEIGHT - TOP - BOTTOM);
}

/* 1, 2 or 5 times a power of ten. */
static double ceiling(double value)
{
	static const double steps[] = {1, 2, 5, 10};
	double power = value > 0 ? pow(10, floor(log10(value))) : 1;

	for (size_t i = 0; i < 4; i++)
		if (steps[i] * power >= value * 0.999999)
			return steps[i] * power;
	return 10 * power;
}

static bool belongs(const json_t *column, const char *plot)
{
	return strcmp(answer_text(column, "plot"), plot) == 0;
}

static struct scale scale_of(const json_t *series, const char *plot)
{
	const json_t *columns = json_object_get(series, "series"), *column;
	struct scale scale = {.end = answer_number(series, "end"), .unit = ""};
	double most = 0;
	size_t i, count = 0;

	json_array_foreach(columns, i, column)
	{
		const json_t *values = json_object_get(column, "values");

		if (!belongs(column, plot))
			continue;
		scale.unit = answer_text(column, "unit");
		count = json_array_size(values);
		for (size_t k = 0; k < count; k++)
			most = fmax(most, item(values, k)); /* fmax passes NaN over */
	}
	scale.start = scale.end - count * answer_number(series, "step");
	scale.top = most > 0 ? ceiling(most) : 1;
	return scale;
}

static void write_axes(struct buffer *out, const struct scale *scale)
{
	char text[QUANTITY_MAX];

	for (int i = 0; i <= 2; i++) {
		double value = scale->top * i / 2, y = y_of(scale, value);

		buffer_printf(
		    out, "<path class=\"axis\" d=\"M%d %.1fH%d\"/><text x=\"%d\" y=\"%.1f\" class=\"y\">",
		    LEFT, y, WIDTH - RIGHT, LEFT - 6, y + 4);
		html_text(out, quantity(text, value, scale->unit));
		buffer_string(out, "</text>");
	}
	for (int i = 1; i < TICKS; i++) {
		time_t at = (time_t)(scale->start + (scale->end - scale->start) * i / TICKS);
		struct tm utc;
		char clock[16];

		gmtime_r(&at, &utc);
		strftime(clock, sizeof(clock), "%H:%M", &utc);
		buffer_printf(out, "<text x=\"%.0f\" y=\"%d\" class=\"x\">%s</text>", x_of((double)i / TICKS),
			      HEIGHT - 4, clock);
	}
}

static void write_line(struct buffer *out, const struct scale *scale, const json_t *values, int colour)
{
	size_t count = json_array_size(values);
	bool open = false;

	buffer_printf(out, "<path class=\"line c%d\" d=\"", colour);
	for (size_t i = 0; i < count; i++) {
		double value = item(values, i);

		if (!isnan(value))
			buffer_printf(out, "%s%.1f %.1f", open ? "L" : "M", x_of((i + 1.0) / count),
				      y_of(scale, value));
		if (!isnan(value) && !open && isnan(item(values, i + 1)))
			buffer_string(out, "h.2"); /* a lone point */
		open = !isnan(value);
	}
	buffer_string(out, "\"/>");
}

static void write_marks(struct buffer *out, const json_t *series, const struct scale *scale)
{
	const json_t *marks = json_object_get(series, "marks"), *mark;
	size_t i;

	json_array_foreach(marks, i, mark)
	{
		double share = (answer_number(mark, "at") - scale->start) / (scale->end - scale->start);

		if (share >= 0 && share <= 1)
			buffer_printf(out, "<path class=\"mark\" d=\"M%.1f %dV%d\"/>", x_of(share), TOP,
				      HEIGHT - BOTTOM);
	}
}

void sketch_write(struct buffer *out, const json_t *series, const char *plot, const char *title)
{
	const json_t *columns = json_object_get(series, "series"), *column;
	struct scale scale = scale_of(series, plot);
	int colour = 0;
	size_t i;

	if (!(scale.end > scale.start))
		return;
	buffer_string(out, "<figure><figcaption>");
	html_text(out, title);
	buffer_string(out, "</figcaption><p class=\"legend\">");
	json_array_foreach(columns, i, column)
	{
		if (!belongs(column, plot))
			continue;
		buffer_printf(out, "<span class=\"c%d\">\u25ac</span> ", ++colour);
		html_text(out, answer_text(column, "title"));
		buffer_string(out, " ");
	}
	buffer_printf(out, "</p><svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"", WIDTH, HEIGHT);
	html_text(out, title);
	buffer_string(out, "\">");
	write_axes(out, &scale);
	colour = 0;
	json_array_foreach(columns, i, column) if (belongs(column, plot))
	    write_line(out, &scale, json_object_get(column, "values"), ++colour);
	write_marks(out, series, &scale);
	buffer_string(out, "</svg></figure>\n");
}
