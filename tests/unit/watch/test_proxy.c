/* SPDX-License-Identifier: MIT */
/* On the real /proc: this test program is the "proxy". */
#include "watch/proxy.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "watch/cgroup.h"
#include "watch/exe.h"
#include "watch/mounts.h"

static bool found(const struct config_proxy *config, pid_t pid)
{
	struct proxy *proxy;
	pid_t pids[4096];
	size_t count;
	bool there = false;

	assert_int_equal(proxy_new(&proxy, config), 0);
	count = proxy_find(proxy, pids, 4096);
	for (size_t i = 0; i < count && i < 4096; i++)
		there |= pids[i] == pid;
	proxy_free(&proxy);
	assert_null(proxy);
	return there;
}

static char *own_exe(void)
{
	static char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

	assert_true(n > 0);
	path[n] = '\0';
	return path;
}

/* A child that waits; *end lets it go. */
static pid_t start_child(int *end)
{
	int fds[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		close(fds[1]);
		_exit(read(fds[0], &byte, 1) < 0);
	}
	close(fds[0]);
	*end = fds[1];
	return pid;
}

static void end_child(pid_t pid, int end)
{
	close(end);
	waitpid(pid, NULL, 0);
}

static void a_process_is_found_by_its_name(void **state)
{
	(void)state;
	prctl(PR_SET_NAME, "mo (test) x");
	assert_true(found(&(struct config_proxy){.comm = "mo (test) x"}, getpid()));
	assert_false(found(&(struct config_proxy){.comm = "mo (test)"}, getpid()));
}

static void a_process_is_found_by_its_executable_also_through_a_link(void **state)
{
	char link[] = "/tmp/mo-test-proxy-XXXXXX";

	(void)state;
	assert_true(found(&(struct config_proxy){.exe = own_exe()}, getpid()));
	assert_false(found(&(struct config_proxy){.exe = "/bin/sh"}, getpid()));
	assert_non_null(mkdtemp(link));
	rmdir(link);
	assert_int_equal(symlink(own_exe(), link), 0);
	assert_true(found(&(struct config_proxy){.exe = link}, getpid()));
	unlink(link);
}

static void a_pid_stands_for_the_process_and_its_children(void **state)
{
	int end;
	pid_t child = start_child(&end);

	(void)state;
	assert_true(found(&(struct config_proxy){.pid = getpid()}, getpid()));
	assert_true(found(&(struct config_proxy){.pid = getpid()}, child));
	assert_false(found(&(struct config_proxy){.pid = child}, getpid()));
	end_child(child, end);
	assert_false(found(&(struct config_proxy){.pid = child}, child));
}

/* A child with that number, or -1 when we may not choose it. */
static pid_t start_child_as(pid_t number, int *end)
{
	struct clone_args args = {
	    .exit_signal = SIGCHLD, .set_tid = (uint64_t)(uintptr_t)&number, .set_tid_size = 1};
	int fds[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	*end = fds[1];
	pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0) {
		close(fds[1]);
		_exit(read(fds[0], &byte, 1) < 0);
	}
	close(fds[0]);
	return pid;
}

static void another_process_that_gets_its_number_is_not_the_proxy_even_after_a_reload(void **state)
{
	struct proxy *proxy, *reloaded;
	struct config_proxy config;
	pid_t child, other;
	int end;

	(void)state;
	child = start_child(&end);
	config = (struct config_proxy){.pid = (uint32_t)child};
	assert_int_equal(proxy_new(&proxy, &config), 0);
	assert_false(proxy_refresh(proxy));
	assert_int_equal(proxy_identity(proxy)->pid, child);
	end_child(child, end);
	usleep(20000); /* two ticks: the clock by which the next one is told apart */
	other = start_child_as(child, &end);
	if (other != child) {
		print_message("choosing the number of a process needs CAP_CHECKPOINT_RESTORE: not tried\n");
		proxy_free(&proxy);
		close(end);
		skip();
	}
	assert_true(proxy_refresh(proxy));
	assert_int_equal(proxy_identity(proxy)->pid, PROXY_NO_PID);
	assert_int_equal(proxy_find(proxy, NULL, 0), 0);
	assert_int_equal(proxy_new(&reloaded, &config), 0);
	proxy_inherit(reloaded, proxy);
	assert_int_equal(proxy_find(reloaded, NULL, 0), 0);
	assert_false(proxy_refresh(reloaded));
	proxy_free(&reloaded);
	proxy_free(&proxy);
	end_child(other, end);
}

