/* SPDX-License-Identifier: MIT */
#include "watch/resolve.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"

/* A name server in the test's own loop; it answers every name alike. */
struct server {
	int fd;
	char address[64];
	const char *a[4]; /* IPv4 addresses, then NULL */
	const char *aaaa;
	int rcode; /* 0, 2 = SERVFAIL, 3 = NXDOMAIN */
	bool silent;
	char asked[64]; /* first label of the last question */
};

struct fixture {
	struct loop *loop;
	struct resolve *resolve;
	struct server server;
	struct loop_source *guard;
	int rounds, stop_after;
	bool changed;
};

/* Header and question as asked (RFC 1035, section 4.1), with what an answer adds. */
static size_t answer(struct server *s, unsigned char *packet, size_t len)
{
	size_t question = 12, count = 0, size;
	bool v6;

	memcpy(s->asked, packet + 13, packet[12]);
	s->asked[packet[12]] = '\0';
	while (packet[question])
		question += packet[question] + 1;
	v6 = packet[question + 2] == 28;
	len = question + 5; /* cuts an EDNS record off */
	packet[2] |= 0x80;
	packet[3] = 0x80 | s->rcode;
	memset(packet + 8, 0, 4);
	for (size_t i = 0; !s->rcode && (v6 ? i == 0 && s->aaaa : s->a[i] != NULL); i++, count++) {
		static const unsigned char record[] = {0xc0, 12, 0, 0, 0, 1, 0, 0, 0, 5, 0, 0};

		size = v6 ? 16 : 4;
		memcpy(packet + len, record, sizeof(record));
		packet[len + 3] = v6 ? 28 : 1;
		packet[len + 11] = size;
		inet_pton(v6 ? AF_INET6 : AF_INET, v6 ? s->aaaa : s->a[i], packet + len + sizeof(record));
		len += sizeof(record) + size;
	}
	packet[7] = count;
	return len;
}

static void on_question(void *ctx, uint32_t events)
{
	struct fixture *f = ctx;
	unsigned char packet[1024];
	struct sockaddr_in from;
	socklen_t from_len = sizeof(from);
	ssize_t len = recvfrom(f->server.fd, packet, 512, 0, (struct sockaddr *)&from, &from_len);

	(void)events;
	if (len < 17 || f->server.silent)
		return;
	len = answer(&f->server, packet, len);
	if (sendto(f->server.fd, packet, len, 0, (struct sockaddr *)&from, from_len) < 0)
		loop_stop(f->loop, -errno);
}

static void on_round(void *ctx, bool changed)
{
	struct fixture *f = ctx;

	f->changed = changed;
	if (++f->rounds == f->stop_after)
		loop_stop(f->loop, 0);
}

static void give_up(void *ctx, uint32_t what)
{
	(void)what;
	loop_stop(((struct fixture *)ctx)->loop, -ETIMEDOUT);
}

static int set_up(void **state)
{
	static struct fixture f;
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(sin);
	struct resolve_options options = {.interval_us = 1000, .timeout_ms = 250, .tries = 1};

	f = (struct fixture){.server.a = {"10.0.0.1"}};
	*state = &f;
	log_set_level(LOG_LEVEL_ERROR);
	f.server.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (bind(f.server.fd, (struct sockaddr *)&sin, len) ||
	    getsockname(f.server.fd, (struct sockaddr *)&sin, &len))
		return -1;
	snprintf(f.server.address, sizeof(f.server.address), "127.0.0.1:%u", ntohs(sin.sin_port));
	options.servers = f.server.address;
	return loop_new(&f.loop) ?: loop_add_timer(f.loop, 10 * 1000000, 0, give_up, &f, &f.guard)
	    ?: loop_add_fd(f.loop, f.server.fd, EPOLLIN, on_question, &f, NULL)
	    ?: resolve_new(&f.resolve, f.loop, &options, on_round, &f);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	resolve_free(&f->resolve);
	loop_free(&f->loop);
	close(f->server.fd);
	return 0;
}

static void watch(struct fixture *f, const char *primary, const char *mirror)
{
	char text[512], *error;
	struct config *config;

	snprintf(text, sizeof(text),
		 "proxy: {comm: p}\nclusters:\n- {name: a, primary: {address: %s}, mirror: {address: %s}}\n",
		 primary, mirror);
	if (config_parse(&config, "f", text, strlen(text), &error))
		fail_msg("%s", error);
	assert_int_equal(resolve_names(f->resolve, config), 0);
	config_free(&config); /* it is not kept */
}

static void run(struct fixture *f, int rounds)
{
	f->rounds = 0;
	f->stop_after = rounds;
	assert_int_equal(loop_run(f->loop), 0);
}

static void expect(struct fixture *f, const char *host, const char *const *addresses, size_t count)
{
	const struct address_range *ranges;
	char text[ADDRESS_TEXT_MAX];

	assert_int_equal(resolve_lookup(f->resolve, host, &ranges), count);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(ranges[i].family, ADDRESS_IP);
		assert_int_equal(ranges[i].prefix_len, 128);
		assert_string_equal(address_format(&ranges[i].base, text), addresses[i]);
	}
}

