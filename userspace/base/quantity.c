/* SPDX-License-Identifier: MIT */
#include "base/quantity.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define EXACT_BELOW 10000 /* whole numbers are shown as they are */

/* 1.50 becomes 1.5, 2.00 becomes 2. */
static void strip_zeros(char *text)
{
	char *end = text + strlen(text);

	if (!strchr(text, '.'))
		return;
	while (end[-1] == '0')
		*--end = 0;
	if (end[-1] == '.')
		*--end = 0;
}

static void fixed(char *out, double value, int decimals)
{
	snprintf(out, QUANTITY_MAX, "%.*f", decimals, value);
	strip_zeros(out);
}

/* Three digits that matter, in fixed notation; whole numbers of more digits stay whole. */
static void three_digits(char *out, double value)
{
	double size = fabs(value);
	int decimals = size >= 100    ? 0
		       : size >= 10   ? 1
		       : size >= 1    ? 2
		       : size >= 0.1  ? 3
		       : size >= 0.01 ? 4
				      : 5;

	fixed(out, value, decimals);
}

static void append_unit(char *out, const char *unit)
{
	size_t len = strlen(out);

	if (*unit)
		snprintf(out + len, QUANTITY_MAX - len, " %.24s", unit);
}

static void duration(char *out, double s)
{
	static const struct {
		double below, size;
		const char *unit;
	} scale[] = {
	    {1e-4, 1e-6, "\u00b5s"}, {1, 1e-3, "ms"},     {120, 1, "s"},
	    {7200, 60, "min"},       {172800, 3600, "h"}, {INFINITY, 86400, "d"},
	};
	size_t i = 0;

	if (s == 0) {
		strcpy(out, "0 s");
		return;
	}
	while (fabs(s) >= scale[i].below)
		i++;
	three_digits(out, s / scale[i].size);
	append_unit(out, scale[i].unit);
}

/* As many decimals as keep a share from being rounded to none or all. */
static void percent(char *out, double value)
{
	int decimals = 2;

	fixed(out, value, decimals);
	while (decimals < 5 &&
	       ((value > 0 && strcmp(out, "0") == 0) || (value < 100 && strcmp(out, "100") == 0)))
		fixed(out, value, ++decimals);
	if (value > 0 && strcmp(out, "0") == 0)
		strcpy(out, "<0.00001");
	else if (value < 100 && strcmp(out, "100") == 0)
		strcpy(out, ">99.99999");
	append_unit(out, "%");
}

/* Thousands by letter; 999.6 k is 1 M. */
static const char *scaled(char *out, double value)
{
	static const char *const letters[] = {"", "k", "M", "G", "T", "P", "E"};
	size_t i = 0;

	while (fabs(value) >= 999.5 && i + 1 < sizeof(letters) / sizeof(*letters)) {
		value /= 1000;
		i++;
	}
	three_digits(out, value);
	return letters[i];
}

static void count(char *out, double value, const char *unit)
{
	if (fabs(value) < EXACT_BELOW && value == floor(value))
		snprintf(out, QUANTITY_MAX, "%.0f", value + 0.0);
	else if (fabs(value) < EXACT_BELOW)
		three_digits(out, value);
	else
		append_unit(out, scaled(out, value));
	append_unit(out, unit);
}

static void bytes(char *out, double value)
{
	char unit[4];

	snprintf(unit, sizeof(unit), "%sB", scaled(out, value));
	append_unit(out, unit);
}

const char *quantity(char out[QUANTITY_MAX], double value, const char *unit)
{
	if (isnan(value))
		strcpy(out, "-");
	else if (isinf(value) || fabs(value) > 1e21)
		strcpy(out, value < 0 ? "-\u221e" : "\u221e");
	else if (strcmp(unit, "s") == 0)
		duration(out, value);
	else if (strcmp(unit, "%") == 0)
		percent(out, value);
	else if (strcmp(unit, "B") == 0)
		bytes(out, value);
	else
		count(out, value, unit);
	return out;
}
