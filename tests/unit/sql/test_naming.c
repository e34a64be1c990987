/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sql/naming.h"
#include "support/constants.h"

static const char *name(const char *text)
{
	static struct naming naming;

	naming_of(text, strlen(text), &naming);
	return naming.text;
}

static uint64_t number(const char *text)
{
	struct naming naming;

	naming_of(text, strlen(text), &naming);
	return naming.id;
}

static void literals_never_leave(void **state)
{
	static const char *const texts[] = {
	    "SELECT 'secret', 4711, E'sec\\'ret', $$secret$$, $x$ secret $x$, B'1001', X'5ec2e7', U&'secret'",
	    "INSERT INTO t VALUES (-4711, 'secret'::text, interval 'secret')",
	    "UPDATE t SET a = 'it''s secret' WHERE b IN (4711, 4712) -- secret",
	    "DELETE FROM t WHERE a = /* secret /* nested */ 4711 */ 'secret'",
	    "CREATE ROLE bob PASSWORD 'secret'",
	    "SET my.secret = 'secret'",
	    "COPY (SELECT 'secret') TO STDOUT",
	    "SELECT 'secret' FROM (not even SQL 4711",
	    "SELECT 'secret",
	    "secret 4711",
	    "SELECT 'a\\' secret '",
	    "SELECT a, 'x\\', ' secret \\' , 'y'",
	    "EXPLAIN SELECT 'secret'",
	    "SELECT 1; SET x = 'secret'",
	    "DO $$ secret $$",
	    "CREATE secret",
	    "DECLARE c CURSOR FOR SELECT 'secret'",
	    "PREPARE p AS SELECT 'secret'",
	    "SELECT \"col\", 'secret' FROM JSON_TABLE('secret' COLUMNS (x int PATH '$.secret'))",
	    "SELECT date '2026-01-01' + interval '4711 secret' YEAR TO MONTH, timestamp(3) 'secret'",
	    "SELECT a FROM t ORDER BY 'secret', 4711 LIMIT 4711 OFFSET 4711",
	    "SELECT 'one'\n'secret' UESCAPE 'secret'",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		const char *text = name(texts[i]);

		if (strcasestr(text, "secret") || strstr(text, "4711") || strcasestr(text, "5ec2e7"))
			fail_msg("%s -> %s", texts[i], text);
	}
}

/* Kinds of statements as PostgreSQL's own regression tests have them. */
static const char *const valid[] = {
    "SELECT a, count(*) FROM t GROUP BY 1 ORDER BY 2 DESC NULLS LAST",
    "SELECT DISTINCT ON (1) a, b FROM t ORDER BY 1, 2",
    "SELECT x::numeric(10,2), cast(y as varchar(20)), now()::timestamp(3), z::char(1)[] FROM t",
    "SELECT a FROM t GROUP BY GROUPING SETS ((1), (2, 3), ROLLUP (1, 2), CUBE (1))",
    "SELECT sum(a) OVER (PARTITION BY b ORDER BY 1 ROWS BETWEEN 2 PRECEDING AND 3 FOLLOWING) FROM t",
    "SELECT sum(a) OVER w FROM t WINDOW w AS (ORDER BY b RANGE '1 day' PRECEDING EXCLUDE TIES)",
    "WITH RECURSIVE r(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM r WHERE n < 100) SELECT sum(n) FROM r",
    "WITH m AS MATERIALIZED (DELETE FROM t WHERE a = 1 RETURNING *) INSERT INTO u SELECT * FROM m",
    "INSERT INTO t (a, b) VALUES (1, 'x'), (2, DEFAULT) ON CONFLICT (a) DO UPDATE SET b = excluded.b || 'z'",
    "INSERT INTO t OVERRIDING SYSTEM VALUE SELECT generate_series(1, 10) RETURNING a AS \"A\"",
    "UPDATE t SET (a, b) = (SELECT 1, 2) FROM u WHERE t.a = u.a AND u.b BETWEEN 1 AND 2 RETURNING t.*",
    "UPDATE ONLY t SET a[1:2] = ARRAY[1, 2], b['key'] = '1' WHERE CURRENT OF c",
    "DELETE FROM t USING u WHERE t.a = u.a AND t.b LIKE 'a\\_%' ESCAPE '\\'",
    "MERGE INTO t USING u ON t.a = u.a WHEN MATCHED AND u.b > 5 THEN UPDATE SET b = 6 WHEN NOT MATCHED THEN "
    "INSERT VALUES (1, 'x')",
    "SELECT * FROM t TABLESAMPLE BERNOULLI (5) REPEATABLE (42)",
    "SELECT '{\"a\": 1}'::jsonb #>> '{a,b}', j -> 0 ->> 'k', j @? '$.a[*] ? (@ > 2)' FROM t",
    "SELECT extract(epoch FROM timestamptz '2026-01-01'), interval '1' HOUR, interval(3) '1 s'",
    "SELECT substring('abc' from 2 for 1), position('b' in 'abc'), overlay('a' placing 'b' from 1), "
    "trim(both "
    "'x' from 'y')",
    "SELECT CASE a WHEN 1 THEN 'one' ELSE E'it\\'s' END, coalesce(b, -1.5e-3), .5 FROM t",
    "SELECT a FROM t WHERE b ~ '^\\d+\\.\\s*$' AND c !~* 'x' AND d SIMILAR TO '%(b|d)%' ESCAPE '#'",
    "SELECT a FROM t ORDER BY a FETCH FIRST 5 ROWS WITH TIES",
    "(SELECT 1 UNION SELECT 2) EXCEPT ALL (SELECT 3) ORDER BY 1 LIMIT 1 OFFSET 2",
    "SELECT * FROM ROWS FROM (f(1), g('x')) WITH ORDINALITY AS z(a, b, n), LATERAL (SELECT z.a) l",
    "SELECT * FROM json_to_recordset('[]') AS x(a int, b varchar(10), c numeric(4,1))",
    "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY a) FILTER (WHERE b > 3) FROM t",
    "SELECT xmlelement(name foo, xmlattributes('x' as bar), 'content'), xmlparse(document '<a/>')",
    "SELECT a AT TIME ZONE 'UTC', (1, 'x') OVERLAPS (2, 'y'), ROW(1, 2) = ANY (VALUES (1, 2)) FROM t",
    "VALUES (1, 'a'), (2, B'101'), (3, X'1F')",
    "TABLE t",
    "SELECT $1::int + 5 WHERE a = $2 AND b = 'x'",
    "SELECT 'a\\\\b', 'trailing backslash \\'",
    "SELECT 1 AS \"select ' 5\", \"a\"\"b\" FROM \"T 1\"",
    "SELECT U&'d\\0061t\\+000061' , U&'d!0061' UESCAPE '!', N'x'",
    "SELECT OPERATOR(pg_catalog.-) 5, 5 OPERATOR(pg_catalog.+) 6, a !=-1, a<-1 FROM t",
};

