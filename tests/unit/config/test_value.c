/* SPDX-License-Identifier: MIT */
#include "config/value.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct sample {
	const char *text;
	int err;
	uint64_t value;
};

#define CHECK(function, table)                                                       \
	for (size_t i = 0; i < sizeof(table) / sizeof(*(table)); i++) {              \
		uint64_t value = 0;                                                  \
		assert_int_equal(function((table)[i].text, &value), (table)[i].err); \
		if (!(table)[i].err)                                                 \
			assert_int_equal(value, (table)[i].value);                   \
	}

static void a_duration_is_a_whole_number_with_a_unit_or_zero(void **state)
{
	static const struct sample table[] = {
	    {"0", 0, 0},
	    {"7us", 0, 7},
	    {"250ms", 0, 250000},
	    {"30s", 0, 30000000},
	    {"5m", 0, 300000000},
	    {"1h", 0, 3600000000u},
	    {"2d", 0, 172800000000u},
	    {"0s", 0, 0},
	    {"5", -EINVAL, 0},
	    {"", -EINVAL, 0},
	    {"s", -EINVAL, 0},
	    {"-5s", -EINVAL, 0},
	    {"1.5s", -EINVAL, 0},
	    {"5 s", -EINVAL, 0},
	    {"5S", -EINVAL, 0},
	    {"5sec", -EINVAL, 0},
	    {"5s ", -EINVAL, 0},
	    {"0x5s", -EINVAL, 0},
	    {"213503983d", -ERANGE, 0},
	    {"18446744073709551616us", -ERANGE, 0},
	};

	(void)state;
	CHECK(value_duration, table);
}

static void a_size_is_bytes_or_a_binary_unit(void **state)
{
	static const struct sample table[] = {
	    {"0", 0, 0},           {"65536", 0, 65536},    {"64KiB", 0, 65536},
	    {"16MiB", 0, 1 << 24}, {"1GiB", 0, 1 << 30},   {"16MB", -EINVAL, 0},
	    {"16mib", -EINVAL, 0}, {"16 MiB", -EINVAL, 0}, {"17179869184GiB", -ERANGE, 0},
	};

	(void)state;
	CHECK(value_size, table);
}

static void a_whole_number_is_digits_only(void **state)
{
	static const struct sample table[] = {
	    {"0", 0, 0},
	    {"18446744073709551615", 0, UINT64_MAX},
	    {"18446744073709551616", -ERANGE, 0},
	    {"+1", -EINVAL, 0},
	    {"1e3", -EINVAL, 0},
	    {"", -EINVAL, 0},
	};

	(void)state;
	CHECK(value_unsigned, table);
}

static void a_decimal_has_at_most_one_point_and_nothing_else(void **state)
{
	static const char *const bad[] = {"",   ".",   ".5",  "5.",  "1.2.3", "-1",
					  "+1", "1e3", "nan", "inf", "0x1",   "1,5"};
	double value = 0;

	(void)state;
	assert_int_equal(value_decimal("0.25", &value), 0);
	assert_true(value == 0.25);
	assert_int_equal(value_decimal("100", &value), 0);
	assert_true(value == 100);
	assert_int_equal(value_decimal("123456789012345678901", &value), -ERANGE);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(value_decimal(bad[i], &value), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_duration_is_a_whole_number_with_a_unit_or_zero),
	    cmocka_unit_test(a_size_is_bytes_or_a_binary_unit),
	    cmocka_unit_test(a_whole_number_is_digits_only),
	    cmocka_unit_test(a_decimal_has_at_most_one_point_and_nothing_else),
	};

	return cmocka_run_group_tests_name("value", tests, NULL, NULL);
}