static void a_process_that_has_ended_is_noticed(void **state)
{
	struct config_proxy config;
	struct proxy *proxy;
	pid_t child;
	int end;

	(void)state;
	child = start_child(&end);
	config = (struct config_proxy){.pid = (uint32_t)child};
	assert_int_equal(proxy_new(&proxy, &config), 0);
	end_child(child, end);
	assert_true(proxy_refresh(proxy));
	assert_int_equal(proxy_identity(proxy)->pid, PROXY_NO_PID);
	assert_false(proxy_refresh(proxy)); /* said once */
	proxy_free(&proxy);
}

static void all_selectors_that_are_given_must_hold(void **state)
{
	(void)state;
	prctl(PR_SET_NAME, "mo-test");
	assert_true(found(&(struct config_proxy){.comm = "mo-test", .exe = own_exe()}, getpid()));
	assert_false(found(&(struct config_proxy){.comm = "other", .exe = own_exe()}, getpid()));
	assert_false(found(&(struct config_proxy){.comm = "mo-test", .exe = "/bin/sh"}, getpid()));
	assert_false(found(&(struct config_proxy){.comm = "mo-test", .cgroup = "no/such/group"}, getpid()));
}

static void the_device_of_an_executable_is_the_one_its_mount_has(void **state)
{
	struct exe exe;
	struct stat st;

	(void)state;
	assert_int_equal(exe_open("/proc/self/exe", &exe), 0);
	assert_int_equal(stat("/proc/self/exe", &st), 0);
	assert_int_equal(exe.ino, st.st_ino);
	assert_int_equal(exe.st_dev, st.st_dev);
	assert_true(exe.s_dev > 0);
	exe_close(&exe);
	assert_int_equal(exe.ino, 0);
}

static void what_is_no_executable_is_refused_with_the_reason(void **state)
{
	struct exe exe;

	(void)state;
	assert_int_equal(exe_open("/nonexistent", &exe), -ENOENT);
	assert_int_equal(exe_open("/tmp", &exe), -EISDIR);
	assert_int_equal(exe_open("/etc/passwd", &exe), -EACCES);
	assert_int_equal(exe_open("/dev/null", &exe), -EACCES);
}

static void an_executable_may_be_installed_later_and_is_noticed_when_replaced(void **state)
{
	char directory[] = "/tmp/mo-test-proxy-XXXXXX", path[64], other[64];
	struct config_proxy config = {.exe = path};
	uint64_t first;
	struct proxy *proxy;

	(void)state;
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/exe", directory);
	snprintf(other, sizeof(other), "%s/new", directory);
	assert_int_equal(proxy_new(&proxy, &config), 0);
	assert_true(proxy_identity(proxy)->by_exe);
	assert_int_equal(proxy_identity(proxy)->exe_ino, 0);
	assert_int_equal(proxy_find(proxy, NULL, 0), 0);

	close(open(path, O_CREAT | O_WRONLY, 0755));
	assert_true(proxy_refresh(proxy));
	assert_false(proxy_refresh(proxy));
	first = proxy_identity(proxy)->exe_ino;
	assert_true(first != 0);

	close(open(other, O_CREAT | O_WRONLY, 0755));
	assert_int_equal(rename(other, path), 0);
	assert_true(proxy_refresh(proxy));
	assert_true(proxy_identity(proxy)->exe_ino != first);

	unlink(path);
	assert_false(proxy_refresh(proxy)); /* what was there may still run */
	proxy_free(&proxy);
	rmdir(directory);
}

