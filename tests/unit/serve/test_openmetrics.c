/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "serve/header.h"
#include "serve/openmetrics.h"
#include "serve/page.h"

/* ------------------------------------------------------------------------------------------- exposition */

static struct exposition begin(struct buffer *text, enum exposition_format format)
{
	struct exposition x;

	*text = (struct buffer){0};
	exposition_begin(&x, text, format);
	return x;
}

static void test_a_counter_family_is_named_with_total_only_in_0_0_4(void **state)
{
	struct buffer text;
	struct exposition x = begin(&text, EXPOSITION_PROMETHEUS);

	(void)state;
	exposition_family(&x, "a_bytes", EXPOSITION_COUNTER, "Help");
	exposition_integer(&x, NO_LABELS, 5);
	assert_string_equal(text.data,
			    "# HELP a_bytes_total Help\n# TYPE a_bytes_total counter\na_bytes_total 5\n");
	buffer_free(&text);

	x = begin(&text, EXPOSITION_OPENMETRICS);
	exposition_family(&x, "a_bytes", EXPOSITION_COUNTER, "Help");
	exposition_integer(&x, NO_LABELS, 5);
	exposition_end(&x);
	assert_string_equal(text.data, "# HELP a_bytes Help\n# TYPE a_bytes counter\n# UNIT a_bytes bytes\n"
				       "a_bytes_total 5\n# EOF\n");
	buffer_free(&text);
}

static void test_a_unit_is_given_only_where_the_name_ends_in_it(void **state)
{
	struct buffer text;
	struct exposition x = begin(&text, EXPOSITION_OPENMETRICS);

	(void)state;
	exposition_family(&x, "a_seconds", EXPOSITION_GAUGE, "Help");
	exposition_family(&x, "a_timestamp", EXPOSITION_GAUGE, "Help");
	exposition_family(&x, "seconds", EXPOSITION_GAUGE, "Help");
	assert_non_null(strstr(text.data, "# UNIT a_seconds seconds\n"));
	assert_null(strstr(text.data, "# UNIT a_timestamp"));
	assert_null(strstr(text.data, "# UNIT seconds"));
	buffer_free(&text);
}

static void test_label_values_and_help_are_escaped(void **state)
{
	struct buffer text;
	struct exposition x = begin(&text, EXPOSITION_PROMETHEUS);

	(void)state;
	exposition_family(&x, "a", EXPOSITION_GAUGE, "one\\two\nthree \"four\"");
	exposition_integer(&x, LABELS({"l", "\\\"\n"}, {"m", ""}), 1);
	assert_string_equal(text.data, "# HELP a one\\\\two\\nthree \"four\"\n# TYPE a gauge\n"
				       "a{l=\"\\\\\\\"\\n\",m=\"\"} 1\n");
	buffer_free(&text);
	x = begin(&text, EXPOSITION_OPENMETRICS);
	exposition_family(&x, "a", EXPOSITION_GAUGE, "\"q\"");
	assert_non_null(strstr(text.data, "# HELP a \\\"q\\\"\n"));
	buffer_free(&text);
}

static void check_decimal(uint64_t value, int digits, const char *expected)
{
	struct buffer text;
	struct exposition x = begin(&text, EXPOSITION_PROMETHEUS);

	exposition_family(&x, "a", EXPOSITION_GAUGE, "");
	exposition_decimal(&x, NO_LABELS, value, digits);
	assert_string_equal(strrchr(text.data, ' ') + 1, expected);
	buffer_free(&text);
}

static void test_microseconds_become_exact_seconds(void **state)
{
	(void)state;
	check_decimal(0, 6, "0\n");
	check_decimal(1, 6, "0.000001\n");
	check_decimal(1500000, 6, "1.5\n");
	check_decimal(10000000, 6, "10\n");
	check_decimal(1700000000123456, 6, "1700000000.123456\n");
	check_decimal(UINT64_MAX, 6, "18446744073709.551615\n");
	check_decimal(UINT64_MAX, 0, "18446744073709551615\n");
	check_decimal(1500, 9, "0.0000015\n");
}

