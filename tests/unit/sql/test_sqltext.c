/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "wire/querytext.h"

static struct sqltext scan(const char *text)
{
	struct sqltext out;

	sqltext_scan(text, strlen(text), &out);
	return out;
}

static void transaction_control_and_settings_are_control(void **state)
{
	static const char *const control[] = {
	    "BEGIN",
	    " begin ;",
	    "/* a /* b */ */ START TRANSACTION READ ONLY",
	    "-- x\nCOMMIT",
	    "ROLLBACK TO SAVEPOINT a",
	    "SET search_path = a",
	    "SHOW ALL",
	    "DISCARD ALL",
	    "SAVEPOINT a; SET LOCAL x = ';'",
	    "PREPARE TRANSACTION 'x'",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(control) / sizeof(control[0]); i++)
		assert_true(scan(control[i]).control);
}

static void anything_else_is_not(void **state)
{
	static const char *const others[] = {
	    "",
	    ";",
	    "SELECT 1",
	    "BEGIN; INSERT INTO a VALUES (1)",
	    "PREPARE p AS SELECT 1",
	    "SETTLE",
	    "COPY a FROM STDIN",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_false(scan(others[i]).control);
}

static void the_block_is_what_the_text_as_a_whole_leaves(void **state)
{
	(void)state;
	assert_int_equal(scan("BEGIN").block, SQLTEXT_BLOCK_OPENED);
	assert_int_equal(scan("BEGIN; SELECT 1; COMMIT").block, SQLTEXT_BLOCK_ENDED);
	assert_int_equal(scan("COMMIT; BEGIN").block, SQLTEXT_BLOCK_OPENED);
	assert_int_equal(scan("COMMIT AND CHAIN").block, SQLTEXT_BLOCK_KEPT);
	assert_int_equal(scan("COMMIT AND NO CHAIN").block, SQLTEXT_BLOCK_ENDED);
	assert_int_equal(scan("ROLLBACK TO a").block, SQLTEXT_BLOCK_KEPT);
	assert_int_equal(scan("ROLLBACK TRANSACTION TO a").block, SQLTEXT_BLOCK_KEPT);
	assert_int_equal(scan("COMMIT PREPARED 'x'").block, SQLTEXT_BLOCK_KEPT);
	assert_int_equal(scan("PREPARE TRANSACTION 'x'").block, SQLTEXT_BLOCK_ENDED);
	assert_int_equal(scan("SELECT 1").block, SQLTEXT_BLOCK_KEPT);
}

static void semicolons_in_quotes_and_comments_part_nothing(void **state)
{
	static const char *const one[] = {
	    "SELECT '; COMMIT'",         "SELECT \"; COMMIT\"",    "SELECT $$; COMMIT$$",
	    "SELECT $a$ $$; COMMIT $a$", "SELECT E'\\'; COMMIT'",  "SELECT 1 /* ; COMMIT */",
	    "SELECT 1 -- ; COMMIT",      "SELECT a$$b; -- COMMIT",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(one) / sizeof(one[0]); i++)
		assert_int_equal(scan(one[i]).block, SQLTEXT_BLOCK_KEPT);
	assert_int_equal(scan("SELECT 'it''s'; COMMIT").block, SQLTEXT_BLOCK_ENDED);
	assert_int_equal(scan("SELECT $1; COMMIT").block, SQLTEXT_BLOCK_ENDED);
}

static void what_follows_idle_semicolons_is_read(void **state)
{
	(void)state;
	assert_int_equal(scan("BEGIN ; \n;; COMMIT;").block, SQLTEXT_BLOCK_ENDED);
	assert_int_equal(scan("BEGIN;\tCOMMIT").block, SQLTEXT_BLOCK_ENDED);
	assert_int_equal(scan("BEGIN;/* ; */ ; COMMIT").block, SQLTEXT_BLOCK_ENDED);
	assert_int_equal(scan("BEGIN; \n ; ;").block, SQLTEXT_BLOCK_OPENED);
}

static void dropping_all_plans_is_seen(void **state)
{
	(void)state;
	assert_true(scan("DISCARD ALL").forgets);
	assert_true(scan("SELECT 1; deallocate prepare all").forgets);
	assert_false(scan("DEALLOCATE a").forgets);
	assert_false(scan("DISCARD PLANS").forgets);
}

static void the_key_of_a_text_in_pieces_is_that_of_the_whole(void **state)
{
	static const char text[] =
	    " \n;SELECT  1 ; ; SELECT 2 ;                                                    "
	    "                                               \n\n ; ";
	struct querytext_key whole = querytext_key(text, sizeof(text) - 1), pieces;
	struct querytext_hash hash;

	(void)state;
	assert_int_equal(querytext_hash_init(&hash), 0);
	for (size_t cut = 0; cut < sizeof(text); cut++) {
		querytext_hash_begin(&hash);
		querytext_hash_text(&hash, text, cut);
		querytext_hash_text(&hash, text + cut, sizeof(text) - 1 - cut);
		pieces = querytext_hash_end(&hash);
		assert_memory_equal(&whole, &pieces, sizeof(whole));
	}
	querytext_hash_done(&hash);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(transaction_control_and_settings_are_control),
	    cmocka_unit_test(anything_else_is_not),
	    cmocka_unit_test(the_block_is_what_the_text_as_a_whole_leaves),
	    cmocka_unit_test(semicolons_in_quotes_and_comments_part_nothing),
	    cmocka_unit_test(what_follows_idle_semicolons_is_read),
	    cmocka_unit_test(dropping_all_plans_is_seen),
	    cmocka_unit_test(the_key_of_a_text_in_pieces_is_that_of_the_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
