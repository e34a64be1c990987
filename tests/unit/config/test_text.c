/* SPDX-License-Identifier: MIT */
#include "config/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static bool clean(const char *text)
{
	struct text_place place;
	const char *why;

	return text_is_clean(text, strlen(text), &place, &why);
}

/* The edges of RFC 3629's table of well-formed byte sequences. */
static void utf8_is_told_from_what_only_looks_like_it(void **state)
{
	static const char *const good[] = {"",
					   "a\tb\r\n",
					   "\xc2\x80",
					   "\xdf\xbf",
					   "\xe0\xa0\x80",
					   "\xed\x9f\xbf",
					   "\xef\xbf\xbf",
					   "\xf0\x90\x80\x80",
					   "\xf4\x8f\xbf\xbf"};
	static const char *const bad[] = {"\x80",
					  "\xc1\xbf",
					  "\xe0\x9f\xbf",
					  "\xed\xa0\x80",
					  "\xf0\x8f\xbf\xbf",
					  "\xf4\x90\x80\x80",
					  "\xf5\x80\x80\x80",
					  "\xc3",
					  "\xe2\x82",
					  "\xc3(",
					  "\x1b[0m",
					  "\x7f"};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		assert_true(clean(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_false(clean(bad[i]));
}

static void the_place_of_an_offence_counts_characters_not_bytes(void **state)
{
	struct text_place place;
	const char *why;

	(void)state;
	assert_false(text_is_clean("a\n\xc3\xa4\xe2\x82\xac\x01", 8, &place, &why));
	assert_int_equal(place.line, 2);
	assert_int_equal(place.column, 3);
	assert_string_equal(why, "a control character");
	assert_false(text_is_clean("\0", 1, &place, &why));
	assert_string_equal(why, "a NUL byte");
}

static void a_tab_is_found_in_the_indentation_only(void **state)
{
	static const char text[] = "a:\n  \tb\nc\td";
	unsigned column;

	(void)state;
	assert_false(text_indent_has_tab(text, strlen(text), 1, &column));
	assert_true(text_indent_has_tab(text, strlen(text), 2, &column));
	assert_int_equal(column, 3);
	assert_false(text_indent_has_tab(text, strlen(text), 3, &column));
	assert_false(text_indent_has_tab(text, strlen(text), 9, &column));
}

static void a_slip_is_matched_and_another_word_is_not(void **state)
{
	static const char *const words[] = {"listen", "pin", "pid", "proxy"};

	(void)state;
	assert_string_equal(text_nearest("listne", words, 4), "listen");
	assert_string_equal(text_nearest("lisen", words, 4), "listen");
	assert_string_equal(text_nearest("pi", words, 4), "pin");
	assert_null(text_nearest("xyz", words, 4));
	assert_null(text_nearest("", words, 4));
	assert_null(text_nearest("a_very_long_word_that_is_no_slip_of_the_pen", words, 4));
}

static void quoted_text_is_one_short_line_and_ends_between_characters(void **state)
{
	char out[TEXT_QUOTED_MAX], text[200];

	(void)state;
	assert_string_equal(text_quote("a\nb\x7f", out), "\"a?b?\"");
	memset(text, 'x', sizeof(text));
	memcpy(text + 64, "\xc3\xa4", 2);
	text[199] = '\0';
	text_quote(text, out);
	assert_true(strlen(out) < TEXT_QUOTED_MAX);
	assert_true(clean(out));
	assert_string_equal(out + strlen(out) - 4, "...\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(utf8_is_told_from_what_only_looks_like_it),
	    cmocka_unit_test(the_place_of_an_offence_counts_characters_not_bytes),
	    cmocka_unit_test(a_tab_is_found_in_the_indentation_only),
	    cmocka_unit_test(a_slip_is_matched_and_another_word_is_not),
	    cmocka_unit_test(quoted_text_is_one_short_line_and_ends_between_characters),
	};

	return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