static void check_double(double value, const char *expected)
{
	struct buffer text;
	struct exposition x = begin(&text, EXPOSITION_PROMETHEUS);

	exposition_family(&x, "a", EXPOSITION_GAUGE, "");
	exposition_double(&x, NO_LABELS, value);
	assert_string_equal(strrchr(text.data, ' ') + 1, expected);
	buffer_free(&text);
}

static void test_doubles_read_back_as_themselves(void **state)
{
	(void)state;
	check_double(NAN, "NaN\n");
	check_double(-NAN, "NaN\n");
	check_double(INFINITY, "+Inf\n");
	check_double(75, "75\n");
	check_double(100.0 * 2 / 3, "66.66666666666667\n");
	check_double(0.1, "0.1\n");
}

static void test_histogram_buckets_are_cumulative_and_end_at_the_count(void **state)
{
	static const uint64_t bounds[] = {100, 1000000}, counts[] = {2, 3, 4};
	struct buffer text;
	struct exposition x = begin(&text, EXPOSITION_OPENMETRICS);

	(void)state;
	exposition_family(&x, "h_seconds", EXPOSITION_HISTOGRAM, "Help");
	exposition_histogram(&x, LABELS({"c", "x"}), bounds, counts, 2, 1234567);
	assert_string_equal(strstr(text.data, "h_seconds_bucket"),
			    "h_seconds_bucket{c=\"x\",le=\"0.0001\"} 2\n"
			    "h_seconds_bucket{c=\"x\",le=\"1.0\"} 5\n"
			    "h_seconds_bucket{c=\"x\",le=\"+Inf\"} 9\n"
			    "h_seconds_sum{c=\"x\"} 1.234567\n"
			    "h_seconds_count{c=\"x\"} 9\n");
	buffer_free(&text);
}

static void test_a_text_past_its_bound_is_failed_as_a_whole(void **state)
{
	struct buffer text = {.max = 10};

	(void)state;
	buffer_string(&text, "12345");
	assert_false(text.failed);
	buffer_string(&text, "678901");
	assert_true(text.failed);
	buffer_string(&text, "x");
	assert_int_equal(text.len, 5);
	buffer_free(&text);
}

/* ----------------------------------------------------------------------------------------------- /metrics */

static struct stats *some_stats(void)
{
	struct stats *stats = NULL;
	struct stats_cluster *c;

	assert_int_equal(stats_open(&stats, &(struct stats_options){.max_clusters = 3}), 0);
	c = stats_cluster(stats, "app");
	c->requests.success = 2;
	c->requests.failure = 1;
	c->failures.timeout = 1;
	c->last_failure.value = 1500000;
	stats_sqlstate_add(&c->mirror.errors, "42P01");
	stats_cluster(stats, "new");
	return stats;
}

static char *render(const struct openmetrics_options *options, enum exposition_format format)
{
	struct openmetrics *o;
	struct buffer text = {0};

	assert_int_equal(openmetrics_new(&o, options), 0);
	openmetrics_render(o, format, &text);
	openmetrics_free(&o);
	assert_false(text.failed);
	return text.data;
}

static void has(const char *text, const char *line)
{
	const char *at = strstr(text, line);

	if (!at || (at != text && at[-1] != '\n') || at[strlen(line)] != '\n')
		fail_msg("no line \"%s\"", line);
}

static void test_every_series_of_a_new_cluster_is_there_from_the_start(void **state)
{
	struct stats *stats = some_stats();
	char *text =
	    render(&(struct openmetrics_options){.stats = stats, .version = "1"}, EXPOSITION_PROMETHEUS);

	(void)state;
	has(text, "pgdog_mirror_requests_total{cluster=\"new\",status=\"unknown\"} 0");
	has(text, "pgdog_mirror_failures_total{cluster=\"new\",error_type=\"query_execution\"} 0");
	has(text, "pgdog_mirror_success_rate{cluster=\"new\"} NaN");
	has(text, "pgdog_mirror_last_success_timestamp{cluster=\"new\"} 0");
	has(text, "pgdog_mirror_errors_total{cluster=\"new\",target=\"primary\",sqlstate=\"other\"} 0");
	has(text, "pgdog_mirror_statement_duration_seconds_count{cluster=\"new\",target=\"mirror\"} 0");
	assert_null(strstr(text, "queue_depth"));
	free(text);
	stats_free(&stats);
}

