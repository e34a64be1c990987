/* SPDX-License-Identifier: MIT */
/* The kernel's clock, also where a time namespace shows another one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"

static int64_t offset_of(const char *text)
{
	char path[] = "/tmp/mo-clock.XXXXXX";
	int fd = mkstemp(path);
	int64_t offset;

	assert_true(fd >= 0);
	dprintf(fd, "%s", text);
	close(fd);
	offset = clock_read_offset(path);
	unlink(path);
	return offset;
}

static void the_offset_of_a_time_namespace_is_read(void **state)
{
	(void)state;
	assert_int_equal(offset_of("monotonic           0         0\nboottime            0         0\n"), 0);
	assert_int_equal(offset_of("monotonic     1000000       500\nboottime           7         7\n"),
			 1000000000000500);
	assert_int_equal(offset_of("monotonic         -10         0\n"), -10000000000);
	assert_int_equal(clock_read_offset("/nonexistent"), 0);
}

static void the_clock_leaves_the_offset_out(void **state)
{
	uint64_t before = clock_ns();

	(void)state;
	clock_offset_ns = 1000;
	assert_true(clock_ns() + 1000 >= before);
	clock_offset_ns = -1000000000000;
	assert_in_range(clock_ns() - before, 1000000000000, 1001000000000);
	clock_offset_ns = 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_offset_of_a_time_namespace_is_read),
	    cmocka_unit_test(the_clock_leaves_the_offset_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
