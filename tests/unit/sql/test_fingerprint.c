/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sql/fingerprint.h"
#include "sql/sqlshape.h"

static const char *shown(struct fingerprints *f, const char *text)
{
	return fingerprint_of(f, text, strlen(text), 0)->text;
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
	    "EXPLAIN SELECT 'secret'",
	    "SELECT 1; SET x = 'secret'",
	    "DO $$ secret $$",
	    "CREATE secret",
	    "DECLARE c CURSOR FOR SELECT 'secret'",
	    "PREPARE p AS SELECT 'secret'",
	    "SELECT \"col\", 'secret' FROM JSON_TABLE('secret' COLUMNS (x int PATH '$.secret'))",
	};
	struct fingerprints *f;

	(void)state;
	assert_int_equal(fingerprints_new(&f, 100), 0);
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		const char *text = shown(f, texts[i]);

		if (strcasestr(text, "secret") || strstr(text, "4711") || strcasestr(text, "5ec2e7"))
			fail_msg("%s -> %s", texts[i], text);
	}
	fingerprints_free(&f);
}

static void texts_that_differ_in_literals_share_a_number_and_a_text(void **state)
{
	const struct fingerprint *a;
	struct fingerprints *f;
	uint64_t id;

	(void)state;
	assert_int_equal(fingerprints_new(&f, 100), 0);
	id = fingerprint_of(f, "select * from t where a = 1", 27, 0)->id;
	a = fingerprint_of(f, "SELECT *  FROM t WHERE a = 'x' /* y */", 38, 0);
	assert_int_equal(a->id, id);
	assert_string_equal(shown(f, "select * from t where a = 99"), "select * from t where a = $1");
	assert_int_not_equal(fingerprint_of(f, "select * from u where a = 1", 27, 0)->id, id);
	fingerprints_free(&f);
}

static void other_commands_show_their_tag_only(void **state)
{
	struct fingerprints *f;

	(void)state;
	assert_int_equal(fingerprints_new(&f, 100), 0);
	assert_string_equal(shown(f, "create table t (a int default 5)"), "CREATE TABLE");
	assert_string_equal(shown(f, "begin"), "BEGIN");
	assert_string_equal(shown(f, "selekt 1"), "<unparsed>");
	assert_string_equal(shown(f, "select from where"), "SELECT <unparsed>");
	assert_string_equal(shown(f, "select 1; select 2"), "SELECT <unparsed>");
	fingerprints_free(&f);
}

static void the_cache_is_bounded_and_keeps_what_is_in_use(void **state)
{
	char text[64];
	struct fingerprints *f;

	(void)state;
	assert_int_equal(fingerprints_new(&f, 10), 0);
	for (int i = 0; i < 25; i++) {
		snprintf(text, sizeof(text), "select a from table_%d", i);
		assert_string_equal(shown(f, text), text);
		assert_string_equal(shown(f, "select a from table_0"), "select a from table_0");
	}
	assert_int_equal(fingerprints_evicted(f), 15);
	fingerprints_free(&f);
}

static void deep_nesting_is_not_given_to_the_parser(void **state)
{
	struct fingerprints *f;
	char *text = malloc(FINGERPRINT_INPUT_MAX);

	(void)state;
	assert_int_equal(fingerprints_new(&f, 10), 0);
	memset(text, '(', FINGERPRINT_INPUT_MAX);
	memcpy(text, "select ", 7);
	assert_string_equal(fingerprint_of(f, text, FINGERPRINT_INPUT_MAX, 0)->text, "SELECT <unparsed>");
	for (int i = 7; i + 4 <= FINGERPRINT_INPUT_MAX; i += 4)
		memcpy(text + i, "not ", 4);
	assert_non_null(strstr(fingerprint_of(f, text, FINGERPRINT_INPUT_MAX, 0)->text, "<unparsed>"));
	free(text);
	fingerprints_free(&f);
}

static void stripping_removes_comments_and_folds_white_space_outside_of_literals(void **state)
{
	static const struct {
		const char *text, *stripped;
	} cases[] = {
	    {"  select\t1 ;\n; ", "select 1"},
	    {"select/* a /* b */ c */1", "select 1"},
	    {"select '--  no comment', \"/* nor this */\" -- but this",
	     "select '--  no comment', \"/* nor this */\""},
	    {"select $$ -- $$, $1", "select $$ -- $$, $1"},
	    {"", ""},
	};
	char out[128];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_int_equal(sqlshape_strip(cases[i].text, strlen(cases[i].text), out, sizeof(out)),
				 strlen(cases[i].stripped));
		assert_string_equal(out, cases[i].stripped);
	}
	assert_int_equal(sqlshape_strip("select '", 8, out, sizeof(out)), -EILSEQ);
	assert_int_equal(sqlshape_strip("/* ", 3, out, sizeof(out)), -EILSEQ);
	assert_int_equal(sqlshape_strip("select 1", 8, out, 8), -ENOSPC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(literals_never_leave),
	    cmocka_unit_test(texts_that_differ_in_literals_share_a_number_and_a_text),
	    cmocka_unit_test(other_commands_show_their_tag_only),
	    cmocka_unit_test(the_cache_is_bounded_and_keeps_what_is_in_use),
	    cmocka_unit_test(deep_nesting_is_not_given_to_the_parser),
	    cmocka_unit_test(stripping_removes_comments_and_folds_white_space_outside_of_literals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
