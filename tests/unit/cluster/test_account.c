/* SPDX-License-Identifier: MIT */
/* What connections report is counted where it belongs, once, by the rules of cluster.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "support/cluster_stand.h"

#define BOTH SETTINGS A B

static void report_request(struct cluster_stand *f, struct cluster_side *side, enum request_kind kind,
			   enum outcome outcome, enum failure_type failure)
{
	const struct session_request request = {
	    .sent_ns = f->now, .done_ns = f->now, .kind = kind, .outcome = outcome, .failure = failure};

	f->sink.request(f->sink.ctx, &side->view, &request);
}

static uint64_t failures(const struct stats_cluster *stats)
{
	return stats->failures.connection + stats->failures.timeout + stats->failures.query_execution;
}

static void requests_of_the_mirror_are_counted_by_outcome_and_failures_by_type(void **state)
{
	struct cluster_stand *f = *state;
	const struct stats_cluster *stats = cluster_counters(f, 0);
	struct cluster_side mirror;

	cluster_side(&mirror, TARGET_MIRROR, 1);
	report_request(f, &mirror, REQUEST_MIRRORED, OUTCOME_SUCCESS, FAILURE_NONE);
	assert_true(stats->last_success.value > 0);
	assert_int_equal(stats->last_failure.value, 0);
	report_request(f, &mirror, REQUEST_MIRRORED, OUTCOME_FAILURE, FAILURE_TIMEOUT);
	report_request(f, &mirror, REQUEST_MIRRORED, OUTCOME_FAILURE, FAILURE_QUERY_EXECUTION);
	report_request(f, &mirror, REQUEST_MIRRORED, OUTCOME_FAILURE, FAILURE_QUERY_EXECUTION);
	report_request(f, &mirror, REQUEST_MIRRORED, OUTCOME_UNKNOWN, FAILURE_NONE);
	assert_true(stats->last_failure.value > 0);
	assert_int_equal(stats->requests.success, 1);
	assert_int_equal(stats->requests.failure, 3);
	assert_int_equal(stats->requests.unknown, 1);
	assert_int_equal(stats->failures.timeout, 1);
	assert_int_equal(stats->failures.query_execution, 2);
	assert_int_equal(failures(stats), stats->requests.failure);
	f->sink.closed(f->sink.ctx, &mirror.view);
}

static void requests_of_the_primary_are_no_requests_of_the_mirror(void **state)
{
	struct cluster_stand *f = *state;
	struct cluster_side primary;

	cluster_side(&primary, TARGET_PRIMARY, 1);
	report_request(f, &primary, REQUEST_MIRRORED, OUTCOME_FAILURE, FAILURE_TIMEOUT);
	assert_int_equal(cluster_counters(f, 0)->requests.failure, 0);
	assert_int_equal(failures(cluster_counters(f, 0)), 0);
	f->sink.closed(f->sink.ctx, &primary.view);
}

static void health_checks_and_upkeep_that_succeeds_are_counted_apart(void **state)
{
	struct cluster_stand *f = *state;
	const struct stats_cluster *stats = cluster_counters(f, 0);
	struct cluster_side mirror;

	cluster_side(&mirror, TARGET_MIRROR, 1);
	report_request(f, &mirror, REQUEST_IGNORED, OUTCOME_FAILURE, FAILURE_TIMEOUT);
	report_request(f, &mirror, REQUEST_UPKEEP, OUTCOME_SUCCESS, FAILURE_NONE);
	assert_int_equal(stats->ignored_requests.failure, 1);
	assert_int_equal(stats->upkeep_requests.value, 1);
	assert_int_equal(stats->requests.success + stats->requests.failure, 0);
	report_request(f, &mirror, REQUEST_UPKEEP, OUTCOME_FAILURE, FAILURE_QUERY_EXECUTION);
	assert_int_equal(stats->upkeep_requests.value, 1);
	assert_int_equal(stats->requests.failure, 1);
	f->sink.closed(f->sink.ctx, &mirror.view);
}

static void the_threshold_hears_of_known_outcomes_only(void **state)
{
	struct cluster_stand *f = *state;
	struct cluster_side mirror;
	const char *name;

	f->now = clock_ns();
	cluster_side(&mirror, TARGET_MIRROR, 1);
	report_request(f, &mirror, REQUEST_MIRRORED, OUTCOME_UNKNOWN, FAILURE_NONE);
	report_request(f, &mirror, REQUEST_IGNORED, OUTCOME_FAILURE, FAILURE_TIMEOUT);
	assert_true(isnan(threshold_exceeded(f->threshold, 0, &name)));
	report_request(f, &mirror, REQUEST_MIRRORED, OUTCOME_SUCCESS, FAILURE_NONE);
	assert_true(threshold_exceeded(f->threshold, 0, &name) == 0);
	report_request(f, &mirror, REQUEST_MIRRORED, OUTCOME_FAILURE, FAILURE_TIMEOUT);
	assert_true(threshold_exceeded(f->threshold, 0, &name) == 1);
	f->sink.closed(f->sink.ctx, &mirror.view);
}

/* ---------------------------------------------------------------------------------------- connects */

