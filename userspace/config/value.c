/* SPDX-License-Identifier: MIT */
#include "config/value.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

struct unit {
	const char *name;
	uint64_t factor;
};

/* Reads leading digits; *rest is what follows them. */
static int leading_number(const char *text, uint64_t *out, const char **rest)
{
	uint64_t n = 0;
	bool overflow = false;
	const char *at = text;

	for (; *at >= '0' && *at <= '9'; at++) {
		overflow |= __builtin_mul_overflow(n, 10, &n);
		overflow |= __builtin_add_overflow(n, (uint64_t)(*at - '0'), &n);
	}
	*rest = at;
	*out = n;
	if (at == text)
		return -EINVAL;
	return overflow ? -ERANGE : 0;
}

static int with_unit(const char *text, const struct unit *units, size_t count, uint64_t *out)
{
	const char *rest;
	uint64_t n;
	int err = leading_number(text, &n, &rest);

	if (err == -EINVAL)
		return err;
	for (size_t i = 0; i < count; i++) {
		if (strcmp(rest, units[i].name) != 0)
			continue;
		return err || __builtin_mul_overflow(n, units[i].factor, out) ? -ERANGE : 0;
	}
	return -EINVAL;
}

int value_unsigned(const char *text, uint64_t *out)
{
	static const struct unit none[] = {{"", 1}};

	return with_unit(text, none, 1, out);
}

int value_decimal(const char *text, double *out)
{
	size_t whole = strspn(text, "0123456789"), fraction = 0;

	if (text[whole] == '.')
		fraction = 1 + strspn(text + whole + 1, "0123456789");
	if (whole == 0 || fraction == 1 || text[whole + fraction])
		return -EINVAL;
	if (whole + fraction > 20)
		return -ERANGE;
	*out = strtod(text, NULL);
	return 0;
}

int value_duration(const char *text, uint64_t *us)
{
	static const struct unit units[] = {
	    {"us", 1}, {"ms", 1000}, {"s", 1000000}, {"m", 60000000}, {"h", 3600000000u}, {"d", 86400000000u},
	};

	if (strcmp(text, "0") == 0) {
		*us = 0;
		return 0;
	}
	return with_unit(text, units, sizeof(units) / sizeof(*units), us);
}

int value_size(const char *text, uint64_t *bytes)
{
	static const struct unit units[] = {{"", 1}, {"KiB", 1u << 10}, {"MiB", 1u << 20}, {"GiB", 1u << 30}};

	return with_unit(text, units, sizeof(units) / sizeof(*units), bytes);
}
