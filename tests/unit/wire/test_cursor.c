/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wire/cursor.h"

static void numbers_are_read_big_endian(void **state)
{
	static const uint8_t data[] = {1, 2, 3, 0xff, 0xfe, 0xfd, 0xfc};
	struct cursor cursor = cursor_of(data, sizeof(data));

	(void)state;
	assert_int_equal(cursor_u8(&cursor), 1);
	assert_int_equal(cursor_u16(&cursor), 0x0203);
	assert_int_equal(cursor_u32(&cursor), 0xfffefdfc);
	assert_int_equal(cursor_left(&cursor), 0);
	assert_false(cursor.failed);
}

static void a_read_past_the_end_gives_zero_and_the_failure_stays(void **state)
{
	static const uint8_t data[] = {1, 2, 3};
	struct cursor cursor = cursor_of(data, sizeof(data));

	(void)state;
	assert_int_equal(cursor_u32(&cursor), 0);
	assert_true(cursor.failed);
	assert_int_equal(cursor_u8(&cursor), 0);
	assert_null(cursor_bytes(&cursor, 1));
	assert_null(cursor_string(&cursor, NULL));
}

static void a_string_without_its_nul_is_none(void **state)
{
	struct cursor cursor = cursor_of("ab\0cd", 5);
	size_t len;

	(void)state;
	assert_string_equal(cursor_string(&cursor, &len), "ab");
	assert_int_equal(len, 2);
	assert_null(cursor_string(&cursor, &len));
	assert_int_equal(len, 0);
	assert_true(cursor.failed);
}

static void nothing_can_be_read_of_nothing(void **state)
{
	struct cursor cursor = cursor_of(NULL, 0);

	(void)state;
	assert_int_equal(cursor_left(&cursor), 0);
	assert_null(cursor_string(&cursor, NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(numbers_are_read_big_endian),
	    cmocka_unit_test(a_read_past_the_end_gives_zero_and_the_failure_stays),
	    cmocka_unit_test(a_string_without_its_nul_is_none),
	    cmocka_unit_test(nothing_can_be_read_of_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
