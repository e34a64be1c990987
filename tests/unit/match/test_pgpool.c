/* SPDX-License-Identifier: MIT */
/* Texts from the log of a server behind pgpool-II 4.3.5 in native replication mode; of 4.6.1, from the
 * program itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "match/pgpool.h"

static bool own(const char *text)
{
	return pgpool_own_statement(text, strlen(text));
}

static void what_pgpool_asks_the_primary_is_its_own(void **ctx)
{
	(void)ctx;
	assert_true(own("SELECT now()"));
	assert_true(own("SELECT CURRENT_DATE"));
	assert_true(own(
	    "SELECT count(*) FROM pg_catalog.pg_proc AS p, pg_catalog.pg_namespace AS n WHERE p.proname = "
	    "'random' AND n.oid = p.pronamespace AND n.nspname ~ '.*' AND p.provolatile = 'v'"));
	assert_true(
	    own("SELECT count(*) FROM pg_catalog.pg_attrdef AS d, pg_catalog.pg_class AS c WHERE d.adrelid = "
		"c.oid AND pg_get_expr(d.adbin, d.adrelid) ~ 'nextval' AND c.oid = "
		"pg_catalog.to_regclass('\"t\"')"));
	assert_true(own("LOCK TABLE \"t\" IN SHARE ROW EXCLUSIVE MODE"));
}

static void a_later_pgpool_writes_the_schema_too(void **ctx)
{
	(void)ctx;
	assert_true(own("SELECT pg_catalog.now()"));
	assert_true(own("SELECT pg_catalog.version()"));
	assert_true(own("SELECT attname, pg_catalog.pg_get_expr(d.adbin, d.adrelid), "
			"coalesce((pg_catalog.pg_get_expr(d.adbin, d.adrelid) LIKE '%now()%'"));
	assert_true(
	    own("SELECT count(*) FROM pg_catalog.pg_type AS t, pg_catalog.pg_proc AS p, "
		"pg_catalog.pg_namespace AS n WHERE p.proname = 'random' AND n.oid = p.pronamespace"));
}

static void what_clients_send_is_not(void **ctx)
{
	(void)ctx;
	assert_false(own(""));
	assert_false(own("SELECT now"));
	assert_false(own("SELECT now(), 1"));
	assert_false(own("SELECT pg_catalog.now"));
	assert_false(own("SELECT pg_catalog.now(), 1"));
	assert_false(own("SELECT 1"));
	assert_false(own("LOCK TABLE t"));
	assert_false(own("LOCK TABLE \" IN SHARE ROW EXCLUSIVE MODE"));
	assert_false(own("INSERT INTO \"t\"(\"v\", \"at\") VALUES ('x','2026-11-22 01:36:23.600648+00')"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_pgpool_asks_the_primary_is_its_own),
	    cmocka_unit_test(a_later_pgpool_writes_the_schema_too),
	    cmocka_unit_test(what_clients_send_is_not),
	};

	return cmocka_run_group_tests_name("pgpool", tests, NULL, NULL);
}
