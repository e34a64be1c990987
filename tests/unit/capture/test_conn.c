/* SPDX-License-Identifier: MIT */
/* What the kernel's records of a socket make of it: its attempt, its state, its end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>

#include "support/socket.h"

/* ----------------------------------------------------------------------------------------- attempts */

static void a_connect_that_fails_says_why(void **state)
{
	static const struct {
		int error;
		enum conn_attempt result;
	} cases[] = {{ECONNREFUSED, ATTEMPT_REFUSED},
		     {ETIMEDOUT, ATTEMPT_TIMEOUT},
		     {0, ATTEMPT_ABANDONED},
		     {ECONNRESET, ATTEMPT_ABANDONED},
		     {EHOSTUNREACH, ATTEMPT_UNREACHABLE},
		     {ENETUNREACH, ATTEMPT_UNREACHABLE}};
	struct told *told = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		memset(told->attempts, 0, sizeof(told->attempts));
		socket_open(told, SOCK, TCP_SYN_SENT, 0);
		assert_int_equal(told->open[CONN_PLAIN], 0);
		socket_change(told, TCP_SYN_SENT, TCP_CLOSE, cases[i].error);
		socket_destroyed(told);
		assert_attempt(told, cases[i].result);
		assert_int_equal(told->closed, i + 1);
		assert_int_equal(socket_known(told), 0);
	}
}

static void a_start_up_that_is_through_is_one_good_attempt(void **state)
{
	struct told *told = *state;

	socket_start(told);
	assert_attempt(told, ATTEMPT_OK);
	assert_string_equal(told->database, "db");
	assert_int_equal(told->open[CONN_PLAIN], 1);
	assert_int_equal(told->bytes[DIRECTION_SEND], sizeof(STARTUP) - 1);
	assert_int_equal(told->bytes[DIRECTION_RECV], sizeof(READY) - 1);
	assert_int_equal(told->requests[OUTCOME_FAILURE] + told->requests[OUTCOME_SUCCESS], 0);
}

static void a_server_that_hangs_up_during_start_up_has_reset_it(void **state)
{
	struct told *told = *state;

	socket_connect(told);
	SEND(told, STARTUP);
	socket_change(told, TCP_ESTABLISHED, TCP_CLOSE_WAIT, 0);
	assert_int_equal(socket_attempts(told), 0); /* its last bytes may still lie in the socket */
	socket_eof(told);
	assert_attempt(told, ATTEMPT_RESET);
	assert_int_equal(told->open[CONN_PLAIN], 0);
}

static void a_proxy_that_gives_up_during_start_up_has_abandoned_it(void **state)
{
	struct told *told = *state;

	socket_connect(told);
	SEND(told, STARTUP);
	socket_change(told, TCP_ESTABLISHED, TCP_FIN_WAIT1, 0);
	socket_change(told, TCP_FIN_WAIT1, TCP_CLOSE, 0);
	assert_attempt(told, ATTEMPT_ABANDONED);
}

static void a_proxy_that_only_looks_whether_somebody_listens_has_connected(void **state)
{
	struct told *told = *state;

	socket_connect(told);
	socket_change(told, TCP_ESTABLISHED, TCP_FIN_WAIT1, 0);
	socket_change(told, TCP_FIN_WAIT1, TCP_CLOSE, 0);
	assert_attempt(told, ATTEMPT_OK);
}

static void an_error_during_start_up_is_its_result(void **state)
{
	struct told *told = *state;

	socket_connect(told);
	SEND(told, STARTUP);
	RECEIVE(told, "E\0\0\0\x1aSFATAL\0VFATAL\0C3D000\0\0");
	assert_attempt(told, ATTEMPT_STARTUP_ERROR);
}

static void a_socket_that_was_there_before_makes_no_attempt(void **state)
{
	struct told *told = *state;

	socket_open(told, SOCK, TCP_ESTABLISHED, EVENT_F_BEFORE);
	assert_int_equal(told->open[CONN_PLAIN] + told->open[CONN_RESYNCING], 1);
	socket_destroyed(told);
	assert_int_equal(socket_attempts(told), 0);
	assert_int_equal(told->open[CONN_PLAIN] + told->open[CONN_RESYNCING], 0);
	assert_int_equal(told->closed, 1);
}

static void a_socket_destroyed_before_it_was_connected_was_abandoned(void **state)
{
	struct told *told = *state;

	socket_open(told, SOCK, TCP_SYN_SENT, 0);
	socket_destroyed(told);
	assert_attempt(told, ATTEMPT_ABANDONED);
}

