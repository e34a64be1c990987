/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "serve/marks.h"
#include "serve/sentence.h"

static struct readiness all(enum verdict verdict)
{
	struct readiness readiness = {.verdict = verdict};

	for (size_t i = 0; i < READINESS_CHECK_COUNT; i++)
		readiness.checks[i] = (struct readiness_check){.name = "x",
							       .unit = "",
							       .verdict = VERDICT_READY,
							       .have = NAN,
							       .need = NAN,
							       .reason = "X: fine."};
	return readiness;
}

static void check_sentence(const struct readiness *readiness, const struct top *top, const char *diagnosis,
			   const char *wanted)
{
	struct buffer out = {0};

	sentence_write(&out, readiness, top, diagnosis);
	assert_string_equal(out.data, wanted);
	buffer_free(&out);
}

static void the_statement_is_named_where_the_check_points_to_statements(void **state)
{
	struct readiness readiness = all(VERDICT_NOT_READY);
	struct class_record *entry;
	struct top *top;

	(void)state;
	assert_int_equal(top_new(&top, 10), 0);
	readiness.checks[3].verdict = VERDICT_NOT_READY;
	strcpy(readiness.checks[3].reason,
	       "Pairs that differ: 1 %, at most 0.1 % wanted; /statements names them.");
	check_sentence(&readiness, top, NULL, "Not ready: Pairs that differ: 1 %, at most 0.1 % wanted");
	entry = top_entry(top, 1, "INSERT INTO only_on_primary VALUES ($1)", 1);
	entry->compared = 12;
	entry->divergences.mirror_only_error = 12;
	strcpy(entry->mirror_sqlstate, "42P01");
	check_sentence(
	    &readiness, top, NULL,
	    "Not ready: INSERT INTO only_on_primary VALUES ($1) fails on the mirror only (42P01), 12 of 12 "
	    "times");
	/* An ignored one is not in the way. */
	entry->ignored = true;
	check_sentence(&readiness, top, NULL, "Not ready: Pairs that differ: 1 %, at most 0.1 % wanted");
	top_free(&top);
}

static void a_failing_check_of_another_kind_speaks_for_itself(void **state)
{
	struct readiness readiness = all(VERDICT_NOT_READY);

	(void)state;
	readiness.checks[2].verdict = VERDICT_NOT_READY;
	strcpy(readiness.checks[2].reason, "Lag: 9 s, at most 5 s wanted; too slow.");
	check_sentence(&readiness, NULL, "is not heard now", "Not ready: Lag: 9 s, at most 5 s wanted");
}

static void what_lacks_most_is_named_with_how_far_it_is(void **state)
{
	struct readiness readiness = all(VERDICT_INSUFFICIENT_DATA);
	struct readiness_check *observed = &readiness.checks[0], *rate = &readiness.checks[5];

	(void)state;
	*observed = (struct readiness_check){
	    .unit = "s",
	    .verdict = VERDICT_INSUFFICIENT_DATA,
	    .value = 59,
	    .threshold = 1800,
	    .at_least = true,
	    .have = NAN,
	    .need = NAN,
	    .reason = "Time observed: 59 s, at least 30 min wanted; keep observing."};
	rate->verdict = VERDICT_INSUFFICIENT_DATA;
	rate->have = 1500;
	rate->need = 3000;
	check_sentence(&readiness, NULL, NULL, "Not enough seen yet: Time observed: 59 s of 30 min");
	rate->have = 3;
	strcpy(rate->reason, "Requests that failed: 0 % of 3 so far.");
	check_sentence(&readiness, NULL, NULL, "Not enough seen yet: Requests that failed: 3 of 3000");
	check_sentence(&readiness, NULL, "the proxy does not run",
		       "Not enough seen yet: the proxy does not run");
}

static void ready_says_so(void **state)
{
	const struct readiness readiness = all(VERDICT_READY);
	char wanted[64];

	(void)state;
	snprintf(wanted, sizeof(wanted), "Ready: all %d checks pass", READINESS_CHECK_COUNT);
	check_sentence(&readiness, NULL, NULL, wanted);
}

static void a_long_statement_is_cut_between_characters(void **state)
{
	struct readiness readiness = all(VERDICT_NOT_READY);
	struct buffer out = {0};
	char text[400] = "SELECT ";
	struct class_record *entry;
	struct top *top;

	(void)state;
	assert_int_equal(top_new(&top, 10), 0);
	for (int i = 0; i < 100; i++)
		strcat(text, "\u00e4");
	entry = top_entry(top, 1, text, 1);
	entry->compared = entry->divergences.mirror_only_error = 1;
	readiness.checks[0].verdict = VERDICT_NOT_READY;
	strcpy(readiness.checks[0].reason, "X; /statements.");
	sentence_write(&out, &readiness, top, NULL);
	assert_non_null(strstr(out.data, "\u00e4\u2026 fails on the mirror"));
	buffer_free(&out);
	top_free(&top);
}

static void marks_keep_the_last_ones_in_order(void **state)
{
	static struct marks marks;
	char text[300];

	(void)state;
	assert_null(marks_last(&marks, MARK_VERDICT));
	for (int i = 0; i < MARKS_MAX + 10; i++) {
		snprintf(text, sizeof(text), "%d", i);
		marks_add(&marks, i, i == 100 ? MARK_RELOAD : MARK_VERDICT, text);
	}
	assert_int_equal(marks_kept(&marks), MARKS_MAX);
	assert_string_equal(marks_get(&marks, 0)->text, "10");
	assert_string_equal(marks_get(&marks, MARKS_MAX - 1)->text, "137");
	assert_int_equal(marks_last(&marks, MARK_RELOAD)->at_s, 100);
	assert_null(marks_last(&marks, MARK_RESET));
	memset(text, 0, sizeof(text));
	for (int i = 0; i < 100; i++)
		strcat(text, "\u00e4");
	marks_add(&marks, 1, MARK_VERDICT, text);
	assert_int_equal(strlen(marks_last(&marks, MARK_VERDICT)->text) % 2, 0); /* whole characters */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_statement_is_named_where_the_check_points_to_statements),
	    cmocka_unit_test(a_failing_check_of_another_kind_speaks_for_itself),
	    cmocka_unit_test(what_lacks_most_is_named_with_how_far_it_is),
	    cmocka_unit_test(ready_says_so),
	    cmocka_unit_test(a_long_statement_is_cut_between_characters),
	    cmocka_unit_test(marks_keep_the_last_ones_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
