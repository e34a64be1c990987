/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sql/sqlsetting.h"
#include "wire/context.h"

static void send(struct context *context, const char *text)
{
	size_t len = strlen(text);

	context_sent(context, text, len, 1, sqlsetting_concerns(text, len), false, false);
}

/* What is set after these texts, and whether that is known. */
static struct context_digest after(const char *const *texts)
{
	struct context context;
	struct context_digest digest;

	context_init(&context, true);
	while (*texts)
		send(&context, *texts++);
	context_digest(&context, &digest);
	context_done(&context);
	return digest;
}

#define AFTER(...) after((const char *const[]){__VA_ARGS__, NULL})

static void expect_same(struct context_digest a, struct context_digest b)
{
	assert_false(a.unseen || b.unseen);
	assert_int_equal(a.settings, b.settings);
	assert_int_equal(a.names, b.names);
}

static void a_rollback_to_gives_up_what_was_set_behind_the_savepoint(void **state)
{
	(void)state;
	expect_same(AFTER("BEGIN", "SET search_path TO a", "SAVEPOINT s", "SET search_path TO b",
			  "ROLLBACK TO s", "COMMIT"),
		    AFTER("SET search_path TO a"));
}

static void a_released_savepoint_is_no_aim_of_a_rollback_any_more(void **state)
{
	(void)state;
	expect_same(AFTER("BEGIN", "SET search_path TO a", "SAVEPOINT s", "SET search_path TO b",
			  "SAVEPOINT s", "SET search_path TO c", "RELEASE SAVEPOINT s", "ROLLBACK TO s",
			  "COMMIT"),
		    AFTER("SET search_path TO a"));
	expect_same(AFTER("BEGIN", "SAVEPOINT s", "SET search_path TO b", "SAVEPOINT t",
			  "SET search_path TO c", "RELEASE t", "COMMIT"),
		    AFTER("SET search_path TO c"));
}

static void a_semicolon_in_front_hides_nothing(void **state)
{
	(void)state;
	expect_same(AFTER("; SET search_path TO a"), AFTER("SET search_path TO a"));
}

/* Drivers set and release one around each statement. */
static void any_number_of_released_savepoints_fits_into_one_transaction(void **state)
{
	struct context context;
	struct context_digest digest;

	(void)state;
	context_init(&context, true);
	send(&context, "BEGIN");
	for (int i = 0; i < 10 * CONTEXT_UNDO; i++) {
		send(&context, "SAVEPOINT autosave");
		send(&context, "RELEASE SAVEPOINT autosave");
	}
	context_digest(&context, &digest);
	assert_false(digest.unseen);
	context_done(&context);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_rollback_to_gives_up_what_was_set_behind_the_savepoint),
	    cmocka_unit_test(a_released_savepoint_is_no_aim_of_a_rollback_any_more),
	    cmocka_unit_test(a_semicolon_in_front_hides_nothing),
	    cmocka_unit_test(any_number_of_released_savepoints_fits_into_one_transaction),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
