/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "capture/names.h"

static struct names *names;

static int set_up(void **state)
{
	(void)state;
	names = names_new();
	return !names;
}

static int tear_down(void **state)
{
	(void)state;
	names_free(&names);
	return 0;
}

static void prepare(uint32_t process, uint64_t connection, const char *name, const char *text)
{
	struct querytext_key key = querytext_key(text, strlen(text));
	struct querytext *shared = querytext_new(text, strlen(text), false, &key);

	names_prepared(names, process, connection, name, strlen(name), shared);
	querytext_put(&shared);
}

/* What it stands for, "" = not known. */
static const char *text_of(uint32_t process, const char *name)
{
	static char out[64];
	struct querytext *text = names_text(names, process, name, strlen(name));

	snprintf(out, sizeof(out), "%s", text ? text->text : "");
	if (text)
		querytext_put(&text);
	return out;
}

static void prepare_many(uint32_t process, uint64_t connection, unsigned int count)
{
	char name[32], text[32];

	for (unsigned int i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "P_%u", i);
		snprintf(text, sizeof(text), "SELECT %u", i);
		prepare(process, connection, name, text);
	}
}

static void a_name_of_pgdog_stands_for_its_text_at_once(void **state)
{
	(void)state;
	prepare(7, 1, "__pgdog_1", "SELECT a");
	assert_string_equal(text_of(7, "__pgdog_1"), "SELECT a");
	assert_string_equal(text_of(7, "__pgdog_2"), "");
	assert_string_equal(text_of(8, "__pgdog_1"), ""); /* another process: started anew, it may be */
}

static void other_names_stand_for_theirs_once_enough_were_the_same_on_two_connections(void **state)
{
	(void)state;
	prepare_many(7, 1, NAMES_PROOF + 1);
	prepare_many(7, 1, NAMES_PROOF + 1); /* the same connection confirms nothing */
	assert_string_equal(text_of(7, "P_3"), "");
	prepare_many(7, 2, NAMES_PROOF - 1);
	prepare_many(7, 3, NAMES_PROOF - 1);
	assert_string_equal(text_of(7, "P_3"), "");
	prepare_many(7, 2, NAMES_PROOF);
	assert_string_equal(text_of(7, "P_3"), "SELECT 3");
	assert_string_equal(text_of(7, "P_20"), "SELECT 20"); /* was seen once */
}

static void one_name_with_two_texts_and_none_is_believed(void **state)
{
	(void)state;
	prepare_many(7, 1, 50);
	prepare_many(7, 2, 50);
	prepare(7, 1, "__pgdog_1", "SELECT a");
	assert_string_equal(text_of(7, "P_3"), "SELECT 3");
	prepare(7, 3, "P_49", "SELECT something else");
	assert_string_equal(text_of(7, "P_3"), "");
	assert_string_equal(text_of(7, "__pgdog_1"), "");
	prepare_many(7, 1, 50);
	prepare_many(7, 2, 50);
	assert_string_equal(text_of(7, "P_3"), "");
	prepare(8, 1, "__pgdog_1", "SELECT b");
	assert_string_equal(text_of(8, "__pgdog_1"), "SELECT b");
}

static void a_text_of_which_not_all_was_seen_is_none(void **state)
{
	struct querytext *text = querytext_new("SELECT", 6, true, NULL);

	(void)state;
	prepare(7, 1, "__pgdog_1", "SELECT a");
	names_prepared(names, 7, 2, "__pgdog_1", 9, text);
	querytext_put(&text);
	assert_string_equal(text_of(7, "__pgdog_1"), "");
}

static void of_many_processes_the_oldest_go(void **state)
{
	(void)state;
	for (uint32_t process = 1; process <= 1000; process++) {
		prepare(process, 1, "__pgdog_1", "SELECT a");
		assert_string_equal(text_of(1, "__pgdog_1"), "SELECT a"); /* in use */
	}
	assert_string_equal(text_of(1000, "__pgdog_1"), "SELECT a");
	assert_string_equal(text_of(500, "__pgdog_1"), "");
}

static void of_many_names_the_oldest_go(void **state)
{
	char name[32];

	(void)state;
	for (unsigned int i = 0; i < 20000; i++) {
		snprintf(name, sizeof(name), "__pgdog_%u", i);
		prepare(7, 1, name, "SELECT a");
	}
	assert_string_equal(text_of(7, "__pgdog_1"), "");
	assert_string_equal(text_of(7, "__pgdog_19999"), "SELECT a");
}

int main(void)
{
#define NAMES_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    NAMES_TEST(a_name_of_pgdog_stands_for_its_text_at_once),
	    NAMES_TEST(other_names_stand_for_theirs_once_enough_were_the_same_on_two_connections),
	    NAMES_TEST(one_name_with_two_texts_and_none_is_believed),
	    NAMES_TEST(a_text_of_which_not_all_was_seen_is_none),
	    NAMES_TEST(of_many_processes_the_oldest_go),
	    NAMES_TEST(of_many_names_the_oldest_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
