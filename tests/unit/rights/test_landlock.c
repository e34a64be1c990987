/* SPDX-License-Identifier: MIT */
/* Each attempt runs in a child that restricted itself to a directory of its own. */
#include "rights/landlock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char inside[PATH_MAX / 2], outside[PATH_MAX / 2];

static const char *file_in(const char *directory)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/file", directory);
	return path;
}

static void write_file(const char *directory)
{
	FILE *f = fopen(file_in(directory), "w");

	assert_non_null(f);
	fputs("text\n", f);
	fclose(f);
}

static int set_up(void **state)
{
	(void)state;
	strcpy(inside, "/tmp/mo-test-landlock-XXXXXX");
	strcpy(outside, "/tmp/mo-test-landlock-XXXXXX");
	if (!mkdtemp(inside) || !mkdtemp(outside))
		return -1;
	write_file(inside);
	write_file(outside);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	unlink(file_in(inside));
	unlink(file_in(outside));
	rmdir(inside);
	rmdir(outside);
	return 0;
}

static int attempt_from(int version, int (*what)(void))
{
	const char *paths[] = {"/nonexistent", inside};
	int status;
	pid_t child;

	if (landlock_version() < version)
		skip();
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || landlock_read_only(paths, 2))
			_exit(255);
		_exit(what());
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int tell(int rc)
{
	return rc < 0 ? errno : 0;
}

static int read_inside(void)
{
	return tell(open(file_in(inside), O_RDONLY));
}

static int list_inside(void)
{
	return tell(open(inside, O_RDONLY | O_DIRECTORY));
}

static int read_outside(void)
{
	return tell(open(file_in(outside), O_RDONLY));
}

static int write_inside(void)
{
	return tell(open(file_in(inside), O_WRONLY));
}

static int remove_inside(void)
{
	return tell(unlink(file_in(inside)));
}

static int look_outside(void)
{
	struct stat st;

	return tell(stat(file_in(outside), &st));
}

static int connect_to(uint16_t port)
{
	struct sockaddr_in address = {
	    .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	return tell(connect(fd, (struct sockaddr *)&address, sizeof(address)));
}

static int connect_to_a_database(void)
{
	return connect_to(5432);
}

/* Nobody may listen there: then it is refused by the peer, not by us. */
static int connect_to_a_name_server(void)
{
	int err = connect_to(53);

	return err == ECONNREFUSED ? 0 : err;
}

static int signal_the_parent(void)
{
	return tell(kill(getppid(), 0));
}

#define GETS(name, version, what, error)                              \
	static void name(void **state)                                \
	{                                                             \
		(void)state;                                          \
		assert_int_equal(attempt_from(version, what), error); \
	}

GETS(a_file_below_the_directory_can_be_read, 1, read_inside, 0)
GETS(the_directory_can_be_listed, 1, list_inside, 0)
GETS(a_file_elsewhere_cannot_be_read, 1, read_outside, EACCES)
GETS(a_file_elsewhere_can_be_looked_at, 1, look_outside, 0)
GETS(nothing_can_be_written, 1, write_inside, EACCES)
GETS(nothing_can_be_removed, 1, remove_inside, EACCES)
GETS(no_database_can_be_connected_to, 4, connect_to_a_database, EACCES)
GETS(name_servers_can_be_connected_to, 4, connect_to_a_name_server, 0)
GETS(no_other_process_can_be_signalled, 6, signal_the_parent, EPERM)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_file_below_the_directory_can_be_read),
	    cmocka_unit_test(the_directory_can_be_listed),
	    cmocka_unit_test(a_file_elsewhere_cannot_be_read),
	    cmocka_unit_test(a_file_elsewhere_can_be_looked_at),
	    cmocka_unit_test(nothing_can_be_written),
	    cmocka_unit_test(nothing_can_be_removed),
	    cmocka_unit_test(no_database_can_be_connected_to),
	    cmocka_unit_test(name_servers_can_be_connected_to),
	    cmocka_unit_test(no_other_process_can_be_signalled),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
