/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wire/failure.h"

static void the_four_timeout_states_are_timeouts_whatever_their_severity(void **state)
{
	static const char *const timeouts[] = {"57014", "55P03", "25P03", "25P04"};

	(void)state;
	for (int i = 0; i < 4; i++) {
		assert_int_equal(failure_of(timeouts[i], "ERROR", false), FAILURE_TIMEOUT);
		assert_int_equal(failure_of(timeouts[i], "FATAL", false), FAILURE_TIMEOUT);
	}
}

static void fatal_and_panic_are_failures_of_the_connection(void **state)
{
	(void)state;
	assert_int_equal(failure_of("57P01", "FATAL", false), FAILURE_CONNECTION);
	assert_int_equal(failure_of("XX000", "PANIC", false), FAILURE_CONNECTION);
	assert_true(failure_fatal("FATAL"));
	assert_true(failure_fatal("PANIC"));
	assert_false(failure_fatal("ERROR"));
}

static void every_error_at_start_up_is_a_failure_of_the_connection(void **state)
{
	(void)state;
	assert_int_equal(failure_of("28P01", "FATAL", true), FAILURE_CONNECTION);
	assert_int_equal(failure_of("53300", "FATAL", true), FAILURE_CONNECTION);
	assert_int_equal(failure_of("3D000", "ERROR", true), FAILURE_CONNECTION);
}

static void everything_else_failed_in_execution(void **state)
{
	(void)state;
	assert_int_equal(failure_of("42P01", "ERROR", false), FAILURE_QUERY_EXECUTION);
	assert_int_equal(failure_of("40001", "ERROR", false), FAILURE_QUERY_EXECUTION);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_four_timeout_states_are_timeouts_whatever_their_severity),
	    cmocka_unit_test(fatal_and_panic_are_failures_of_the_connection),
	    cmocka_unit_test(every_error_at_start_up_is_a_failure_of_the_connection),
	    cmocka_unit_test(everything_else_failed_in_execution),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
