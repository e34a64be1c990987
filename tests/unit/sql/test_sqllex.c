/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "sql/sqllex.h"
#include "sql/sqltext.h"

/* One letter a token, in the order of enum sqllex_kind; `!` behind one that is uncertain. */
static const char *kinds(const char *text)
{
	static char out[128];
	struct sqllex lexer = {.at = text, .end = text + strlen(text)};
	struct sqllex_token token;
	size_t used = 0;

	while (sqllex_next(&lexer, &token)) {
		assert_true(token.end > token.start && token.end == lexer.at);
		out[used++] = "e_wi$lo"[token.kind];
		if (token.uncertain)
			out[used++] = '!';
	}
	out[used] = '\0';
	return out;
}

static void every_literal_is_one_token(void **state)
{
	(void)state;
	assert_string_equal(kinds("'it''s'"), "l");
	assert_string_equal(kinds("E'it\\'s'"), "l");
	assert_string_equal(kinds("b'01' X'1f' n'a' U&'\\0061'"), "l_l_l_l");
	assert_string_equal(kinds("$$a'b$$ $x$ $$ $x$"), "l_l");
	assert_string_equal(kinds("1 .5 1e-5 0x1F 1_000"), "l_l_l_l_l");
}

static void identifiers_parameters_and_operators_are_no_literals(void **state)
{
	(void)state;
	assert_string_equal(kinds("a1 _b \"c d\" U&\"e\" \xc3\xa9"), "w_w_i_i_w");
	assert_string_equal(kinds("$1=a$1"), "$ow");
	assert_string_equal(kinds("(a-b)/c;"), "owowoowo");
}

static void comments_are_space_and_nest(void **state)
{
	(void)state;
	assert_string_equal(kinds("a -- 'b\nc"), "w_w");
	assert_string_equal(kinds("a/* /* */ ; */b"), "w_w");
	assert_string_equal(kinds("a--b\rc"), "w_w");
}

static void what_does_not_end_or_depends_on_a_setting_is_uncertain(void **state)
{
	(void)state;
	assert_string_equal(kinds("'a"), "l!");
	assert_string_equal(kinds("\"a"), "i!");
	assert_string_equal(kinds("$x$ a $y$"), "l!");
	assert_string_equal(kinds("/* /* */"), "_!");
	assert_string_equal(kinds("E'a\\"), "l!");
	assert_string_equal(kinds("'a\\' b"), "l!_w");
}

static struct sqltext scanned(const char *text)
{
	struct sqltext out;

	sqltext_scan(text, strlen(text), &out);
	return out;
}

static void transaction_control_is_told_by_its_first_words(void **state)
{
	static const struct {
		const char *text;
		bool control;
		enum sqltext_block block;
	} cases[] = {
	    {"begin", true, SQLTEXT_BLOCK_OPENED},
	    {"/* a */ START TRANSACTION;", true, SQLTEXT_BLOCK_OPENED},
	    {"commit work and chain", true, SQLTEXT_BLOCK_KEPT},
	    {"COMMIT", true, SQLTEXT_BLOCK_ENDED},
	    {"rollback to savepoint a", true, SQLTEXT_BLOCK_KEPT},
	    {"ROLLBACK TRANSACTION TO a", true, SQLTEXT_BLOCK_KEPT},
	    {"prepare transaction 'a'", true, SQLTEXT_BLOCK_ENDED},
	    {"begin; select 1; commit", false, SQLTEXT_BLOCK_ENDED},
	    {"select 'a; commit'", false, SQLTEXT_BLOCK_KEPT},
	    {"insert into t values ('a\\'); commit", false, SQLTEXT_BLOCK_ENDED},
	    {"ENDED", false, SQLTEXT_BLOCK_KEPT},
	    {"", false, SQLTEXT_BLOCK_KEPT},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct sqltext scan = scanned(cases[i].text);

		if (scan.control != cases[i].control || scan.block != cases[i].block)
			fail_msg("%s: control %d, block %d", cases[i].text, scan.control, scan.block);
	}
}

static void prepared_statements_are_forgotten_by_discard_and_deallocate_all(void **state)
{
	(void)state;
	assert_true(scanned("DISCARD ALL").forgets);
	assert_true(scanned("select 1; deallocate prepare all").forgets);
	assert_false(scanned("DISCARD PLANS").forgets);
	assert_false(scanned("deallocate a").forgets);
	assert_false(scanned("select 'deallocate all'").forgets);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_literal_is_one_token),
	    cmocka_unit_test(identifiers_parameters_and_operators_are_no_literals),
	    cmocka_unit_test(comments_are_space_and_nest),
	    cmocka_unit_test(what_does_not_end_or_depends_on_a_setting_is_uncertain),
	    cmocka_unit_test(transaction_control_is_told_by_its_first_words),
	    cmocka_unit_test(prepared_statements_are_forgotten_by_discard_and_deallocate_all),
	};

	return cmocka_run_group_tests_name("sqllex", tests, NULL, NULL);
}
