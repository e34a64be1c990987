/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "verdict/chance.h"
#include "verdict/class.h"

/* A class that varies lawfully: a fifth of its repetitions differ, here as there. */
static struct class_record varying(void)
{
	return (struct class_record){.compared = 1000,
				     .divergences = {.result = 210},
				     .repeats = {{.count = 100, .differ = 20}, {.count = 100, .differ = 22}}};
}

static void noise_explains_divergences_only_as_far_as_it_goes(void **state)
{
	struct class_record record = varying();

	(void)state;
	assert_int_equal(class_variation(&record), CLASS_VARIES);
	assert_true(class_excess(&record) == 0);
	record.divergences.result = 900; /* 20 % of noise do not explain 90 % */
	assert_int_equal(class_variation(&record), CLASS_DIFFERS);
	assert_true(class_excess(&record) == 900);
}

static void noise_must_be_shown_by_both_sides_alike(void **state)
{
	struct class_record record = varying();

	(void)state;
	record.repeats[MATCH_MIRROR].differ = 0; /* the mirror answers the same for ever */
	assert_int_equal(class_variation(&record), CLASS_DIFFERS);
	record.repeats[MATCH_MIRROR].differ = 80;
	assert_int_equal(class_variation(&record), CLASS_DIFFERS);
	record = varying();
	record.repeats[MATCH_MIRROR] = (struct class_repeats){9, 2}; /* too few to be believed */
	assert_int_equal(class_variation(&record), CLASS_OPEN);
}

static void a_difference_that_goes_one_way_is_no_noise(void **state)
{
	struct class_record record = varying();

	(void)state;
	record.divergences = (struct stats_DIVERGENCE){.rows = 210};
	record.more = 100, record.fewer = 110;
	assert_int_equal(class_variation(&record), CLASS_VARIES);
	record.more = 10, record.fewer = 200;
	assert_int_equal(class_variation(&record), CLASS_DIFFERS);
}

static void what_always_fails_is_broken_however_rare(void **state)
{
	struct class_record record = {.compared = 1, .divergences = {.mirror_only_error = 1}};

	(void)state;
	assert_int_equal(class_fault(&record), CLASS_BROKEN);
	record.passing = 1; /* a deadlock */
	assert_int_equal(class_fault(&record), CLASS_FINE);
	record = (struct class_record){.compared = 3, .divergences = {.primary_only_error = 3}};
	assert_int_equal(class_fault(&record), CLASS_BROKEN);
	record.ignored = true;
	assert_int_equal(class_fault(&record), CLASS_FINE);
}

static void what_fails_more_often_than_chance_is_broken(void **state)
{
	struct class_record record = {.compared = 100, .divergences = {.mirror_only_error = 30}};

	(void)state;
	assert_int_equal(class_fault(&record), CLASS_BROKEN);
	record.divergences.mirror_only_error = 5;
	assert_int_equal(class_fault(&record), CLASS_FINE);
	record.divergences =
	    (struct stats_DIVERGENCE){.mirror_only_error = 20, .primary_only_error = 18}; /* a race */
	assert_int_equal(class_fault(&record), CLASS_FINE);
}

static void what_mostly_differs_is_broken_unless_it_is_noise(void **state)
{
	struct class_record record = {.compared = 20, .divergences = {.rows = 20}, .fewer = 20};

	(void)state;
	assert_int_equal(class_fault(&record), CLASS_BROKEN);
	record.compared = record.divergences.rows = record.fewer = 2; /* a race can do that */
	assert_int_equal(class_fault(&record), CLASS_DOUBTFUL);
	record = (struct class_record){.compared = 20, .divergences = {.result = 20}};
	assert_int_equal(class_fault(&record), CLASS_DOUBTFUL);
	record.repeats[0] = (struct class_repeats){19, 0};
	record.repeats[1] = (struct class_repeats){19, 0};
	assert_int_equal(class_fault(&record), CLASS_BROKEN);
	record.repeats[0].differ = record.repeats[1].differ = 19; /* random() */
	assert_int_equal(class_fault(&record), CLASS_FINE);
}

static void unpaired_failures_of_the_primary_account_for_as_many_of_the_mirror(void **state)
{
	struct class_record record = {.unpaired = true, .compared = 50, .failed = {4, 10}};

	(void)state;
	strcpy(record.failed_sqlstate[MATCH_PRIMARY], "23503");
	strcpy(record.failed_sqlstate[MATCH_MIRROR], "23503");
	class_settle_unpaired(&record);
	assert_int_equal(record.divergences.mirror_only_error, 6);
	strcpy(record.failed_sqlstate[MATCH_PRIMARY], "42704"); /* not for others */
	class_settle_unpaired(&record);
	assert_int_equal(record.divergences.mirror_only_error, 10);
	assert_string_equal(record.mirror_sqlstate, "23503");
}

static void shares_are_bounded_as_the_tables_say(void **state)
{
	(void)state;
	assert_true(chance_share_at_least(3, 3) > 0.5 && chance_share_at_least(3, 3) < 0.6);
	assert_true(chance_share_at_least(50, 100) > 0.41 && chance_share_at_least(50, 100) < 0.43);
	assert_true(chance_share_at_least(0, 0) == 0);
	assert_true(chance_even(5, 10) && chance_even(20, 20) && !chance_even(21, 21));
	assert_true(chance_alike(10, 100, 14, 100) && !chance_alike(10, 100, 50, 100) &&
		    chance_alike(0, 0, 5, 5));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(noise_explains_divergences_only_as_far_as_it_goes),
	    cmocka_unit_test(noise_must_be_shown_by_both_sides_alike),
	    cmocka_unit_test(a_difference_that_goes_one_way_is_no_noise),
	    cmocka_unit_test(what_always_fails_is_broken_however_rare),
	    cmocka_unit_test(what_fails_more_often_than_chance_is_broken),
	    cmocka_unit_test(what_mostly_differs_is_broken_unless_it_is_noise),
	    cmocka_unit_test(unpaired_failures_of_the_primary_account_for_as_many_of_the_mirror),
	    cmocka_unit_test(shares_are_bounded_as_the_tables_say),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
