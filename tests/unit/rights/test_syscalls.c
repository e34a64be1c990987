/* SPDX-License-Identifier: MIT */
/* Each attempt runs in a child that restricted itself: how the child ended tells. */
#include "rights/syscalls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define UNAVAILABLE 255

/* Returns 0 or the error number; a child that was killed returns minus the signal. */
static int attempt(int (*what)(void))
{
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || syscalls_restrict())
			_exit(UNAVAILABLE);
		_exit(what());
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	if (WIFSIGNALED(status))
		return -WTERMSIG(status);
	if (WEXITSTATUS(status) == UNAVAILABLE)
		skip();
	return WEXITSTATUS(status);
}

static int tell(long rc)
{
	return rc < 0 ? errno : 0;
}

static int run_program(void)
{
	char *argv[] = {"/bin/true", NULL};

	return tell(execv(argv[0], argv));
}

static int trace_another(void)
{
	return tell(ptrace(PTRACE_ATTACH, getppid(), NULL, NULL));
}

static int new_process(void)
{
	return tell(fork());
}

static int create_map(void)
{
	union bpf_attr attr = {
	    .map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};

	return tell(syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr)));
}

/* Allowed as a call; the descriptor is wrong. */
static int look_up_in_no_map(void)
{
	union bpf_attr attr = {.map_fd = -1};

	return tell(syscall(SYS_bpf, BPF_MAP_LOOKUP_ELEM, &attr, sizeof(attr)));
}

static int open_for_writing(void)
{
	return tell(open("/dev/null", O_WRONLY));
}

static int make_a_file(void)
{
	return tell(open("/tmp/mo-test-syscalls-must-not-exist", O_RDONLY | O_CREAT | O_EXCL, 0600));
}

static int open_for_reading(void)
{
	return tell(open("/proc/self/stat", O_RDONLY | O_CLOEXEC | O_NONBLOCK));
}

static int open_a_directory(void)
{
	return tell(open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

static int packet_socket(void)
{
	return tell(socket(AF_PACKET, SOCK_DGRAM, 0));
}

static int raw_socket(void)
{
	return tell(socket(AF_INET, SOCK_RAW, 1));
}

static int listen_again(void)
{
	return tell(listen(0, 1));
}

static int dns_socket(void)
{
	return tell(socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

static int map_code(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED
		   ? errno
		   : 0;
}

static int map_memory(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED
		   ? errno
		   : 0;
}

static int change_mode(void)
{
	return tell(chmod("/dev/null", 0600));
}

static int signal_another(void)
{
	return tell(kill(getppid(), 0));
}

static int raise_a_limit(void)
{
	struct rlimit limit = {0, 0};

	return tell(setrlimit(RLIMIT_CORE, &limit));
}

static int ask_a_limit(void)
{
	struct rlimit limit;

	return tell(getrlimit(RLIMIT_NOFILE, &limit));
}

static int give_up(void)
{
	abort();
}

#define IS_KILLED(name, what)                             \
	static void name(void **state)                    \
	{                                                 \
		(void)state;                              \
		assert_int_equal(attempt(what), -SIGSYS); \
	}
#define GETS(name, what, error)                         \
	static void name(void **state)                  \
	{                                               \
		(void)state;                            \
		assert_int_equal(attempt(what), error); \
	}

IS_KILLED(running_a_program_ends_the_process, run_program)
IS_KILLED(tracing_another_process_ends_the_process, trace_another)
GETS(a_new_process_is_refused, new_process, EPERM)
GETS(creating_a_map_is_refused, create_map, EPERM)
GETS(looking_up_in_an_open_map_is_allowed, look_up_in_no_map, EBADF)
GETS(opening_for_writing_is_refused, open_for_writing, EPERM)
GETS(making_a_file_is_refused, make_a_file, EPERM)
GETS(opening_for_reading_is_allowed, open_for_reading, 0)
GETS(opening_a_directory_is_allowed, open_a_directory, 0)
GETS(a_packet_socket_is_refused, packet_socket, EPERM)
GETS(a_raw_socket_is_refused, raw_socket, EPERM)
GETS(listening_on_another_socket_is_refused, listen_again, EPERM)
GETS(a_socket_to_a_name_server_is_allowed, dns_socket, 0)
GETS(mapping_code_is_refused, map_code, EPERM)
GETS(mapping_memory_is_allowed, map_memory, 0)
GETS(changing_a_file_s_mode_is_refused, change_mode, EPERM)
GETS(a_signal_to_another_process_is_refused, signal_another, EPERM)
GETS(changing_a_limit_is_refused, raise_a_limit, EPERM)
GETS(asking_for_a_limit_is_allowed, ask_a_limit, 0)
GETS(abort_still_ends_it, give_up, -SIGABRT)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(running_a_program_ends_the_process),
	    cmocka_unit_test(tracing_another_process_ends_the_process),
	    cmocka_unit_test(a_new_process_is_refused),
	    cmocka_unit_test(creating_a_map_is_refused),
	    cmocka_unit_test(looking_up_in_an_open_map_is_allowed),
	    cmocka_unit_test(opening_for_writing_is_refused),
	    cmocka_unit_test(making_a_file_is_refused),
	    cmocka_unit_test(opening_for_reading_is_allowed),
	    cmocka_unit_test(opening_a_directory_is_allowed),
	    cmocka_unit_test(a_packet_socket_is_refused),
	    cmocka_unit_test(a_raw_socket_is_refused),
	    cmocka_unit_test(listening_on_another_socket_is_refused),
	    cmocka_unit_test(a_socket_to_a_name_server_is_allowed),
	    cmocka_unit_test(mapping_code_is_refused),
	    cmocka_unit_test(mapping_memory_is_allowed),
	    cmocka_unit_test(changing_a_file_s_mode_is_refused),
	    cmocka_unit_test(a_signal_to_another_process_is_refused),
	    cmocka_unit_test(changing_a_limit_is_refused),
	    cmocka_unit_test(asking_for_a_limit_is_allowed),
	    cmocka_unit_test(abort_still_ends_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