static void test_figures_of_a_cluster_are_rendered(void **state)
{
	struct stats *stats = some_stats();
	char *text =
	    render(&(struct openmetrics_options){.stats = stats, .version = "1"}, EXPOSITION_OPENMETRICS);

	(void)state;
	has(text, "# TYPE pgdog_mirror_requests counter");
	has(text, "pgdog_mirror_requests_total{cluster=\"app\",status=\"success\"} 2");
	has(text, "pgdog_mirror_success_rate{cluster=\"app\"} 66.66666666666667");
	has(text, "pgdog_mirror_last_failure_timestamp{cluster=\"app\"} 1.5");
	has(text, "pgdog_mirror_errors_total{cluster=\"app\",target=\"mirror\",sqlstate=\"42P01\"} 1");
	has(text, "mirror_observer_attach_mode{mode=\"none\"} 1");
	assert_string_equal(text + strlen(text) - 6, "# EOF\n");
	free(text);
	stats_free(&stats);
}

static void test_observer_only_leaves_out_every_family_of_a_cluster(void **state)
{
	struct stats *stats = some_stats();
	char *text =
	    render(&(struct openmetrics_options){.stats = stats, .version = "1", .observer_only = true},
		   EXPOSITION_PROMETHEUS);

	(void)state;
	assert_null(strstr(text, "pgdog_mirror"));
	assert_null(strstr(text, "cluster="));
	has(text, "mirror_observer_build_info{version=\"1\"} 1");
	free(text);
	stats_free(&stats);
}

static void write_depth(void *ctx, struct exposition *x)
{
	exposition_family(x, "pgdog_mirror_queue_depth", EXPOSITION_GAUGE, "Depth");
	exposition_double(x, LABELS({"cluster", ctx}), 2.5);
}

static void test_families_from_elsewhere_are_rendered(void **state)
{
	struct stats *stats = some_stats();
	char cluster[] = "app";

	(void)state;
	for (int observer_only = 0; observer_only < 2; observer_only++) {
		const struct openmetrics_options options = {
		    .stats = stats, .version = "1", .observer_only = observer_only};
		struct openmetrics *o;
		struct buffer text = {0};

		assert_int_equal(openmetrics_new(&o, &options), 0);
		assert_int_equal(openmetrics_add(o, (struct exposition_source){write_depth, cluster}, true),
				 0);
		openmetrics_render(o, EXPOSITION_PROMETHEUS, &text);
		if (observer_only)
			assert_null(strstr(text.data, "queue_depth"));
		else
			has(text.data, "pgdog_mirror_queue_depth{cluster=\"app\"} 2.5");
		buffer_free(&text);
		openmetrics_free(&o);
	}
	stats_free(&stats);
}

static void test_the_page_escapes_and_counts(void **state)
{
	struct stats *stats = some_stats();
	struct buffer text = {0};

	(void)state;
	page_write(&text, stats, &(struct page_options){.version = "<1>", .not_ready = "a & b"});
	assert_non_null(strstr(text.data, "<td>app</td><td>3</td><td>66.67 %</td>"));
	assert_non_null(strstr(text.data, "&lt;1&gt;"));
	assert_non_null(strstr(text.data, "a &amp; b"));
	buffer_free(&text);
	stats_free(&stats);
}

/* ------------------------------------------------------------------------------------------------ headers */

