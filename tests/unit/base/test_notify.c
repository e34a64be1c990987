/* SPDX-License-Identifier: MIT */
#include "base/notify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static int server;

static const char *received(void)
{
	static char text[256];
	ssize_t n = recv(server, text, sizeof(text) - 1, MSG_DONTWAIT);

	assert_true(n >= 0);
	text[n] = '\0';
	return text;
}

static int set_up(void **state)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	char name[64];

	(void)state;
	snprintf(name, sizeof(name), "@mo-test-notify-%d", getpid());
	strcpy(sun.sun_path + 1, name + 1); /* abstract: nothing to remove */
	server = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return setenv("NOTIFY_SOCKET", name, 1) ||
	       bind(server, (struct sockaddr *)&sun, offsetof(struct sockaddr_un, sun_path) + strlen(name));
}

static int tear_down(void **state)
{
	(void)state;
	unsetenv("NOTIFY_SOCKET");
	close(server);
	return 0;
}

static void systemd_is_told_each_step(void **state)
{
	(void)state;
	notify_ready("watching 2 clusters");
	assert_string_equal(received(), "READY=1\nSTATUS=watching 2 clusters");
	notify_reloading();
	assert_int_equal(strncmp(received(), "RELOADING=1\nMONOTONIC_USEC=", 27), 0);
	notify_stopping();
	assert_string_equal(received(), "STOPPING=1");
	notify_watchdog();
	assert_string_equal(received(), "WATCHDOG=1");
}

static void the_watchdog_is_fed_at_half_its_limit(void **state)
{
	char pid[16];

	(void)state;
	assert_int_equal(notify_watchdog_interval_us(), 0);
	snprintf(pid, sizeof(pid), "%d", getpid());
	setenv("WATCHDOG_PID", pid, 1);
	setenv("WATCHDOG_USEC", "30000000", 1);
	assert_int_equal(notify_watchdog_interval_us(), 15000000);
	unsetenv("WATCHDOG_USEC");
}

static void without_systemd_nothing_happens(void **state)
{
	(void)state;
	unsetenv("NOTIFY_SOCKET");
	notify_ready("x");
	notify_stopping();
	assert_int_equal(recv(server, (char[1]){0}, 1, MSG_DONTWAIT), -1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(systemd_is_told_each_step),
	    CASE(the_watchdog_is_fed_at_half_its_limit),
	    CASE(without_systemd_nothing_happens),
	};

	return cmocka_run_group_tests_name("notify", tests, NULL, NULL);
}
