/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <poll.h>
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

struct fixture {
	struct parser *parser;
	struct fingerprints *fingerprints;
	unsigned int named;
	uint64_t before, now; /* of the last one that was named */
};

static void on_named(void *ctx, uint64_t before, const struct fingerprint *now)
{
	struct fixture *f = ctx;

	f->named++;
	f->before = before;
	f->now = now->id;
}

static void wait_for(struct fixture *f, unsigned int named)
{
	struct pollfd readable = {.fd = parser_fd(f->parser), .events = POLLIN};

	while (f->named < named) {
		assert_int_equal(poll(&readable, 1, 20000), 1);
		assert_true(fingerprints_collect(f->fingerprints, on_named, f));
	}
}

static const struct fingerprint *of(struct fixture *f, const char *text)
{
	return fingerprint_of(f->fingerprints, text, strlen(text), 0);
}

static struct fixture begin(size_t capacity)
{
	const struct parser_options options = {0};
	struct fixture f = {0};

	assert_int_equal(parser_new(&f.parser, &options), 0);
	assert_int_equal(fingerprints_new(&f.fingerprints, capacity, f.parser), 0);
	return f;
}

static void end(struct fixture *f)
{
	fingerprints_free(&f->fingerprints);
	parser_free(&f->parser);
}

static void a_class_is_shown_by_its_tag_until_the_parser_has_answered(void **state)
{
	struct fixture f = begin(100);
	uint64_t before = of(&f, "select * from t where a = 1")->id;

	(void)state;
	assert_string_equal(of(&f, "select * from t where a = 2")->text, "SELECT");
	wait_for(&f, 1);
	assert_int_equal(f.before, before);
	assert_string_equal(of(&f, "SELECT *  FROM t WHERE a = 'x' /* y */")->text,
			    "select * from t where a = $1");
	assert_int_equal(of(&f, "select * from t where a = 3")->id, f.now);
	assert_int_equal(f.named, 1); /* asked once for the shape */
	end(&f);
}

static void shapes_of_one_class_get_the_same_number(void **state)
{
	struct fixture f = begin(100);

	(void)state;
	of(&f, "select a from t where a in (1)");
	of(&f, "select a from t where a in (1, 2)");
	wait_for(&f, 2);
	assert_int_equal(of(&f, "select a from t where a in (1)")->id,
			 of(&f, "select a from t where a in (1, 2)")->id);
	end(&f);
}

static void what_the_parser_cannot_read_keeps_its_number(void **state)
{
	struct fixture f = begin(100);
	uint64_t id = of(&f, "select from where 'secret'")->id;

	(void)state;
	wait_for(&f, 1);
	assert_string_equal(of(&f, "select from where 'x'")->text, "SELECT <unparsed>");
	assert_int_equal(of(&f, "select from where 'x'")->id, id);
	end(&f);
}

static void without_a_parser_the_tag_stays(void **state)
{
	struct fixture f = {0};

	(void)state;
	assert_int_equal(fingerprints_new(&f.fingerprints, 10, NULL), 0);
	assert_string_equal(of(&f, "update t set a = 'secret'")->text, "UPDATE");
	assert_false(fingerprints_collect(f.fingerprints, on_named, &f));
	fingerprints_free(&f.fingerprints);
}

static void what_is_cut_off_or_too_long_is_not_asked(void **state)
{
	struct fixture f = begin(10);
	char *text = malloc(NAMING_INPUT_MAX + 1);

	(void)state;
	assert_string_equal(fingerprint_of(f.fingerprints, "select a", 8, 1)->text, "SELECT <unparsed>");
	memset(text, 'a', NAMING_INPUT_MAX + 1);
	memcpy(text, "select ", 7);
	assert_string_equal(fingerprint_of(f.fingerprints, text, NAMING_INPUT_MAX + 1, 0)->text,
			    "SELECT <unparsed>");
	of(&f, "select b");
	wait_for(&f, 1);
	assert_int_equal(f.named, 1);
	free(text);
	end(&f);
}

static void the_cache_is_bounded_and_keeps_what_is_in_use(void **state)
{
	struct fixture f = begin(10);
	char text[64];

	(void)state;
	for (int i = 0; i < 25; i++) {
		snprintf(text, sizeof(text), "select a from table_%d", i);
		of(&f, text);
		of(&f, "select a from table_0");
	}
	assert_int_equal(fingerprints_evicted(f.fingerprints), 15);
	wait_for(&f, 10); /* answers to those that have gone are of no use */
	assert_string_equal(of(&f, "select a from table_0")->text, "select a from table_0");
	end(&f);
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
	    cmocka_unit_test(a_class_is_shown_by_its_tag_until_the_parser_has_answered),
	    cmocka_unit_test(shapes_of_one_class_get_the_same_number),
	    cmocka_unit_test(what_the_parser_cannot_read_keeps_its_number),
	    cmocka_unit_test(without_a_parser_the_tag_stays),
	    cmocka_unit_test(what_is_cut_off_or_too_long_is_not_asked),
	    cmocka_unit_test(the_cache_is_bounded_and_keeps_what_is_in_use),
	    cmocka_unit_test(stripping_removes_comments_and_folds_white_space_outside_of_literals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