static void every_valid_statement_has_a_text_without_a_constant(void **state)
{
	int before = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(valid) / sizeof(*valid); i++) {
		const char *text = name(valid[i]);

		before += constants_in(valid[i]);
		if (strstr(text, "<unparsed>") || constants_in(text) != 0)
			fail_msg("%s -> %s", valid[i], text);
	}
	assert_in_range(before, sizeof(valid) / sizeof(*valid), 1000); /* the scanner does see them */
}

static void a_literal_becomes_the_next_free_parameter(void **state)
{
	(void)state;
	assert_string_equal(name("SELECT $1::int + 5 WHERE a = $2 AND b = 'x'"),
			    "SELECT $1::int + $3 WHERE a = $2 AND b = $4");
	assert_string_equal(name("select a from t order by 2"), "select a from t order by $1");
	assert_string_equal(name("select a::numeric(10,2) from t"), "select a::numeric($1,$2) from t");
	assert_string_equal(name("select -5, 'x' /* no */ from t ;"), "select -$1, $2 from t");
}

static void other_commands_show_their_tag_only(void **state)
{
	(void)state;
	assert_string_equal(name("create table t (a int default 5)"), "CREATE TABLE");
	assert_string_equal(name("begin"), "BEGIN");
	assert_string_equal(name("selekt 1"), "<unparsed>");
	assert_string_equal(name("select from where"), "SELECT <unparsed>");
	assert_string_equal(name("select 1; select 2"), "SELECT <unparsed>");
}

static void texts_that_differ_in_literals_or_list_lengths_share_a_number(void **state)
{
	(void)state;
	assert_int_equal(number("select * from t where a = 1"),
			 number("SELECT * FROM t WHERE a = 'x' /* y */"));
	assert_int_equal(number("select a from t where a in (1, 2)"),
			 number("select a from t where a in (3)"));
	assert_int_not_equal(number("select * from u where a = 1"), number("select * from t where a = 1"));
	assert_int_equal(number("selekt 1"), 0);
}

static void a_long_name_is_cut_between_characters(void **state)
{
	char text[4 * NAMING_TEXT_MAX];
	const char *cut;
	size_t len;

	(void)state;
	for (size_t shift = 0; shift < 3; shift++) {
		len = (size_t)snprintf(text, sizeof(text), "select %.*s\"", (int)shift, "aaa ");
		if (shift)
			text[len - 1] = ',', text[len++] = '"';
		while (len < 2 * NAMING_TEXT_MAX)
			memcpy(text + len, "\xe2\x82\xac", 3), len += 3;
		memcpy(text + len, "\"", 2);
		cut = name(text);
		assert_in_range(strlen(cut), NAMING_TEXT_MAX - 3, NAMING_TEXT_MAX);
		assert_int_equal((unsigned char)cut[strlen(cut) - 1], 0xac);
	}
}

static void deep_nesting_is_not_given_to_the_parser(void **state)
{
	static struct naming naming;
	char *text = malloc(NAMING_INPUT_MAX);

	(void)state;
	memset(text, '(', NAMING_INPUT_MAX);
	memcpy(text, "select ", 7);
	naming_of(text, NAMING_INPUT_MAX, &naming);
	assert_string_equal(naming.text, "SELECT <unparsed>");
	for (int i = 7; i + 4 <= NAMING_INPUT_MAX; i += 4)
		memcpy(text + i, "not ", 4);
	naming_of(text, NAMING_INPUT_MAX, &naming);
	assert_string_equal(naming.text, "SELECT <unparsed>");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(literals_never_leave),
	    cmocka_unit_test(every_valid_statement_has_a_text_without_a_constant),
	    cmocka_unit_test(a_literal_becomes_the_next_free_parameter),
	    cmocka_unit_test(other_commands_show_their_tag_only),
	    cmocka_unit_test(texts_that_differ_in_literals_or_list_lengths_share_a_number),
	    cmocka_unit_test(a_long_name_is_cut_between_characters),
	    cmocka_unit_test(deep_nesting_is_not_given_to_the_parser),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
