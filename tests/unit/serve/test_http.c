/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "serve/clients.h"
#include "serve/http.h"
#include "serve/listener.h"

/* ------------------------------------------------------------------------------------------------ clients */

static const struct clients_limits small = {
    .total = 4,
    .per_address = 3,
    .serving = 2,
    .deadline_ms = {[CLIENT_NEW] = 100, [CLIENT_IDLE] = 1000, [CLIENT_SERVING] = 500},
};

static struct client *add(struct clients *clients, const char *address, uint64_t now)
{
	struct sockaddr_in6 peer = {.sin6_family = AF_INET6};
	struct client *client;

	assert_int_equal(inet_pton(AF_INET6, address, &peer.sin6_addr), 1);
	client = clients_add(clients, -1, (const struct sockaddr *)&peer, now);
	assert_non_null(client);
	return client;
}

static void test_past_the_limit_the_oldest_waiting_client_goes(void **state)
{
	struct clients *clients;

	(void)state;
	clients_new(&clients, &small);
	for (int i = 0; i < 4; i++)
		add(clients, i % 2 ? "2001:db8:0:1::1" : "2001:db8:0:2::1", i);
	assert_int_equal(clients_count(clients, CLIENT_CUT), 0);
	clients_move(clients, add(clients, "::1", 5), CLIENT_SERVING, 5);
	assert_int_equal(clients_count(clients, CLIENT_CUT), 1);
	assert_int_equal(clients_count(clients, CLIENT_NEW), 3);
	assert_int_equal(clients_count(clients, CLIENT_SERVING), 1);
	clients_free(&clients);
}

static void test_one_address_only_displaces_its_own(void **state)
{
	struct clients *clients;
	struct client *victim;

	(void)state;
	clients_new(&clients, &small);
	add(clients, "::ffff:192.0.2.1", 0);
	/* One /64 counts as one address. */
	victim = add(clients, "2001:db8::1", 1);
	add(clients, "2001:db8::2", 2);
	add(clients, "2001:db8::3", 3);
	add(clients, "2001:db8::4", 4);
	assert_int_equal(clients_count(clients, CLIENT_CUT), 1);
	clients_remove(clients, victim);
	assert_int_equal(clients_count(clients, CLIENT_CUT), 0);
	clients_free(&clients);
}

static void test_idle_clients_do_not_displace_new_ones_while_they_are_more(void **state)
{
	struct clients *clients;

	(void)state;
	clients_new(&clients, &small);
	for (int i = 0; i < 3; i++)
		clients_move(clients, add(clients, "::1", i), CLIENT_IDLE, i);
	add(clients, "::1", 3);
	assert_int_equal(clients_count(clients, CLIENT_NEW), 1);
	assert_int_equal(clients_count(clients, CLIENT_IDLE), 2);
	clients_free(&clients);
}

static void test_responses_under_way_are_bounded(void **state)
{
	struct clients *clients;

	(void)state;
	clients_new(&clients, &small);
	for (int i = 0; i < 3; i++)
		clients_move(clients, add(clients, "::1", i), CLIENT_SERVING, i);
	assert_int_equal(clients_count(clients, CLIENT_SERVING), 2);
	assert_int_equal(clients_count(clients, CLIENT_CUT), 1);
	clients_free(&clients);
}

static void test_each_state_has_its_own_absolute_deadline(void **state)
{
	struct clients *clients;
	struct client *idle;

	(void)state;
	clients_new(&clients, &small);
	assert_int_equal(clients_timeout(clients, 0), -1);
	add(clients, "::1", 0);
	idle = add(clients, "::1", 0);
	clients_move(clients, idle, CLIENT_IDLE, 10);
	assert_int_equal(clients_timeout(clients, 40), 60);
	clients_sweep(clients, 99);
	assert_int_equal(clients_count(clients, CLIENT_CUT), 0);
	clients_sweep(clients, 100);
	assert_int_equal(clients_count(clients, CLIENT_NEW), 0);
	assert_int_equal(clients_timeout(clients, 100), 910);
	clients_sweep(clients, 1010);
	clients_move(clients, idle, CLIENT_SERVING, 1010);
	assert_int_equal(clients_count(clients, CLIENT_SERVING), 0);
	assert_int_equal(clients_count(clients, CLIENT_CUT), 2);
	clients_free(&clients);
}

/* --------------------------------------------------------------------------------------------------- http */

static char answer[65536];

static void hello(void *ctx, const struct http_request *request, struct http_reply *reply)
{
	const char *query = http_query(request, "q");

	(void)ctx;
	buffer_printf(&reply->body, "path=%s q=%s accept=%s", request->path, query ? query : "(none)",
		      request->accept ? request->accept : "(none)");
}