#define EXPECT(f, host, ...)                                \
	expect(f, host, (const char *const[]){__VA_ARGS__}, \
	       sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

static void a_name_gets_all_its_addresses_of_both_families_sorted(void **state)
{
	struct fixture *f = *state;

	f->server.a[0] = "10.0.0.9";
	f->server.a[1] = "10.0.0.2";
	f->server.a[2] = "10.0.0.9";
	f->server.aaaa = "2001:db8::1";
	watch(f, "'db.example:5432'", "'10.0.0.1:1'");
	expect(f, "db.example", NULL, 0);
	run(f, 1);
	assert_true(f->changed);
	EXPECT(f, "DB.example", "10.0.0.2:0", "10.0.0.9:0", "[2001:db8::1]:0");
	assert_string_equal(f->server.asked, "db");
}

static void an_answer_that_stays_the_same_is_no_change_in_whatever_order(void **state)
{
	struct fixture *f = *state;

	f->server.a[1] = "10.0.0.2";
	watch(f, "'db.example:5432'", "'10.0.0.1:1'");
	run(f, 1);
	f->server.a[0] = "10.0.0.2";
	f->server.a[1] = "10.0.0.1";
	run(f, 2);
	assert_false(f->changed);
}

static void a_name_that_moves_gets_its_new_address_in_a_later_round(void **state)
{
	struct fixture *f = *state;

	watch(f, "'db.example:5432'", "'10.0.0.1:1'");
	run(f, 1);
	f->server.a[0] = "10.0.0.7";
	run(f, 1);
	assert_true(f->changed);
	EXPECT(f, "db.example", "10.0.0.7:0");
}

static void a_name_that_cannot_be_looked_up_keeps_its_last_answer(void **state)
{
	static const int rcodes[] = {2, 3};
	struct fixture *f = *state;

	watch(f, "'db.example:5432'", "'10.0.0.1:1'");
	run(f, 1);
	for (int i = 0; i < 2; i++) {
		f->server.rcode = rcodes[i];
		run(f, 1);
		assert_false(f->changed);
		EXPECT(f, "db.example", "10.0.0.1:0");
	}
	f->server.rcode = 0;
	f->server.silent = true;
	run(f, 1);
	EXPECT(f, "db.example", "10.0.0.1:0");
	f->server.silent = false;
	f->server.a[0] = "10.0.0.3";
	run(f, 1);
	assert_true(f->changed);
	EXPECT(f, "db.example", "10.0.0.3:0");
}

static void a_name_that_never_answered_stands_for_nothing(void **state)
{
	struct fixture *f = *state;

	f->server.silent = true;
	watch(f, "'db.example:5432'", "'other.example:1'");
	run(f, 1);
	assert_false(f->changed);
	expect(f, "db.example", NULL, 0);
	expect(f, "other.example", NULL, 0);
}

/* A silent server: were a look-up to wait for it, the timer could not fire before the round ends. */
static void the_loop_goes_on_while_a_server_does_not_answer(void **state)
{
	struct fixture *f = *state;

	f->server.silent = true;
	watch(f, "'db.example:5432'", "'10.0.0.1:1'");
	loop_set_timer(f->guard, 5000, 0);
	f->stop_after = 1;
	assert_int_equal(loop_run(f->loop), -ETIMEDOUT);
	assert_int_equal(f->rounds, 0);
}

static void a_reload_during_a_round_keeps_the_answers_of_names_that_stay(void **state)
{
	struct fixture *f = *state;

	watch(f, "'db.example:5432'", "'10.0.0.1:1'");
	run(f, 1);
	f->server.silent = true;
	watch(f, "'db.example:5432'", "'new.example:1'");
	loop_set_timer(f->guard, 5000, 0);
	assert_int_equal(loop_run(f->loop), -ETIMEDOUT); /* the round is under way */
	f->server.silent = false;
	loop_set_timer(f->guard, 10 * 1000000, 0);
	watch(f, "'db.example:5432'", "'newer.example:1'");
	EXPECT(f, "db.example", "10.0.0.1:0");
	expect(f, "new.example", NULL, 0);
	run(f, 1);
	EXPECT(f, "newer.example", "10.0.0.1:0");
}

static void without_names_there_is_no_round(void **state)
{
	struct fixture *f = *state;

	watch(f, "'10.0.0.2:5432'", "'10.0.0.1:1'");
	loop_set_timer(f->guard, 10000, 0);
	f->stop_after = 1;
	assert_int_equal(loop_run(f->loop), -ETIMEDOUT);
	assert_int_equal(f->rounds, 0);
}

static void a_name_in_the_hosts_file_needs_no_server(void **state)
{
	struct fixture *f = *state;
	const struct address_range *ranges;

	watch(f, "'localhost:5432'", "'10.0.0.1:1'");
	run(f, 1);
	assert_true(resolve_lookup(f->resolve, "localhost", &ranges) > 0);
	assert_string_equal(f->server.asked, "");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(a_name_gets_all_its_addresses_of_both_families_sorted),
	    CASE(an_answer_that_stays_the_same_is_no_change_in_whatever_order),
	    CASE(a_name_that_moves_gets_its_new_address_in_a_later_round),
	    CASE(a_name_that_cannot_be_looked_up_keeps_its_last_answer),
	    CASE(a_name_that_never_answered_stands_for_nothing),
	    CASE(the_loop_goes_on_while_a_server_does_not_answer),
	    CASE(a_reload_during_a_round_keeps_the_answers_of_names_that_stay),
	    CASE(without_names_there_is_no_round),
	    CASE(a_name_in_the_hosts_file_needs_no_server),
	};

	return cmocka_run_group_tests_name("resolve", tests, NULL, NULL);
}