static pid_t start_copy(const char *path)
{
	pid_t pid = fork();

	if (pid == 0) {
		execl(path, path, "60", NULL);
		_exit(127);
	}
	/* Until it has become the copy. */
	for (char link[64], target[64] = ""; strcmp(target, path) != 0; usleep(1000)) {
		snprintf(link, sizeof(link), "/proc/%d/exe", pid);
		ssize_t n = readlink(link, target, sizeof(target) - 1);
		target[n > 0 ? n : 0] = '\0';
	}
	return pid;
}

static void replace_by_a_copy(const char *path, const char *directory)
{
	char command[256];

	snprintf(command, sizeof(command), "cp /bin/sleep %s/new && mv %s/new %s", directory, directory,
		 path);
	assert_int_equal(system(command), 0);
}

static void a_replaced_executable_counts_with_the_one_before_also_after_a_reload(void **state)
{
	char directory[] = "/tmp/mo-test-proxy-XXXXXX", path[64];
	struct config_proxy config = {.exe = path};
	struct proxy *proxy, *reloaded;
	const struct proxy_identity *id;
	uint64_t first, second;
	pid_t old, new_;

	(void)state;
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/exe", directory);
	replace_by_a_copy(path, directory);
	old = start_copy(path);
	assert_int_equal(proxy_new(&proxy, &config), 0);
	first = proxy_identity(proxy)->exe_ino;
	assert_int_equal(proxy_identity(proxy)->exe_before_ino, 0);
	replace_by_a_copy(path, directory);
	assert_true(proxy_refresh(proxy));
	assert_false(proxy_refresh(proxy));
	second = proxy_identity(proxy)->exe_ino;
	assert_true(second != first);
	new_ = start_copy(path);
	assert_int_equal(proxy_new(&reloaded, &config), 0);
	proxy_inherit(reloaded, proxy);
	proxy_free(&proxy);
	id = proxy_identity(reloaded);
	assert_int_equal(id->exe_ino, second);
	assert_int_equal(id->exe_before_ino, first);
	assert_int_equal(id->exe_before_dev, id->exe_dev);
	assert_int_equal(proxy_find(reloaded, NULL, 0), 2);
	kill(old, SIGKILL);
	waitpid(old, NULL, 0);
	kill(new_, SIGKILL);
	waitpid(new_, NULL, 0);
	proxy_free(&reloaded);
	unlink(path);
	rmdir(directory);
}

/* Else another program might come by it, and be taken for the proxy. */
static void the_inode_of_a_replaced_executable_is_not_given_to_another_file(void **state)
{
	char directory[] = "/tmp/mo-test-proxy-XXXXXX", path[64], other[64];
	struct config_proxy config = {.exe = path};
	struct proxy *proxy;
	struct stat st;

	(void)state;
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/exe", directory);
	replace_by_a_copy(path, directory);
	assert_int_equal(proxy_new(&proxy, &config), 0);
	replace_by_a_copy(path, directory);
	assert_true(proxy_refresh(proxy));
	for (int i = 0; i < 100; i++) {
		snprintf(other, sizeof(other), "%s/%d", directory, i);
		close(open(other, O_CREAT | O_WRONLY, 0755));
		assert_int_equal(stat(other, &st), 0);
		assert_true(st.st_ino != proxy_identity(proxy)->exe_before_ino);
		unlink(other);
	}
	proxy_free(&proxy);
	unlink(path);
	rmdir(directory);
}

static bool is_cgroup2(void *ctx, const struct mount *mount)
{
	if (strcmp(mount->type, "cgroup2") != 0)
		return false;
	snprintf(ctx, 256, "%s", mount->path);
	return true;
}