static void too_large(void *ctx, const struct http_request *request, struct http_reply *reply)
{
	(void)ctx, (void)request;
	reply->body.max = 3;
	buffer_string(&reply->body, "four");
}

static struct http *start(const char *host)
{
	struct http *http = NULL;

	assert_int_equal(http_new(&http, &(struct http_options){.host = host}), 0);
	assert_int_equal(http_add(http, "/hello", hello, NULL), 0);
	assert_int_equal(http_add(http, "/large", too_large, NULL), 0);
	return http;
}

static int connect_to(const struct http *http)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons(http_port(http)),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (const void *)&to, sizeof(to)), 0);
	return fd;
}

/* Sends the request and runs the server until the connection ends or `until` is in the answer. */
static const char *exchange(struct http *http, const char *request, const char *until)
{
	int fd = connect_to(http);
	size_t len = 0;
	ssize_t n = 1;

	assert_int_equal(write(fd, request, strlen(request)), strlen(request));
	answer[0] = 0;
	while (n > 0 && !(until && strstr(answer, until))) {
		struct pollfd fds[] = {{.fd = fd, .events = POLLIN}, {.fd = http_fd(http), .events = POLLIN}};
		int timeout = http_timeout(http);

		assert_true(poll(fds, 2, timeout < 0 ? 5000 : timeout) >= 0);
		http_run(http);
		if (!fds[0].revents)
			continue;
		n = read(fd, answer + len, sizeof(answer) - 1 - len);
		len += n > 0 ? n : 0;
		answer[len] = 0;
	}
	close(fd);
	return answer;
}

#define END "Connection: close\r\n\r\n"

static void test_a_route_answers_get_with_its_query_and_accept(void **state)
{
	struct http *http = start("127.0.0.1");
	const char *a = exchange(http,
				 "GET /hello?q=a%20b&x HTTP/1.1\r\nHost: localhost\r\nAccept: one\r\n"
				 "accept: two\r\n" END,
				 NULL);

	(void)state;
	assert_int_equal(strncmp(a, "HTTP/1.1 200 ", 13), 0);
	assert_non_null(strstr(a, "\r\nContent-Type: text/plain; charset=utf-8\r\n"));
	assert_non_null(strstr(a, "\r\n\r\npath=/hello q=a b accept=one,two"));
	assert_null(strstr(a, "Access-Control"));
	http_free(&http);
	assert_null(http);
}

static void test_head_has_the_length_and_no_body(void **state)
{
	struct http *http = start("127.0.0.1");
	const char *a = exchange(http, "HEAD /hello HTTP/1.1\r\nHost: localhost\r\n" END, NULL);

	(void)state;
	assert_int_equal(strncmp(a, "HTTP/1.1 200 ", 13), 0);
	assert_non_null(strstr(a, "Content-Length: 34\r\n"));
	assert_string_equal(strstr(a, "\r\n\r\n"), "\r\n\r\n");
	http_free(&http);
}

static void expect_status(struct http *http, const char *request, int status)
{
	const char *a = exchange(http, request, NULL);

	if (atoi(a + 9) != status)
		fail_msg("%s -> %.60s, expected %d", request, a, status);
}

