/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire/savepoints.h"

#define A 11
#define B 12
#define C 13

static void expect_cut(struct savepoints *savepoints, uint64_t name, uint64_t kept, uint64_t gone)
{
	struct savepoints_cut cut = savepoints_roll_back(savepoints, name);

	assert_int_equal(cut.kept, kept);
	assert_int_equal(cut.gone, gone);
}

static void a_rollback_goes_to_the_last_one_of_that_name_and_leaves_it(void **state)
{
	struct savepoints savepoints = {0};

	(void)state;
	savepoints_set(&savepoints, A, 1);
	savepoints_set(&savepoints, B, 2);
	savepoints_set(&savepoints, A, 3);
	expect_cut(&savepoints, A, 3, 3);
	expect_cut(&savepoints, A, 3, 3);
	expect_cut(&savepoints, B, 2, 2);
	expect_cut(&savepoints, A, 1, 1); /* the inner one is gone with the rollback to B */
	savepoints_free(&savepoints);
}

static void a_release_uncovers_the_outer_one_of_that_name(void **state)
{
	struct savepoints savepoints = {0};

	(void)state;
	savepoints_set(&savepoints, A, 1);
	savepoints_set(&savepoints, A, 2);
	savepoints_set(&savepoints, B, 3);
	savepoints_release(&savepoints, A);
	expect_cut(&savepoints, A, 1, 1);
	savepoints_free(&savepoints);
}

/* What no savepoint can have dropped is kept, what any must have dropped is gone. */
static void where_a_name_is_not_known_only_the_ends_are_certain(void **state)
{
	struct savepoints savepoints = {0};

	(void)state;
	savepoints_set(&savepoints, A, 1);
	savepoints_set(&savepoints, 0, 4);
	expect_cut(&savepoints, A, 1, 4); /* the unnamed one may be an A too */
	savepoints_clear(&savepoints);
	savepoints_set(&savepoints, A, 1);
	savepoints_set(&savepoints, B, 4);
	expect_cut(&savepoints, C, 1, 4);
	savepoints_clear(&savepoints);
	savepoints.torn = true;
	savepoints_set(&savepoints, A, 5);
	expect_cut(&savepoints, B, 0, 5);
	savepoints_clear(&savepoints);
	expect_cut(&savepoints, A, 0, UINT64_MAX);
	savepoints_free(&savepoints);
}

static void more_than_can_be_remembered_make_the_inner_ones_uncertain_and_no_more(void **state)
{
	struct savepoints savepoints = {0};

	(void)state;
	savepoints_set(&savepoints, A, 1);
	for (uint64_t i = 0; i < 10 * SAVEPOINTS_MAX; i++)
		savepoints_set(&savepoints, B, 2 + i);
	assert_int_equal(savepoints.count, SAVEPOINTS_MAX);
	expect_cut(&savepoints, A, 0, 1 + 10 * SAVEPOINTS_MAX);
	savepoints_clear(&savepoints);
	savepoints_set(&savepoints, A, 1);
	expect_cut(&savepoints, A, 1, 1);
	savepoints_free(&savepoints);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_rollback_goes_to_the_last_one_of_that_name_and_leaves_it),
	    cmocka_unit_test(a_release_uncovers_the_outer_one_of_that_name),
	    cmocka_unit_test(where_a_name_is_not_known_only_the_ends_are_certain),
	    cmocka_unit_test(more_than_can_be_remembered_make_the_inner_ones_uncertain_and_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
