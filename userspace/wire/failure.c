/* SPDX-License-Identifier: MIT */
#include "wire/failure.h"

#include <stddef.h>
#include <string.h>

static const struct {
	const char *sqlstate; /* NULL = any */
	const char *severity; /* NULL = any */
	enum failure_type type;
} table[] = {
    {"57014", NULL, FAILURE_TIMEOUT},      {"55P03", NULL, FAILURE_TIMEOUT},
    {"25P03", NULL, FAILURE_TIMEOUT},      {"25P04", NULL, FAILURE_TIMEOUT},
    {NULL, "FATAL", FAILURE_CONNECTION},   {NULL, "PANIC", FAILURE_CONNECTION},
    {NULL, NULL, FAILURE_QUERY_EXECUTION},
};

enum failure_type failure_of(const char *sqlstate, const char *severity, bool startup)
{
	size_t i = 0;

	while ((table[i].sqlstate && strcmp(table[i].sqlstate, sqlstate) != 0) ||
	       (table[i].severity && strcmp(table[i].severity, severity) != 0))
		i++;
	return startup && table[i].type == FAILURE_QUERY_EXECUTION ? FAILURE_CONNECTION : table[i].type;
}

bool failure_fatal(const char *severity)
{
	return !strcmp(severity, "FATAL") || !strcmp(severity, "PANIC");
}
