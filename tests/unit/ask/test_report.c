/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ask/report.h"

#define CHECK(name, verdict, value)                                           \
	"{\"name\":\"" name "\",\"verdict\":\"" verdict "\",\"value\":" value \
	",\"threshold\":5,\"wanted\":\"at_most\",\"unit\":\"%\",\"reason\":\"Because of " name ".\"}"
#define CLUSTER(name, verdict, checks) \
	"{\"name\":\"" name "\",\"verdict\":\"" verdict "\",\"checks\":[" checks "]}"
#define CLUSTERS(list) "{\"clusters\":[" list "]}"

static void what_is_in_the_way_comes_first(void **state)
{
	static const char json[] = CLUSTERS(
	    CLUSTER("app", "not_ready",
		    CHECK("fine", "ready", "1") "," CHECK("thin", "insufficient_data",
							  "null") "," CHECK("broken", "not_ready", "7.25")));
	struct buffer out = {0};
	enum verdict worst;
	const char *broken, *thin, *fine;

	(void)state;
	assert_int_equal(report_readiness(&out, json, &worst), 0);
	assert_int_equal(worst, VERDICT_NOT_READY);
	assert_int_equal(strncmp(out.data, "app: NOT READY. Of 3 checks 1 fails and 1 lacks evidence.\n", 58),
			 0);
	broken = strstr(out.data, "NOT READY    broken");
	thin = strstr(out.data, "no data yet  thin");
	fine = strstr(out.data, "ok           fine");
	assert_true(broken && thin && fine && broken < thin && thin < fine);
	assert_non_null(strstr(broken, "7.25 %"));
	assert_non_null(strstr(broken, "<= 5 %"));
	assert_non_null(strstr(broken, "Because of broken.\n"));
	buffer_free(&out);
}

static void of_several_clusters_the_worst_counts(void **state)
{
	static const char json[] = CLUSTERS(CLUSTER("a", "ready", CHECK("x", "ready", "1")) "," CLUSTER(
	    "b", "insufficient_data", CHECK("x", "insufficient_data", "null")));
	struct buffer out = {0};
	enum verdict worst;

	(void)state;
	assert_int_equal(report_readiness(&out, json, &worst), 0);
	assert_int_equal(worst, VERDICT_INSUFFICIENT_DATA);
	assert_non_null(strstr(out.data, "a: READY. All 1 checks pass."));
	assert_non_null(
	    strstr(out.data, "\nb: INSUFFICIENT DATA. Of 1 checks none fails, but 1 lacks evidence."));
	buffer_reset(&out);
	assert_int_equal(report_readiness(&out, CLUSTERS(""), &worst), 0);
	assert_int_equal(worst, VERDICT_INSUFFICIENT_DATA);
	buffer_free(&out);
}

static void anything_else_than_the_expected_form_is_refused(void **state)
{
	static const char *const bad[] = {
	    "",
	    "<html>",
	    "[]",
	    "{\"clusters\":3}",
	    "{\"clusters\":[3]}",
	    CLUSTERS(CLUSTER("a", "splendid", "")),
	    CLUSTERS(CLUSTER("a", "ready", "{\"verdict\":\"perhaps\"}")),
	    "{\"clusters\":[{\"name\":\"a\",\"verdict\":\"ready\"}]}",
	};
	struct buffer out = {0};
	enum verdict worst;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(report_readiness(&out, bad[i], &worst), -EPROTO);
	assert_int_equal(report_statements(&out, "{\"clusters\":[{}]}", 5), -EPROTO);
	buffer_free(&out);
}

static void only_statements_with_a_reason_are_listed_and_no_more_than_asked_for(void **state)
{
	static const char json[] =
	    "{\"clusters\":[{\"name\":\"app\",\"statements\":["
	    "{\"fingerprint\":\"00000000000000aa\",\"text\":\"SELECT one\",\"compared\":7,\"reason\":\"row "
	    "counts differ\"},"
	    "{\"fingerprint\":\"00000000000000bb\",\"text\":\"SELECT two\",\"reason\":\"\"},"
	    "{\"fingerprint\":\"00000000000000cc\",\"text\":\"SELECT "
	    "three\",\"reason\":\"slower\",\"ignored\":true},"
	    "{\"fingerprint\":\"00000000000000dd\",\"text\":\"SELECT four\",\"reason\":\"slower\"},"
	    "{\"fingerprint\":\"00000000000000ee\",\"text\":\"SELECT five\",\"reason\":\"slower\"}]}]}";
	struct buffer out = {0};

	(void)state;
	assert_int_equal(report_statements(&out, json, 2), 0);
	assert_non_null(strstr(out.data, "00000000000000aa  row counts differ\n      SELECT one\n"));
	assert_null(strstr(out.data, "two"));
	assert_null(strstr(out.data, "three"));
	assert_non_null(strstr(out.data, "SELECT four"));
	assert_null(strstr(out.data, "five"));
	buffer_reset(&out);
	assert_int_equal(report_statements(&out, "{\"clusters\":[{\"name\":\"a\",\"statements\":[]}]}", 2),
			 0);
	assert_int_equal(out.len, 0);
	buffer_free(&out);
}

static void nothing_that_a_terminal_would_obey_is_passed_on(void **state)
{
	static const char json[] =
	    "{\"clusters\":[{\"name\":\"app\",\"statements\":["
	    "{\"fingerprint\":\"\",\"text\":\"\\u001b[2J\\u009b1m\\n x\",\"reason\":\"r\"}]}]}";
	struct buffer out = {0};

	(void)state;
	assert_int_equal(report_statements(&out, json, 2), 0);
	assert_non_null(strstr(out.data, "?[2J?1m? x"));
	assert_null(strchr(out.data, 0x1b));
	assert_null(strstr(out.data, "\xc2\x9b"));
	buffer_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_in_the_way_comes_first),
	    cmocka_unit_test(of_several_clusters_the_worst_counts),
	    cmocka_unit_test(anything_else_than_the_expected_form_is_refused),
	    cmocka_unit_test(only_statements_with_a_reason_are_listed_and_no_more_than_asked_for),
	    cmocka_unit_test(nothing_that_a_terminal_would_obey_is_passed_on),
	};

	return cmocka_run_group_tests_name("report", tests, NULL, NULL);
}
