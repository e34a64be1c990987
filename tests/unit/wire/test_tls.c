// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wire/tls.h"

#define BYTES(...) (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})

static void two_records_in_a_row_are_tls(void **state)
{
	struct tls tls = {0};

	(void)state;
	tls_follow(&tls, true, BYTES(0x17, 3, 3, 0, 2, 'a', 'b'));
	assert_false(tls_certain(&tls));
	tls_follow(&tls, true, BYTES(0x17, 3, 3, 0, 1, 'c'));
	assert_true(tls_certain(&tls));
}

static void a_header_and_its_body_may_come_by_two_calls(void **state)
{
	struct tls tls = {0};

	(void)state;
	for (int i = 0; i < 2; i++) {
		tls_follow(&tls, true, BYTES(0x17, 3, 3, 0, 3));
		tls_follow(&tls, true, BYTES('a', 'b', 'c'));
	}
	assert_true(tls_certain(&tls));
}

static void what_does_not_begin_where_the_record_ends_is_no_tls(void **state)
{
	struct tls tls = {0};

	(void)state;
	tls_follow(&tls, true, BYTES(0x17, 3, 3, 0, 1, 'a', 'b', 0x17, 3, 3, 0, 1, 'c'));
	assert_int_equal(tls.records, 0);
	tls_follow(&tls, true, BYTES('Z', 0, 0, 0, 5, 'I'));
	assert_int_equal(tls.records, 0);
}

static void a_record_is_looked_for_where_a_call_begins(void **state)
{
	struct tls tls = {0};

	(void)state;
	tls_follow(&tls, false, BYTES(0x17, 3, 3, 0, 1, 'a', 0x17, 3, 3, 0, 1, 'b'));
	assert_false(tls_certain(&tls));
}

static void lengths_and_versions_that_tls_does_not_know_are_no_tls(void **state)
{
	struct tls tls = {0};

	(void)state;
	tls_follow(&tls, true, BYTES(0x17, 3, 3, 0xff, 0xff, 'a'));
	tls_follow(&tls, true, BYTES(0x17, 4, 0, 0, 1, 'a'));
	tls_follow(&tls, true, BYTES(0x17, 3, 3, 0));
	assert_int_equal(tls.records, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(two_records_in_a_row_are_tls),
	    cmocka_unit_test(a_header_and_its_body_may_come_by_two_calls),
	    cmocka_unit_test(what_does_not_begin_where_the_record_ends_is_no_tls),
	    cmocka_unit_test(a_record_is_looked_for_where_a_call_begins),
	    cmocka_unit_test(lengths_and_versions_that_tls_does_not_know_are_no_tls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
