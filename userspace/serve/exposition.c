/* SPDX-License-Identifier: MIT */
#include "serve/exposition.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *exposition_content_type(enum exposition_format format)
{
	return format == EXPOSITION_OPENMETRICS ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
						: "text/plain; version=0.0.4; charset=utf-8";
}

void exposition_begin(struct exposition *x, struct buffer *out, enum exposition_format format)
{
	*x = (struct exposition){.out = out, .format = format};
}

/* Label values and OpenMetrics HELP escape the quote too; HELP of 0.0.4 must not. */
static void escaped(struct buffer *out, const char *s, bool quote)
{
	for (const char *start = s;; s++) {
		const char *escape = *s == '\\'           ? "\\\\"
				     : *s == '\n'         ? "\\n"
				     : quote && *s == '"' ? "\\\""
							  : NULL;

		if (*s && !escape)
			continue;
		buffer_append(out, start, s - start);
		if (!*s)
			return;
		buffer_string(out, escape);
		start = s + 1;
	}
}

static const char *unit_of(const char *name)
{
	static const char *const units[] = {"seconds", "bytes", "ratio"};
	const char *last = strrchr(name, '_');

	for (size_t i = 0; last && i < sizeof(units) / sizeof(units[0]); i++)
		if (strcmp(last + 1, units[i]) == 0)
			return units[i];
	return NULL;
}

static const char *family_suffix(const struct exposition *x)
{
	return x->type == EXPOSITION_COUNTER && x->format == EXPOSITION_PROMETHEUS ? "_total" : "";
}

void exposition_family(struct exposition *x, const char *name, enum exposition_type type, const char *help)
{
	static const char *const types[] = {"counter", "gauge", "histogram"};
	bool openmetrics = x->format == EXPOSITION_OPENMETRICS;

	snprintf(x->family, sizeof(x->family), "%s", name);
	x->type = type;
	buffer_printf(x->out, "# HELP %s%s ", name, family_suffix(x));
	escaped(x->out, help, openmetrics);
	buffer_printf(x->out, "\n# TYPE %s%s %s\n", name, family_suffix(x), types[type]);
	if (openmetrics && unit_of(name))
		buffer_printf(x->out, "# UNIT %s %s\n", name, unit_of(name));
}

/* "name{a="b",le="0.1"} "; le NULL = none. */
static void sample_name(struct exposition *x, const char *suffix, const struct exposition_label *labels,
			const char *le)
{
	char separator = '{';

	buffer_printf(x->out, "%s%s", x->family, suffix);
	for (; labels->name; labels++) {
		buffer_printf(x->out, "%c%s=\"", separator, labels->name);
		escaped(x->out, labels->value, true);
		buffer_append(x->out, "\"", 1);
		separator = ',';
	}
	if (le) {
		buffer_printf(x->out, "%cle=\"%s\"", separator, le);
		separator = ',';
	}
	buffer_string(x->out, separator == '{' ? " " : "} ");
}

static const char *sample_suffix(const struct exposition *x)
{
	return x->type == EXPOSITION_COUNTER ? "_total" : "";
}

/* value / 10^digits without trailing zeros; `keep` leaves one decimal ("1.0"). */
static void decimal(char *buf, size_t len, uint64_t value, int digits, bool keep)
{
	uint64_t scale = 1;
	size_t n;

	for (int i = 0; i < digits; i++)
		scale *= 10;
	n = snprintf(buf, len, "%" PRIu64 ".%0*" PRIu64, value / scale, digits ? digits : 1, value % scale);
	while (buf[n - 1] == '0' && buf[n - 2] != '.')
		buf[--n] = 0;
	if (!keep && buf[n - 1] == '0' && buf[n - 2] == '.')
		buf[n - 2] = 0;
}

void exposition_integer(struct exposition *x, const struct exposition_label *labels, uint64_t value)
{
	sample_name(x, sample_suffix(x), labels, NULL);
	buffer_printf(x->out, "%" PRIu64 "\n", value);
}

void exposition_decimal(struct exposition *x, const struct exposition_label *labels, uint64_t value,
			int digits)
{
	char buf[48];

	decimal(buf, sizeof(buf), value, digits, false);
	sample_name(x, sample_suffix(x), labels, NULL);
	buffer_printf(x->out, "%s\n", buf);
}

void exposition_double(struct exposition *x, const struct exposition_label *labels, double value)
{
	char buf[48];

	if (isnan(value))
		strcpy(buf, "NaN");
	else if (isinf(value))
		strcpy(buf, value > 0 ? "+Inf" : "-Inf");
	else
		for (int precision = 15; precision <= 17; precision++) { /* fewer would write 100 as 1e+02 */
			snprintf(buf, sizeof(buf), "%.*g", precision, value);
			if (strtod(buf, NULL) == value)
				break;
		}
	sample_name(x, sample_suffix(x), labels, NULL);
	buffer_printf(x->out, "%s\n", buf);
}

void exposition_histogram(struct exposition *x, const struct exposition_label *labels,
			  const uint64_t *bounds_us, const uint64_t *counts, size_t bounds, uint64_t sum_us)
{
	uint64_t cumulative = 0;
	char buf[48];

	for (size_t i = 0; i < bounds; i++) {
		cumulative += counts[i];
		decimal(buf, sizeof(buf), bounds_us[i], 6, true);
		sample_name(x, "_bucket", labels, buf);
		buffer_printf(x->out, "%" PRIu64 "\n", cumulative);
	}
	cumulative += counts[bounds];
	sample_name(x, "_bucket", labels, "+Inf");
	buffer_printf(x->out, "%" PRIu64 "\n", cumulative);
	decimal(buf, sizeof(buf), sum_us, 6, false);
	sample_name(x, "_sum", labels, NULL);
	buffer_printf(x->out, "%s\n", buf);
	sample_name(x, "_count", labels, NULL);
	buffer_printf(x->out, "%" PRIu64 "\n", cumulative);
}

/* A comment to the parsers of 0.0.4, which know no end mark. */
void exposition_end(struct exposition *x)
{
	buffer_string(x->out, "# EOF\n");
}