/* --------------------------------------------------------------------------------------------- ends */

static void a_request_is_answered_before_the_end_that_came_with_it(void **state)
{
	struct told *told = *state;

	socket_start(told);
	SEND(told, QUERY);
	RECEIVE(told, ANSWER);
	socket_change(told, TCP_ESTABLISHED, TCP_CLOSE_WAIT, 0);
	socket_eof(told);
	assert_int_equal(told->requests[OUTCOME_SUCCESS], 1);
	assert_int_equal(told->requests[OUTCOME_FAILURE], 0);
}

static void a_server_that_goes_with_a_request_open_has_failed_it(void **state)
{
	struct told *told = *state;

	socket_start(told);
	SEND(told, QUERY);
	socket_change(told, TCP_ESTABLISHED, TCP_CLOSE, ECONNRESET);
	assert_int_equal(told->requests[OUTCOME_FAILURE], 0); /* answers may lie unread in the socket */
	socket_eof(told);
	assert_int_equal(told->requests[OUTCOME_FAILURE], 1);
	assert_int_equal(told->failure, FAILURE_CONNECTION);
}

static void a_proxy_that_goes_with_a_request_open_has_timed_out(void **state)
{
	struct told *told = *state;

	socket_start(told);
	SEND(told, QUERY);
	socket_change(told, TCP_ESTABLISHED, TCP_CLOSE, 0);
	assert_int_equal(told->requests[OUTCOME_FAILURE], 1);
	assert_int_equal(told->failure, FAILURE_TIMEOUT);
}

static void answers_are_waited_for_a_second_after_the_proxys_fin(void **state)
{
	struct told *told = *state;

	socket_start(told);
	SEND(told, QUERY);
	socket_change(told, TCP_ESTABLISHED, TCP_FIN_WAIT1, 0);
	conns_tick(told->conns, told->now + SECOND, true);
	assert_int_equal(told->requests[OUTCOME_FAILURE], 0);
	RECEIVE(told, ANSWER);
	assert_int_equal(told->requests[OUTCOME_SUCCESS], 1);
	conns_tick(told->conns, told->now + SECOND + 1000000, true);
	assert_int_equal(told->closed, 1);
}

static void what_is_outstanding_a_second_after_the_proxys_fin_has_failed(void **state)
{
	struct told *told = *state;

	socket_start(told);
	SEND(told, QUERY);
	socket_change(told, TCP_ESTABLISHED, TCP_FIN_WAIT1, 0);
	conns_tick(told->conns, told->now + SECOND + 1, true);
	assert_int_equal(told->requests[OUTCOME_FAILURE], 1);
	assert_int_equal(told->closed, 1);
}

static void an_idle_connection_ends_with_the_proxys_fin(void **state)
{
	struct told *told = *state;

	socket_start(told);
	socket_change(told, TCP_ESTABLISHED, TCP_FIN_WAIT1, 0);
	assert_int_equal(told->closed, 1);
	assert_int_equal(told->open[CONN_PLAIN], 0);
	assert_int_equal(told->requests[OUTCOME_FAILURE], 0);
	socket_destroyed(told);
	assert_int_equal(told->closed, 1);
	assert_int_equal(socket_known(told), 0);
}

static void a_server_that_closes_first_is_answered_by_the_proxys_last_ack(void **state)
{
	struct told *told = *state;

	socket_start(told);
	socket_change(told, TCP_ESTABLISHED, TCP_CLOSE_WAIT, 0);
	assert_int_equal(told->closed, 0);
	socket_change(told, TCP_CLOSE_WAIT, TCP_LAST_ACK, 0);
	assert_int_equal(told->closed, 1);
	assert_int_equal(told->requests[OUTCOME_FAILURE], 0);
}

static void an_end_that_was_lost_makes_what_was_open_unknown(void **state)
{
	struct told *told = *state;

	socket_start(told);
	SEND(told, QUERY);
	conns_lost(told->conns, SOCK + 1, told->now);
	assert_int_equal(socket_known(told), 1);
	conns_lost(told->conns, SOCK, told->now);
	assert_int_equal(told->requests[OUTCOME_UNKNOWN], 1);
	assert_int_equal(told->requests[OUTCOME_FAILURE], 0);
	assert_int_equal(socket_known(told), 0);
}

/* ------------------------------------------------------------------------------------------- time */

