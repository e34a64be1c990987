/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ask/fleet.h"
#include "ask/report.h"

#define SAMPLE(name, labels, value) \
	"{\"metric\":{\"__name__\":\"" name "\"" labels "},\"value\":[1700000000.1,\"" value "\"]}"
#define OF(cluster)             ",\"cluster\":\"" cluster "\""
#define CHECK(check)            ",\"check\":\"" check "\""
#define AT(instance)            ",\"instance\":\"" instance "\""
#define VERDICT(cluster, value) SAMPLE("cluster:pgdog_mirror_ready:fleet", OF(cluster), value)
#define FLEET(cluster, check, value) \
	SAMPLE("cluster_check:pgdog_mirror_ready_check:fleet", OF(cluster) CHECK(check), value)
#define EACH(cluster, check, instance, value) \
	SAMPLE("pgdog_mirror_ready_check", OF(cluster) CHECK(check) AT(instance), value)
#define MISSING(cluster, value) SAMPLE("cluster:fleet_missing:count", OF(cluster), value)
#define LOST(cluster, instance) SAMPLE("cluster_instance:fleet_missing:known", OF(cluster) AT(instance), "1")
#define ANSWER(samples) \
	"{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[" samples "]}}"

/* The table and the worst verdict of an answer. */
static enum verdict table(struct buffer *out, const char *answer)
{
	struct buffer json = {0};
	enum verdict worst;

	assert_int_equal(fleet_answer(&json, answer), 0);
	assert_int_equal(report_readiness(out, json.data, &worst), 0);
	buffer_free(&json);
	return worst;
}

static void the_observers_in_the_way_are_named(void **state)
{
	struct buffer out = {0};

	(void)state;
	assert_int_equal(
	    table(
		&out,
		ANSWER(VERDICT("app", "0") "," MISSING("app", "0") "," FLEET("app", "lag_p99", "0") "," FLEET(
		    "app", "recent",
		    "NaN") "," FLEET("app", "coverage",
				     "1") "," EACH("app", "lag_p99", "a:1",
						   "0") "," EACH("app", "lag_p99", "b:1",
								 "1") "," EACH("app", "recent", "b:1",
									       "NaN") "," EACH("other",
											       "lag_p99",
											       "c:1", "0"))),
	    VERDICT_NOT_READY);
	assert_non_null(strstr(out.data, "app: NOT READY. Of 4 checks 1 fails and 1 lacks evidence."));
	assert_non_null(strstr(out.data, "a:1 fails\n"));
	assert_non_null(strstr(out.data, "b:1 lacks evidence\n"));
	assert_null(strstr(out.data, "c:1"));
	buffer_free(&out);
}

static void an_observer_that_does_not_report_lacks_evidence(void **state)
{
	struct buffer out = {0};

	(void)state;
	assert_int_equal(table(&out, ANSWER(VERDICT("app", "NaN") "," MISSING("app", "3") "," LOST(
					 "app", "a:1") "," FLEET("app", "coverage", "1"))),
			 VERDICT_INSUFFICIENT_DATA);
	assert_non_null(strstr(out.data, "a:1 does not report; 2 more of the job never answered\n"));
	buffer_free(&out);
}

static void a_verdict_that_is_older_than_what_it_rests_on_does_not_count(void **state)
{
	struct buffer out = {0};

	(void)state;
	assert_int_equal(
	    table(&out, ANSWER(VERDICT("app", "1") "," MISSING("app", "1") "," LOST("app", "a:1"))),
	    VERDICT_INSUFFICIENT_DATA);
	buffer_reset(&out);
	assert_int_equal(table(&out, ANSWER(VERDICT("app", "1") "," FLEET("app", "lag_p99", "0"))),
			 VERDICT_NOT_READY);
	buffer_free(&out);
}

static void all_that_pass_are_ready(void **state)
{
	struct buffer out = {0};

	(void)state;
	assert_int_equal(table(&out, ANSWER(VERDICT("app", "1") "," MISSING("app", "0") "," FLEET(
					 "app", "coverage", "1"))),
			 VERDICT_READY);
	assert_non_null(strstr(out.data, "app: READY. All 2 checks pass."));
	buffer_free(&out);
}

static void of_several_clusters_the_worst_counts(void **state)
{
	struct buffer out = {0};

	(void)state;
	assert_int_equal(table(&out, ANSWER(VERDICT("a", "1") "," VERDICT("b", "NaN"))),
			 VERDICT_INSUFFICIENT_DATA);
	buffer_free(&out);
}

/* A value that is not 1 to the letter is no evidence. */
static void what_is_no_number_is_no_evidence(void **state)
{
	static const char *const values[] = {"", "NaN", "1x", "yes", "0.5", "+Inf"};
	struct buffer out = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
		struct buffer answer = {0};

		buffer_printf(&answer,
			      ANSWER("{\"metric\":{\"__name__\":\"cluster:pgdog_mirror_ready:fleet\","
				     "\"cluster\":\"app\"},\"value\":[1,\"%s\"]}"),
			      values[i]);
		assert_int_equal(table(&out, answer.data), VERDICT_INSUFFICIENT_DATA);
		buffer_free(&answer);
	}
	assert_int_equal(table(&out, ANSWER("{\"metric\":{\"__name__\":\"cluster:pgdog_mirror_ready:fleet\","
					    "\"cluster\":\"app\"},\"value\":3}")),
			 VERDICT_INSUFFICIENT_DATA);
	buffer_free(&out);
}

static void without_a_verdict_there_is_none(void **state)
{
	struct buffer out = {0};

	(void)state;
	assert_int_equal(fleet_answer(&out, ANSWER("")), -ENOENT);
	assert_int_equal(fleet_answer(&out, ANSWER(EACH("app", "recent", "a:1", "1"))), -ENOENT);
	assert_int_equal(out.len, 0);
	buffer_free(&out);
}

static void anything_else_than_the_expected_form_is_refused(void **state)
{
	static const char *const bad[] = {"",
					  "<html>",
					  "[]",
					  "{\"data\":3}",
					  "{\"data\":{\"result\":{}}}",
					  "{\"status\":\"error\",\"error\":\"x\"}"};
	struct buffer out = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(fleet_answer(&out, bad[i]), -EPROTO);
	assert_int_equal(fleet_answer(&out, ANSWER("3,null,{\"metric\":[]}")), -ENOENT);
	buffer_free(&out);
}

static void a_name_cannot_end_the_query(void **state)
{
	struct buffer out = {0};

	(void)state;
	fleet_query(&out, "a\"} or up{x=\"\\");
	assert_non_null(strstr(out.data, ",cluster=\"a\\\"} or up{x=\\\"\\\\\"}"));
	buffer_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_observers_in_the_way_are_named),
	    cmocka_unit_test(an_observer_that_does_not_report_lacks_evidence),
	    cmocka_unit_test(a_verdict_that_is_older_than_what_it_rests_on_does_not_count),
	    cmocka_unit_test(all_that_pass_are_ready),
	    cmocka_unit_test(of_several_clusters_the_worst_counts),
	    cmocka_unit_test(what_is_no_number_is_no_evidence),
	    cmocka_unit_test(without_a_verdict_there_is_none),
	    cmocka_unit_test(anything_else_than_the_expected_form_is_refused),
	    cmocka_unit_test(a_name_cannot_end_the_query),
	};

	return cmocka_run_group_tests_name("fleet", tests, NULL, NULL);
}
