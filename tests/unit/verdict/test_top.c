/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "verdict/top.h"

static void errors_rank_before_rows_before_time(void **state)
{
	const struct class_record *worst[3];
	struct class_record *entry;
	struct top *top;

	(void)state;
	assert_int_equal(top_new(&top, 10), 0);
	top_entry(top, 1, "fine", 1);
	entry = top_entry(top, 2, "slow", 1);
	entry->mirror_us = 900, entry->primary_us = 100;
	entry = top_entry(top, 3, "rows", 1);
	entry->compared = 10, entry->divergences.rows = 5;
	entry = top_entry(top, 4, "error", 1);
	entry->divergences.mirror_only_error = 1;
	entry = top_entry(top, 5, "ignored", 1);
	entry->divergences.mirror_only_error = 100, entry->ignored = true;
	assert_int_equal(top_worst(top, worst, 3), 3);
	assert_string_equal(worst[0]->text, "error");
	assert_string_equal(worst[1]->text, "rows");
	assert_string_equal(worst[2]->text, "slow");
	top_free(&top);
}

static void a_class_that_is_renamed_keeps_what_it_counted(void **state)
{
	struct class_record *entry;
	struct top *top;

	(void)state;
	assert_int_equal(top_new(&top, 10), 0);
	entry = top_entry(top, 1, "SELECT", 5);
	entry->primary = 3, entry->divergences.rows = 1;
	entry = top_rename(top, 1, 2, "select a");
	assert_string_equal(entry->text, "select a");
	assert_int_equal(entry->primary, 3);
	assert_ptr_equal(top_find(top, 1), entry); /* what was sent before is answered now */
	assert_ptr_equal(top_find(top, 2), entry);
	entry = top_entry(top, 3, "SELECT", 1);
	entry->primary = 4, entry->mirror = 1;
	entry = top_rename(top, 3, 2, "select b");
	assert_int_equal(top_count(top), 1);
	assert_int_equal(entry->primary, 7);
	assert_int_equal(entry->mirror, 1);
	assert_int_equal(entry->divergences.rows, 1);
	assert_int_equal(entry->first_ns, 1);
	assert_ptr_equal(top_find(top, 3), entry);
	assert_null(top_rename(top, 9, 2, "none"));
	assert_string_equal(top_rename(top, 2, 2, "select c")->text, "select c");
	top_free(&top);
}

static void other_numbers_of_a_class_are_bounded(void **state)
{
	struct top *top;

	(void)state;
	assert_int_equal(top_new(&top, 3), 0);
	for (uint64_t id = 10; id < 15; id++) {
		top_entry(top, id, "SELECT", id);
		assert_non_null(top_rename(top, id, 1, "select"));
	}
	assert_null(top_find(top, 11));
	assert_non_null(top_find(top, 12));
	assert_int_equal(top_count(top), 1);
	top_free(&top);
}

static void repetitions_in_the_same_context_are_counted_on_either_side(void **state)
{
	struct class_record *entry;
	struct top *top;

	(void)state;
	assert_int_equal(top_new(&top, 10), 0);
	entry = top_entry(top, 1, "select now()", 1);
	for (uint64_t i = 1; i <= 11; i++) {
		top_answered(top, entry, MATCH_PRIMARY, 12, i, i * 1000);
		top_answered(top, entry, MATCH_MIRROR, 12, 7, i * 1000);
	}
	assert_int_equal(entry->repeats[MATCH_PRIMARY].count, 10);
	assert_int_equal(entry->repeats[MATCH_PRIMARY].differ, 10);
	assert_int_equal(entry->repeats[MATCH_MIRROR].count, 10);
	assert_int_equal(entry->repeats[MATCH_MIRROR].differ, 0);
	top_answered(top, entry, MATCH_PRIMARY, 12, 99, 11000 + 2 * CLASS_REPEAT_NS); /* too late to be one */
	top_answered(top, entry, MATCH_MIRROR, 13, 99, 11000);                        /* another context */
	assert_int_equal(entry->repeats[MATCH_PRIMARY].count, 10);
	assert_int_equal(entry->repeats[MATCH_MIRROR].count, 10);
	top_free(&top);
}

