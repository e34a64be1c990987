/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "match/pgpool.h"

#define SELECT "SELECT "

/* What stands behind SELECT; from 4.6 on, at the latest, with the schema before each function. */
static const char *const whole[] = {"now()", "pg_catalog.now()", "CURRENT_DATE", "version()",
				    "pg_catalog.version()"};

static const char *const beginnings[] = {
    "count(*) FROM pg_catalog.pg_proc AS p, pg_catalog.pg_namespace AS n WHERE p.proname = '",
    "count(*) FROM pg_catalog.pg_attrdef AS d, pg_catalog.pg_class AS c WHERE d.adrelid = c.oid AND ",
    "count(*) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON (c.relnamespace = n.oid)",
    "count(*) FROM pg_catalog.pg_type AS t, pg_catalog.pg_proc AS p, pg_catalog.pg_namespace AS n WHERE "
    "p.proname = '",
    "attname, pg_get_expr(d.adbin, d.adrelid), coalesce((pg_get_expr(d.adbin, d.adrelid) LIKE ",
    "attname, pg_catalog.pg_get_expr(d.adbin, d.adrelid), coalesce((pg_catalog.pg_get_expr(d.adbin, "
    "d.adrelid) LIKE ",
};

#define LOCK_BEGIN "LOCK TABLE \""
#define LOCK_END   "\" IN SHARE ROW EXCLUSIVE MODE"

/* Byte by byte: each statement is asked for each of these, and nearly always differs soon. */
static bool begins(const char *text, size_t len, const char *with)
{
	size_t i = 0;

	while (i < len && with[i] && text[i] == with[i])
		i++;
	return !with[i];
}

static bool locks_for_insert(const char *text, size_t len)
{
	size_t tail = strlen(LOCK_END);

	return begins(text, len, LOCK_BEGIN) && len >= strlen(LOCK_BEGIN) + tail &&
	       memcmp(text + len - tail, LOCK_END, tail) == 0;
}

static bool selects(const char *text, size_t len)
{
	for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++)
		if (begins(text, len, whole[i]) && len == strlen(whole[i]))
			return true;
	for (size_t i = 0; i < sizeof(beginnings) / sizeof(beginnings[0]); i++)
		if (begins(text, len, beginnings[i]))
			return true;
	return false;
}

bool pgpool_own_statement(const char *text, size_t len)
{
	if (begins(text, len, SELECT))
		return selects(text + strlen(SELECT), len - strlen(SELECT));
	return locks_for_insert(text, len);
}