static void a_cgroup_is_found_by_both_ways_to_write_it_and_gets_a_new_id_when_made_anew(void **state)
{
	char mount[256], directory[300], file[320], whole[310], name[64], relative[32];
	struct config_proxy config = {.cgroup = relative}, by_path = {.cgroup = whole};
	struct proxy *proxy;
	uint64_t id, other;
	int end, fd;
	pid_t child;

	(void)state;
	snprintf(relative, sizeof(relative), "mo-test-%d", getpid());
	if (mounts_walk(is_cgroup2, mount) != 1) {
		print_message("skipped: no cgroup2 file system is mounted\n");
		skip();
	}
	snprintf(directory, sizeof(directory), "%s/%s", mount, relative);
	snprintf(whole, sizeof(whole), "%s/", directory);
	assert_int_equal(proxy_new(&proxy, &config), 0);
	assert_int_equal(proxy_identity(proxy)->cgroup_id, 0);
	if (mkdir(directory, 0755)) {
		proxy_free(&proxy);
		print_message("skipped: no cgroup can be made: %s\n", strerror(errno));
		skip();
	}
	child = start_child(&end);
	snprintf(file, sizeof(file), "%s/cgroup.procs", directory);
	fd = open(file, O_WRONLY);
	assert_true(dprintf(fd, "%d\n", child) > 0);
	close(fd);

	assert_true(proxy_refresh(proxy));
	assert_int_equal(proxy_find(proxy, NULL, 0), 1);
	assert_true(found(&by_path, child));
	assert_false(found(&by_path, getpid()));
	assert_int_equal(cgroup_look_up(whole, name, sizeof(name), &id), 0);
	assert_int_equal(id, proxy_identity(proxy)->cgroup_id);
	assert_true(cgroup_has_process("/", child));

	end_child(child, end);
	assert_int_equal(rmdir(directory), 0);
	assert_true(proxy_refresh(proxy));
	assert_int_equal(proxy_identity(proxy)->cgroup_id, 0);
	assert_int_equal(mkdir(directory, 0755), 0);
	assert_true(proxy_refresh(proxy));
	other = proxy_identity(proxy)->cgroup_id;
	assert_true(other != 0 && other != id);
	rmdir(directory);
	proxy_free(&proxy);
}

static void a_cgroup_path_cannot_leave_the_mount(void **state)
{
	char name[64];
	uint64_t id;

	(void)state;
	assert_int_equal(cgroup_look_up("../../etc", name, sizeof(name), &id), -EINVAL);
	assert_int_equal(cgroup_look_up("a/../../b", name, sizeof(name), &id), -EINVAL);
	assert_int_equal(cgroup_look_up("a/..", name, sizeof(name), &id), -EINVAL);
}

static void the_selectors_are_described_for_people(void **state)
{
	struct config_proxy config = {.comm = "pgdog", .pid = 12, .cgroup = "a/b"};
	struct proxy *proxy;
	char text[128];

	(void)state;
	assert_int_equal(proxy_new(&proxy, &config), 0);
	assert_string_equal(proxy_describe(proxy, text, sizeof(text)),
			    "comm pgdog and pid 12 and cgroup a/b");
	proxy_free(&proxy);
}

static int quiet(void **state)
{
	(void)state;
	log_set_level(LOG_LEVEL_ERROR);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_process_is_found_by_its_name),
	    cmocka_unit_test(a_process_is_found_by_its_executable_also_through_a_link),
	    cmocka_unit_test(a_pid_stands_for_the_process_and_its_children),
	    cmocka_unit_test(another_process_that_gets_its_number_is_not_the_proxy_even_after_a_reload),
	    cmocka_unit_test(a_process_that_has_ended_is_noticed),
	    cmocka_unit_test(all_selectors_that_are_given_must_hold),
	    cmocka_unit_test(the_device_of_an_executable_is_the_one_its_mount_has),
	    cmocka_unit_test(what_is_no_executable_is_refused_with_the_reason),
	    cmocka_unit_test(an_executable_may_be_installed_later_and_is_noticed_when_replaced),
	    cmocka_unit_test(a_replaced_executable_counts_with_the_one_before_also_after_a_reload),
	    cmocka_unit_test(the_inode_of_a_replaced_executable_is_not_given_to_another_file),
	    cmocka_unit_test(a_cgroup_is_found_by_both_ways_to_write_it_and_gets_a_new_id_when_made_anew),
	    cmocka_unit_test(a_cgroup_path_cannot_leave_the_mount),
	    cmocka_unit_test(the_selectors_are_described_for_people),
	};

	return cmocka_run_group_tests_name("proxy", tests, quiet, NULL);
}