static void each_kind_of_harm_has_its_reason(void **state)
{
	char reason[CLASS_REASON_MAX];
	struct class_record fine = {.compared = 100, .primary_us = 1000000, .mirror_us = 1100000},
			    entry = fine;

	(void)state;
	assert_string_equal(class_reason(&fine, reason), "");
	entry.mirror_us = 12000000;
	assert_string_equal(class_reason(&entry, reason), "slower: 12 x, 11 s more in 100 times");
	entry.unseen = true, entry.primary = 30;
	assert_string_equal(class_reason(&entry, reason),
			    "never seen on the mirror, 30 times on the primary");
	entry.divergences.result = 3;
	assert_string_equal(class_reason(&entry, reason), "results differ, 3 of 100 times");
	entry.divergences.rows = 2;
	assert_string_equal(class_reason(&entry, reason), "row counts differ, 5 of 100 times");
	entry.divergences.primary_only_error = 1;
	strcpy(entry.primary_sqlstate, "40001");
	assert_string_equal(class_reason(&entry, reason),
			    "fails on the primary only (40001), 1 of 100 times");
	entry.divergences.sqlstate = 2;
	strcpy(entry.mirror_sqlstate, "23514");
	assert_string_equal(class_reason(&entry, reason),
			    "other SQLSTATE (23514, on the primary 40001), 2 of 100 times");
	entry.divergences.mirror_only_error = 100;
	strcpy(entry.mirror_sqlstate, "42P01");
	assert_string_equal(class_reason(&entry, reason),
			    "fails on the mirror only (42P01), 100 of 100 times");
}

static void the_table_is_bounded_and_keeps_what_did_harm(void **state)
{
	const struct class_record *worst[1];
	char text[32];
	struct top *top;

	(void)state;
	assert_int_equal(top_new(&top, 20), 0);
	top_entry(top, 1000, "harmful", 1)->divergences.sqlstate = 1;
	for (uint64_t i = 1; i <= 500; i++) {
		snprintf(text, sizeof(text), "text %d", (int)i);
		assert_non_null(top_entry(top, i, text, i));
	}
	assert_int_equal(top_count(top), 20);
	assert_int_equal(top_evicted(top), 481);
	assert_int_equal(top_worst(top, worst, 1), 1);
	assert_string_equal(worst[0]->text, "harmful");
	top_free(&top);
}

static void a_class_that_only_the_primary_runs_is_unseen(void **state)
{
	struct class_record *entry;
	struct top *top;

	(void)state;
	assert_int_equal(top_new(&top, 20), 0);
	entry = top_entry(top, 1, "both", 1);
	entry->primary = 50, entry->mirror = 1;
	top_entry(top, 2, "often", 1)->primary = 50;
	top_entry(top, 3, "rarely", 1)->primary = 2;
	assert_int_equal(top_mark_unseen(top, 10, 100, 50), 0); /* the twin may still come */
	assert_int_equal(top_mark_unseen(top, 10, 100, 500), 1);
	top_reset(top);
	assert_int_equal(top_count(top), 0);
	top_free(&top);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(errors_rank_before_rows_before_time),
	    cmocka_unit_test(a_class_that_is_renamed_keeps_what_it_counted),
	    cmocka_unit_test(other_numbers_of_a_class_are_bounded),
	    cmocka_unit_test(repetitions_in_the_same_context_are_counted_on_either_side),
	    cmocka_unit_test(each_kind_of_harm_has_its_reason),
	    cmocka_unit_test(the_table_is_bounded_and_keeps_what_did_harm),
	    cmocka_unit_test(a_class_that_only_the_primary_runs_is_unseen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