static void a_connect_to_the_mirror_that_fails_is_one_failed_request(void **state)
{
	struct cluster_stand *f = *state;
	const struct stats_cluster *stats = cluster_counters(f, 0);
	struct cluster_side mirror, primary, nobody;

	cluster_side(&mirror, TARGET_MIRROR, 1);
	cluster_side(&primary, TARGET_PRIMARY, 1);
	cluster_side(&nobody, TARGET_NONE, 0);
	for (int result = ATTEMPT_OK; result < ATTEMPTS; result++)
		f->sink.attempt(f->sink.ctx, &mirror.view, result, f->now);
	f->sink.attempt(f->sink.ctx, &primary.view, ATTEMPT_REFUSED, f->now);
	f->sink.attempt(f->sink.ctx, &nobody.view, ATTEMPT_REFUSED, f->now);
	f->sink.attempt(f->sink.ctx, &nobody.view, ATTEMPT_OK, f->now);
	assert_int_equal(stats->mirror.attempts.ok, 1);
	assert_int_equal(stats->mirror.attempts.startup_error, 1);
	assert_int_equal(stats->primary.attempts.refused, 1);
	assert_int_equal(stats->requests.failure, ATTEMPTS - 1);
	assert_int_equal(stats->failures.connection, ATTEMPTS - 1);
	assert_int_equal(stats_observer(f->stats)->unclassified_failures.value, 1);
}

/* -------------------------------------------------------------------------------------- statements */

static void statement(struct cluster_stand *f, struct cluster_side *side, enum outcome outcome, bool ignored,
		      uint64_t duration_ns)
{
	const struct session_statement one = {.sent_ns = f->now,
					      .done_ns = f->now + duration_ns,
					      .outcome = outcome,
					      .ignored = ignored,
					      .tag = "INSERT"};

	f->sink.statement(f->sink.ctx, &side->view, &one);
}

static void statements_count_by_side_outcome_and_kind_and_their_time_if_the_outcome_is_known(void **state)
{
	struct cluster_stand *f = *state;
	const struct stats_cluster *stats = cluster_counters(f, 0);
	struct cluster_side mirror, primary;

	cluster_side(&mirror, TARGET_MIRROR, 1);
	cluster_side(&primary, TARGET_PRIMARY, 1);
	statement(f, &mirror, OUTCOME_SUCCESS, false, 3000000);
	statement(f, &mirror, OUTCOME_FAILURE, false, 0);
	statement(f, &mirror, OUTCOME_UNKNOWN, false, 3000000);
	statement(f, &mirror, OUTCOME_SUCCESS, true, 3000000);
	statement(f, &primary, OUTCOME_SUCCESS, false, 1000);
	assert_int_equal(stats->mirror.statements.success, 1);
	assert_int_equal(stats->mirror.statements.failure, 1);
	assert_int_equal(stats->mirror.statements.unknown, 1);
	assert_int_equal(stats->mirror.ignored_statements.success, 1);
	assert_int_equal(stats->mirror.kinds.insert, 3);
	assert_int_equal(stats->mirror.duration.count, 2);
	assert_int_equal(stats->mirror.duration.sum_us, 3000);
	assert_int_equal(stats->primary.statements.success, 1);
	assert_int_equal(stats->primary.duration.sum_us, 1);
	f->sink.closed(f->sink.ctx, &mirror.view);
	f->sink.closed(f->sink.ctx, &primary.view);
}