static void test_openmetrics_is_given_when_asked_for_by_name(void **state)
{
	static const char *const yes[] = {
	    "application/openmetrics-text",
	    "application/openmetrics-text; version=1.0.0; charset=utf-8",
	    "application/openmetrics-text;version=\"1.0.0\"",
	    "APPLICATION/OpenMetrics-Text;q=0.5",
	    /* Prometheus 2.42 */
	    ("application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
	     "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"),
	    "text/plain;q=0.1, */*;q=0.9, application/openmetrics-text;q=0.2",
	    "text/plain;version=9;q=1, application/openmetrics-text;q=0.2",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
		if (!header_wants_openmetrics(yes[i]))
			fail_msg("%s", yes[i]);
}

static void test_the_text_format_is_given_otherwise(void **state)
{
	static const char *const no[] = {
	    NULL,
	    "",
	    "*/*",
	    "application/*",
	    "text/plain;version=0.0.4",
	    "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
	    "application/openmetrics-text;q=0",
	    "application/openmetrics-text;q=0.000",
	    "application/openmetrics-text;q=bad",
	    "application/openmetrics-text;q=1.001",
	    "application/openmetrics-text;version=0.0.1",
	    "application/openmetrics-text;q=0.4, text/plain;q=0.5",
	    "application/openmetrics-text;q=0.4, text/*;q=0.5",
	    "application/openmetrics-textual",
	    "x;y=\"application/openmetrics-text, application/openmetrics-text",
	    ",,;;,=;q",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		if (header_wants_openmetrics(no[i]))
			fail_msg("%s", no[i]);
}

static void test_only_names_of_this_machine_are_local(void **state)
{
	static const char *const local[] = {NULL,        "127.0.0.1:10432", "127.0.0.1",     "[::1]:1",
					    "LocalHost", "localhost:80",    "a.localhost:8", "box:9"};
	static const char *const foreign[] = {"",
					      "evil.example",
					      "localhost.evil.example",
					      "127.0.0.1.evil.example",
					      "[evil]:1",
					      "[::1]evil",
					      "[::1]:80.evil",
					      "localhost:evil",
					      "[]",
					      ".",
					      "boxx",
					      "xlocalhost",
					      ".localhostx"};

	(void)state;
	for (size_t i = 0; i < sizeof(local) / sizeof(local[0]); i++)
		if (!header_host_is_local(local[i], "box"))
			fail_msg("%s", local[i]);
	for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++)
		if (header_host_is_local(foreign[i], "box"))
			fail_msg("%s", foreign[i]);
	assert_false(header_host_is_local("", ""));
}

static void test_a_target_in_absolute_form_is_its_path_on_its_host(void **state)
{
	static const struct {
		const char *target, *path;
		bool local;
	} cases[] = {
	    {"/metrics", "/metrics", true},
	    {"*", "*", true},
	    {"", "", true},
	    {"http://localhost/metrics", "/metrics", true},
	    {"HTTP://127.0.0.1:10432/a/b", "/a/b", true},
	    {"https://[::1]:1/", "/", true},
	    {"http://box", "/", true},
	    {"http://box:9?a=b/c", "/", true},
	    {"http://evil.example/metrics", "/metrics", false},
	    {"http://", "/", false},
	    {"http:///metrics", "/metrics", false},
	    {"http://localhost:80@evil.example/", "/", false},
	    {"http://someone@a.localhost/", "/", false},
	    {"http://localhost.evil.example", "/", false},
	    {"http:/metrics", "http:/metrics", true}, /* not that form: no such path */
	    {"/http://evil.example/", "/http://evil.example/", true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_string_equal(header_target_path(cases[i].target), cases[i].path);
		if (header_target_is_local(cases[i].target, "box") != cases[i].local)
			fail_msg("%s", cases[i].target);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_counter_family_is_named_with_total_only_in_0_0_4),
	    cmocka_unit_test(test_a_unit_is_given_only_where_the_name_ends_in_it),
	    cmocka_unit_test(test_label_values_and_help_are_escaped),
	    cmocka_unit_test(test_microseconds_become_exact_seconds),
	    cmocka_unit_test(test_doubles_read_back_as_themselves),
	    cmocka_unit_test(test_histogram_buckets_are_cumulative_and_end_at_the_count),
	    cmocka_unit_test(test_a_text_past_its_bound_is_failed_as_a_whole),
	    cmocka_unit_test(test_every_series_of_a_new_cluster_is_there_from_the_start),
	    cmocka_unit_test(test_figures_of_a_cluster_are_rendered),
	    cmocka_unit_test(test_observer_only_leaves_out_every_family_of_a_cluster),
	    cmocka_unit_test(test_families_from_elsewhere_are_rendered),
	    cmocka_unit_test(test_the_page_escapes_and_counts),
	    cmocka_unit_test(test_openmetrics_is_given_when_asked_for_by_name),
	    cmocka_unit_test(test_the_text_format_is_given_otherwise),
	    cmocka_unit_test(test_only_names_of_this_machine_are_local),
	    cmocka_unit_test(test_a_target_in_absolute_form_is_its_path_on_its_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