static void a_request_is_overdue_only_while_nothing_may_have_been_lost(void **state)
{
	struct told *told = *state;

	socket_start(told);
	SEND(told, QUERY);
	conns_tick(told->conns, told->now + 31 * SECOND, false);
	assert_int_equal(told->requests[OUTCOME_FAILURE], 0);
	conns_tick(told->conns, told->now + 29 * SECOND, true);
	assert_int_equal(told->requests[OUTCOME_FAILURE], 0);
	conns_tick(told->conns, told->now + 31 * SECOND, true);
	assert_int_equal(told->requests[OUTCOME_FAILURE], 1);
	assert_int_equal(told->failure, FAILURE_TIMEOUT);
}

/* ----------------------------------------------------------------------------------- Unix-domain */

static void a_unix_socket_has_the_path_of_its_target_and_ends_with_terminate(void **state)
{
	struct told *told = *state;

	socket_open(told, SOCK, TCP_ESTABLISHED, EVENT_F_UNIX);
	assert_string_equal(told->path, "/run/socket");
	assert_int_equal(socket_attempts(told), 0);
	SEND(told, STARTUP);
	RECEIVE(told, READY);
	assert_attempt(told, ATTEMPT_OK);
	SEND(told, "X\0\0\0\4");
	assert_int_equal(told->closed, 1);
	assert_int_equal(socket_known(told), 1);
	conns_tick(told->conns, told->now + SECOND / 2, true);
	assert_int_equal(socket_known(told), 1);
	conns_tick(told->conns, told->now + 2 * SECOND, true); /* nothing tells of its close */
	assert_int_equal(socket_known(told), 0);
	assert_int_equal(told->closed, 1);
}

/* ------------------------------------------------------------------------------------------- table */

static void at_the_bound_the_longest_idle_connection_leaves_and_is_counted(void **state)
{
	struct told *told = *state;
	struct conns_totals totals;

	socket_start(told);
	SEND(told, QUERY);
	for (uint64_t sock = SOCK + 1; sock < SOCK + 4; sock++)
		socket_open(told, sock, TCP_ESTABLISHED, EVENT_F_BEFORE);
	conns_totals(told->conns, &totals);
	assert_int_equal(totals.open, 4);
	assert_int_equal(totals.evicted, 0);
	socket_open(told, SOCK + 4, TCP_ESTABLISHED, EVENT_F_BEFORE);
	conns_totals(told->conns, &totals);
	assert_int_equal(totals.open, 4);
	assert_int_equal(totals.evicted, 1);
	assert_int_equal(told->requests[OUTCOME_UNKNOWN], 1);
	socket_destroyed(told); /* of one that is not there any more */
	conns_totals(told->conns, &totals);
	assert_int_equal(totals.stray, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    SOCKET_TEST(a_connect_that_fails_says_why),
	    SOCKET_TEST(a_start_up_that_is_through_is_one_good_attempt),
	    SOCKET_TEST(a_server_that_hangs_up_during_start_up_has_reset_it),
	    SOCKET_TEST(a_proxy_that_gives_up_during_start_up_has_abandoned_it),
	    SOCKET_TEST(a_proxy_that_only_looks_whether_somebody_listens_has_connected),
	    SOCKET_TEST(an_error_during_start_up_is_its_result),
	    SOCKET_TEST(a_socket_that_was_there_before_makes_no_attempt),
	    SOCKET_TEST(a_socket_destroyed_before_it_was_connected_was_abandoned),
	    SOCKET_TEST(a_request_is_answered_before_the_end_that_came_with_it),
	    SOCKET_TEST(a_server_that_goes_with_a_request_open_has_failed_it),
	    SOCKET_TEST(a_proxy_that_goes_with_a_request_open_has_timed_out),
	    SOCKET_TEST(answers_are_waited_for_a_second_after_the_proxys_fin),
	    SOCKET_TEST(what_is_outstanding_a_second_after_the_proxys_fin_has_failed),
	    SOCKET_TEST(an_idle_connection_ends_with_the_proxys_fin),
	    SOCKET_TEST(a_server_that_closes_first_is_answered_by_the_proxys_last_ack),
	    SOCKET_TEST(an_end_that_was_lost_makes_what_was_open_unknown),
	    SOCKET_TEST(a_request_is_overdue_only_while_nothing_may_have_been_lost),
	    SOCKET_TEST(a_unix_socket_has_the_path_of_its_target_and_ends_with_terminate),
	    SOCKET_TEST(at_the_bound_the_longest_idle_connection_leaves_and_is_counted),
	};

	return cmocka_run_group_tests_name("connections", tests, NULL, NULL);
}