static void a_shared_primary_counts_in_each_of_its_clusters_and_a_mirror_in_one(void **state)
{
	struct cluster_stand *f = *state;
	struct cluster_side primary, mirror;

	assert_true(cluster_reload(f, BOTH));
	cluster_side(&primary, TARGET_PRIMARY, 3);
	cluster_side(&mirror, TARGET_MIRROR, 2);
	statement(f, &primary, OUTCOME_SUCCESS, false, 1000);
	statement(f, &mirror, OUTCOME_SUCCESS, false, 1000);
	f->sink.bytes(f->sink.ctx, &primary.view, DIRECTION_SEND, 7);
	f->sink.bytes(f->sink.ctx, &mirror.view, DIRECTION_RECV, 9);
	for (size_t i = 0; i < 2; i++) {
		const struct stats_cluster *stats = cluster_counters(f, i);

		assert_int_equal(stats->primary.statements.success, 1);
		assert_int_equal(stats->primary.bytes.send, 7);
		assert_int_equal(stats->mirror.statements.success, i);
		assert_int_equal(stats->mirror.bytes.recv, i * 9);
		assert_int_equal(stats->mirror.bytes.send, 0);
	}
	f->sink.closed(f->sink.ctx, &primary.view);
	f->sink.closed(f->sink.ctx, &mirror.view);
}

static void errors_and_notes_go_to_the_side_that_they_are_of(void **state)
{
	struct cluster_stand *f = *state;
	const struct stats_cluster *stats = cluster_counters(f, 0);
	const struct session_error error = {.sqlstate = "42P01"};
	struct cluster_side mirror, primary;

	cluster_side(&mirror, TARGET_MIRROR, 1);
	cluster_side(&primary, TARGET_PRIMARY, 1);
	f->sink.error(f->sink.ctx, &mirror.view, &error);
	assert_string_equal(stats->mirror.errors.known[0].sqlstate, "42P01");
	assert_int_equal(stats->mirror.errors.known[0].count, 1);
	assert_int_equal(stats->primary.errors.known[0].count, 0);
	f->sink.note(f->sink.ctx, &mirror.view, NOTE_RESYNC);
	f->sink.note(f->sink.ctx, &mirror.view, NOTE_LATE_ANSWER);
	f->sink.note(f->sink.ctx, &primary.view, NOTE_LATE_ANSWER);
	f->sink.note(f->sink.ctx, &primary.view, NOTE_DECODE_ERROR);
	f->sink.note(f->sink.ctx, &primary.view, NOTE_CANCEL_REQUEST);
	f->sink.note(f->sink.ctx, &primary.view, NOTE_REPLICATION);
	assert_int_equal(stats->mirror.resyncs.value, 1);
	assert_int_equal(stats->primary.resyncs.value, 0);
	assert_int_equal(stats->late_answers.value, 1);
	assert_int_equal(stats_observer(f->stats)->decoding_errors.value, 1);
	assert_int_equal(stats_observer(f->stats)->cancel_requests.value, 1);
	assert_int_equal(stats_observer(f->stats)->replication.value, 1);
}

/* ------------------------------------------------------------------------------------- connections */