static void test_what_is_not_served_is_refused_with_its_own_status(void **state)
{
	struct http *http = start("127.0.0.1");

	(void)state;
	expect_status(http, "GET /nothing HTTP/1.1\r\nHost: localhost\r\n" END, 404);
	expect_status(http, "GET /hello/ HTTP/1.1\r\nHost: localhost\r\n" END, 404);
	expect_status(http, "GET /%68ello HTTP/1.1\r\nHost: localhost\r\n" END, 200);
	expect_status(http, "POST /hello HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello", 405);
	expect_status(http, "OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", 405);
	expect_status(http, "GET /hello HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello", 413);
	expect_status(http,
		      "GET /hello HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		      413);
	expect_status(http, "GET /hello HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421);
	expect_status(http, "GET /hello HTTP/1.1\r\n\r\n", 400);
	expect_status(http, "GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n", 500);
	http_free(&http);
}

static void test_405_names_the_methods_that_are_allowed(void **state)
{
	struct http *http = start("127.0.0.1");

	(void)state;
	assert_non_null(strstr(exchange(http, "DELETE /hello HTTP/1.1\r\nHost: localhost\r\n\r\n", NULL),
			       "\r\nAllow: GET, HEAD\r\n"));
	http_free(&http);
}

static void test_what_changes_something_takes_a_post_with_our_header_from_this_machine(void **state)
{
	struct http *http = start("127.0.0.1");

	(void)state;
	assert_int_equal(http_add_action(http, "/action", hello, NULL), 0);
	expect_status(http, "POST /action HTTP/1.1\r\nHost: localhost\r\nX-Mirror-Observer: reset\r\n" END,
		      200);
	expect_status(http, "POST /action HTTP/1.1\r\nHost: localhost\r\n" END, 403);
	expect_status(http, "POST /action HTTP/1.1\r\nHost: evil.example\r\nX-Mirror-Observer: reset\r\n\r\n",
		      421);
	expect_status(http, "GET /action HTTP/1.1\r\nHost: localhost\r\nX-Mirror-Observer: reset\r\n" END,
		      405);
	expect_status(http,
		      "POST /action HTTP/1.1\r\nHost: localhost\r\nX-Mirror-Observer: reset\r\n"
		      "Content-Length: 3\r\n\r\nabc",
		      413);
	assert_non_null(strstr(exchange(http, "GET /action HTTP/1.1\r\nHost: localhost\r\n\r\n", NULL),
			       "\r\nAllow: POST\r\n"));
	http_free(&http);
}

static void test_a_foreign_host_is_served_when_listening_to_the_world(void **state)
{
	struct http *http = start("0.0.0.0");

	(void)state;
	expect_status(http, "GET /hello HTTP/1.1\r\nHost: observer.example\r\n" END, 200);
	http_free(&http);
}

static void test_two_requests_in_one_go_are_both_answered(void **state)
{
	struct http *http = start("127.0.0.1");
	const char *a = exchange(http,
				 "GET /hello?q=1 HTTP/1.1\r\nHost: localhost\r\n\r\n"
				 "GET /hello?q=2 HTTP/1.1\r\nHost: localhost\r\n" END,
				 NULL);

	(void)state;
	assert_non_null(strstr(a, "q=1"));
	assert_non_null(strstr(a, "q=2"));
	http_free(&http);
}

static void test_the_ipv6_loopback_can_be_listened_on(void **state)
{
	struct http *http = NULL;
	int rc = http_new(&http, &(struct http_options){.host = "::1"});

	(void)state;
	if (rc == -EADDRNOTAVAIL || rc == -EAFNOSUPPORT)
		skip(); /* a machine without IPv6 */
	assert_int_equal(rc, 0);
	assert_int_not_equal(http_port(http), 0);
	http_free(&http);
}

static void test_a_port_in_use_is_named(void **state)
{
	struct http *first = start("127.0.0.1"), *second = NULL;

	(void)state;
	assert_int_equal(
	    http_new(&second, &(struct http_options){.host = "127.0.0.1", .port = http_port(first)}),
	    -EADDRINUSE);
	assert_non_null(strstr(http_error(), "127.0.0.1 port"));
	assert_null(second);
	http_free(&first);
}

static void test_a_name_is_no_address_to_listen_on(void **state)
{
	struct http *http = NULL;

	(void)state;
	assert_int_equal(http_new(&http, &(struct http_options){.host = "localhost"}), -EINVAL);
	assert_non_null(strstr(http_error(), "localhost"));
}

static void test_an_address_of_this_machine_only_is_told_from_one_that_others_reach(void **state)
{
	static const struct {
		const char *host;
		bool loopback;
	} hosts[] = {{"127.0.0.1", true},        {"127.1.2.3", true}, {"::1", true},
		     {"::ffff:127.0.0.1", true}, {"0.0.0.0", false},  {"::", false}};
	char error[128];

	(void)state;
	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		struct listener listener;

		if (listener_open(&listener, hosts[i].host, 0, error, sizeof(error)) < 0)
			fail_msg("%s", error);
		assert_int_equal(listener.loopback, hosts[i].loopback);
		assert_true(listener.port > 0);
		close(listener.fd);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_past_the_limit_the_oldest_waiting_client_goes),
	    cmocka_unit_test(test_one_address_only_displaces_its_own),
	    cmocka_unit_test(test_idle_clients_do_not_displace_new_ones_while_they_are_more),
	    cmocka_unit_test(test_responses_under_way_are_bounded),
	    cmocka_unit_test(test_each_state_has_its_own_absolute_deadline),
	    cmocka_unit_test(test_a_route_answers_get_with_its_query_and_accept),
	    cmocka_unit_test(test_head_has_the_length_and_no_body),
	    cmocka_unit_test(test_what_is_not_served_is_refused_with_its_own_status),
	    cmocka_unit_test(test_405_names_the_methods_that_are_allowed),
	    cmocka_unit_test(test_what_changes_something_takes_a_post_with_our_header_from_this_machine),
	    cmocka_unit_test(test_a_foreign_host_is_served_when_listening_to_the_world),
	    cmocka_unit_test(test_two_requests_in_one_go_are_both_answered),
	    cmocka_unit_test(test_the_ipv6_loopback_can_be_listened_on),
	    cmocka_unit_test(test_a_port_in_use_is_named),
	    cmocka_unit_test(test_a_name_is_no_address_to_listen_on),
	    cmocka_unit_test(test_an_address_of_this_machine_only_is_told_from_one_that_others_reach),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
