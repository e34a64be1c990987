/* SPDX-License-Identifier: MIT */
#include "base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static size_t length(const char *text)
{
	return utf8_length(text, strlen(text));
}

/* The ends of each range of RFC 3629, section 4, and what lies beyond. */
static void characters_are_as_long_as_rfc_3629_says(void **state)
{
	(void)state;
	assert_int_equal(length("a"), 1);
	assert_int_equal(length("\x7f"), 1);
	assert_int_equal(length("\xc2\x80"), 2);
	assert_int_equal(length("\xdf\xbf"), 2);
	assert_int_equal(length("\xe0\xa0\x80"), 3);
	assert_int_equal(length("\xed\x9f\xbf"), 3);
	assert_int_equal(length("\xee\x80\x80"), 3);
	assert_int_equal(length("\xef\xbf\xbf"), 3);
	assert_int_equal(length("\xf0\x90\x80\x80"), 4);
	assert_int_equal(length("\xf4\x8f\xbf\xbf"), 4);
}

static void what_is_no_character_has_no_length(void **state)
{
	static const char *const none[] = {
	    "\x80",         "\xbf",         "\xc0\x80",         "\xc1\xbf",         "\xc2",
	    "\xc2\x7f",     "\xc2\xc0",     "\xe0\x9f\xbf",     "\xed\xa0\x80",     "\xe1\x80",
	    "\xe1\x80\x7f", "\xe1\x80\xc0", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf1\x80\x80",
	    "\xf5\x80\x80", "\xff",         "\xf1\x80\x80\x7f",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++)
		if (length(none[i]))
			fail_msg("the %zu-th has length %zu", i, length(none[i]));
	assert_int_equal(utf8_length("\xc3\xa4", 1), 0); /* the rest is not there */
}

static void a_cut_text_ends_with_a_whole_character(void **state)
{
	static const char text[] = "a\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\x98z"; /* ends at 1, 3, 6, 10, 11 */
	static const size_t ends[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11};

	(void)state;
	for (size_t len = 0; len < sizeof(ends) / sizeof(*ends); len++)
		assert_int_equal(utf8_cut(text, len), ends[len]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(characters_are_as_long_as_rfc_3629_says),
	    cmocka_unit_test(what_is_no_character_has_no_length),
	    cmocka_unit_test(a_cut_text_ends_with_a_whole_character),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