static void open_connections_go_from_state_to_state_and_never_below_none(void **state)
{
	struct cluster_stand *f = *state;
	const struct stats_STATE *mirror = &cluster_counters(f, 0)->mirror.connections;
	struct cluster_side side;

	cluster_side(&side, TARGET_MIRROR, 1);
	f->sink.state(f->sink.ctx, &side.view, -1, CONN_PLAIN);
	f->sink.state(f->sink.ctx, &side.view, -1, CONN_PLAIN);
	assert_int_equal(mirror->plain, 2);
	f->sink.state(f->sink.ctx, &side.view, CONN_PLAIN, CONN_RESYNCING);
	assert_int_equal(mirror->plain, 1);
	assert_int_equal(mirror->resyncing, 1);
	f->sink.state(f->sink.ctx, &side.view, CONN_RESYNCING, -1);
	f->sink.state(f->sink.ctx, &side.view, CONN_RESYNCING, -1);
	assert_int_equal(mirror->resyncing, 0);
	assert_int_equal(mirror->encrypted, 0);
}

static void connections_of_no_known_cluster_are_counted_and_stand_against_every_verdict(void **state)
{
	struct cluster_stand *f = *state;
	const __u64 *unclassified = &stats_observer(f->stats)->unclassified.value;
	struct cluster_side side;
	struct readiness readiness;

	cluster_side(&side, TARGET_NONE, 0);
	f->sink.state(f->sink.ctx, &side.view, -1, CONN_PLAIN);
	f->sink.state(f->sink.ctx, &side.view, CONN_PLAIN, CONN_RESYNCING);
	assert_int_equal(*unclassified, 1);
	clusters_readiness(f->clusters, 0, f->now, &readiness);
	assert_true(cluster_check(&readiness, "unclassified")->value == 0); /* it is surely not ours */
	side.view.role.ambiguous = true;
	f->sink.state(f->sink.ctx, &side.view, -1, CONN_PLAIN);
	f->sink.state(f->sink.ctx, &side.view, -1, CONN_PLAIN);
	f->sink.state(f->sink.ctx, &side.view, CONN_PLAIN, CONN_RESYNCING);
	for (int i = 0; i < 200; i++)
		clusters_tick(f->clusters, f->now += SECOND / 10);
	clusters_readiness(f->clusters, 0, f->now, &readiness);
	assert_true(cluster_check(&readiness, "unclassified")->value == 2);
	f->sink.state(f->sink.ctx, &side.view, CONN_PLAIN, -1);
	f->sink.state(f->sink.ctx, &side.view, CONN_PLAIN, -1);
	f->sink.state(f->sink.ctx, &side.view, CONN_PLAIN, -1);
	f->sink.state(f->sink.ctx, &side.view, CONN_PLAIN, -1);
	assert_int_equal(*unclassified, 0);
	f->sink.attempt(f->sink.ctx, &side.view, ATTEMPT_RESET, f->now);
	for (int i = 0; i < 1000; i++) /* past the window, in which there were two */
		clusters_tick(f->clusters, f->now += SECOND / 10);
	clusters_readiness(f->clusters, 0, f->now, &readiness);
	assert_true(cluster_check(&readiness, "unclassified")->value == 0);
	f->sink.attempt(f->sink.ctx, &side.view, ATTEMPT_RESET, f->now);
	clusters_readiness(f->clusters, 0, f->now, &readiness);
	assert_true(cluster_check(&readiness, "unclassified")->value == 1);
}

/* ------------------------------------------------------------------------- what a cluster is asked */

static bool ignored(struct cluster_stand *f, uint64_t clusters, const char *text)
{
	const struct role role = {.target = TARGET_PRIMARY, .clusters = clusters};

	return f->sink.ignored(f->sink.ctx, &role, text, strlen(text));
}

static void what_is_ignored_is_compared_trimmed_whole_and_without_case(void **state)
{
	struct cluster_stand *f = *state;

	assert_true(cluster_reload(f, BOTH "    ignore_statements: [\"select 1\", \";\"]\n"));
	assert_true(ignored(f, 2, "SELECT 1"));
	assert_true(ignored(f, 2, " \t\r\n\f\vselect 1 \n"));
	assert_true(ignored(f, 3, ";"));
	assert_true(ignored(f, 1, ";"));
	assert_false(ignored(f, 1, "SELECT 1"));
	assert_false(ignored(f, 2, "SELECT 12"));
	assert_false(ignored(f, 2, "SELECT "));
	assert_false(ignored(f, 2, ""));
	assert_false(ignored(f, 2, "  "));
	assert_false(ignored(f, 0, ";"));
}

static void of_a_shared_primary_the_longest_timeout_holds_and_none_is_the_longest(void **state)
{
	const struct role both = {.target = TARGET_PRIMARY, .clusters = 3},
			  first = {.target = TARGET_PRIMARY, .clusters = 1},
			  second = {.target = TARGET_PRIMARY, .clusters = 2}, none = {.target = TARGET_NONE};
	struct cluster_stand *f = *state;

	assert_true(cluster_reload(f, SETTINGS A "    request_timeout: 3s\n" B "    request_timeout: 5s\n"));
	assert_int_equal(f->sink.request_timeout_ns(f->sink.ctx, &first), 3 * SECOND);
	assert_int_equal(f->sink.request_timeout_ns(f->sink.ctx, &second), 5 * SECOND);
	assert_int_equal(f->sink.request_timeout_ns(f->sink.ctx, &both), 5 * SECOND);
	assert_int_equal(f->sink.request_timeout_ns(f->sink.ctx, &none), 0);
	assert_true(cluster_reload(f, SETTINGS A "    request_timeout: 0\n" B "    request_timeout: 5s\n"));
	assert_int_equal(f->sink.request_timeout_ns(f->sink.ctx, &both), 0);
}

static void of_a_shared_primary_results_are_summed_up_where_its_clusters_agree(void **state)
{
	static const struct {
		const char *one, *two;
		enum session_results together;
	} cases[] = {
	    {"off", "off", RESULTS_OFF},
	    {"ordered", "off", RESULTS_ORDERED},
	    {"off", "set", RESULTS_SET},
	    {"set", "set", RESULTS_SET},
	    {"ordered", "set", RESULTS_OFF},
	    {"set", "ordered", RESULTS_OFF},
	    {"ordered", "ordered", RESULTS_ORDERED},
	};
	const struct role both = {.target = TARGET_PRIMARY, .clusters = 3};
	struct cluster_stand *f = *state;
	char text[1024];

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		snprintf(text, sizeof(text), "%s%s    result_checksum: %s\n%s    result_checksum: %s\n",
			 SETTINGS, A, cases[i].one, B, cases[i].two);
		assert_true(cluster_reload(f, text));
		assert_int_equal(f->sink.results(f->sink.ctx, &both), cases[i].together);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CLUSTER_TEST(requests_of_the_mirror_are_counted_by_outcome_and_failures_by_type),
	    CLUSTER_TEST(requests_of_the_primary_are_no_requests_of_the_mirror),
	    CLUSTER_TEST(health_checks_and_upkeep_that_succeeds_are_counted_apart),
	    CLUSTER_TEST(the_threshold_hears_of_known_outcomes_only),
	    CLUSTER_TEST(a_connect_to_the_mirror_that_fails_is_one_failed_request),
	    CLUSTER_TEST(statements_count_by_side_outcome_and_kind_and_their_time_if_the_outcome_is_known),
	    CLUSTER_TEST(a_shared_primary_counts_in_each_of_its_clusters_and_a_mirror_in_one),
	    CLUSTER_TEST(errors_and_notes_go_to_the_side_that_they_are_of),
	    CLUSTER_TEST(open_connections_go_from_state_to_state_and_never_below_none),
	    CLUSTER_TEST(connections_of_no_known_cluster_are_counted_and_stand_against_every_verdict),
	    CLUSTER_TEST(what_is_ignored_is_compared_trimmed_whole_and_without_case),
	    CLUSTER_TEST(of_a_shared_primary_the_longest_timeout_holds_and_none_is_the_longest),
	    CLUSTER_TEST(of_a_shared_primary_results_are_summed_up_where_its_clusters_agree),
	};

	return cmocka_run_group_tests_name("accounting", tests, NULL, NULL);
}
