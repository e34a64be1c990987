/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "rights/syscalls.h"
#include "sql/parser.h"

#define LONGEST_TICK_US 10000 /* CONFIG_HZ=100 */

struct heard {
	unsigned int count;
	bool of_key[64];
	struct {
		uint64_t key, id;
		char text[64];
	} last;
};

static void on_answer(void *ctx, uint64_t key, const struct naming *naming)
{
	struct heard *heard = ctx;

	heard->count++;
	heard->of_key[key % 64] = true;
	heard->last.key = key;
	heard->last.id = naming->id;
	snprintf(heard->last.text, sizeof(heard->last.text), "%.63s", naming->text);
}

/* False when the process is gone before there were so many answers. */
static bool hear(struct parser *parser, struct heard *heard, unsigned int count)
{
	struct pollfd readable = {.fd = parser_fd(parser), .events = POLLIN};

	while (heard->count < count) {
		assert_int_equal(poll(&readable, 1, 20000), 1);
		if (!parser_collect(parser, on_answer, heard))
			return false;
	}
	return true;
}

static int ask(struct parser *parser, uint64_t key, const char *text)
{
	return parser_ask(parser, key, text, strlen(text));
}

/* As the daemon's worker is: nothing but read, write and exit. */
static int confine(void *ctx)
{
	(void)ctx;
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	return syscalls_restrict_worker();
}

static struct parser *start(uint64_t cpu_us)
{
	const struct parser_options options = {.confine_worker = confine, .cpu_us = cpu_us};
	struct parser *parser;

	assert_int_equal(parser_new(&parser, &options), 0);
	return parser;
}

/* The only child of a process; 0 while it has none. */
static pid_t child_of(pid_t parent)
{
	char path[64];
	int pid = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", parent, parent);
	f = fopen(path, "r");
	if (!f)
		return 0;
	if (fscanf(f, "%d", &pid) != 1)
		pid = 0;
	fclose(f);
	return pid;
}

/* Of the longest texts that are parsed, a slow one: 11 ms. */
static char *slow_text(void)
{
	char *text = malloc(NAMING_INPUT_MAX + 1);
	size_t at = (size_t)sprintf(text, "update a set b=1");

	while (at + 5 <= NAMING_INPUT_MAX)
		at += (size_t)sprintf(text + at, ",b=1");
	return text;
}

static void a_confined_worker_names_texts_of_every_size(void **state)
{
	struct parser *parser = start(0);
	struct heard heard = {0};
	char *text = slow_text();

	(void)state;
	assert_int_equal(ask(parser, 1, "select a from t where b = 'secret'"), 0);
	assert_true(hear(parser, &heard, 1));
	assert_int_equal(heard.last.key, 1);
	assert_int_not_equal(heard.last.id, 0);
	assert_string_equal(heard.last.text, "select a from t where b = $1");
	for (int i = 0; i < 20; i++)
		assert_int_equal(ask(parser, 2, text), 0);
	assert_true(hear(parser, &heard, 21));
	assert_int_not_equal(heard.last.id, 0);
	assert_int_equal(parser_deaths(parser), 0);
	free(text);
	parser_free(&parser);
}

static void asking_never_waits_and_what_is_queued_is_bounded(void **state)
{
	struct parser *parser = start(0);
	struct heard heard = {0};
	char *text = slow_text();
	unsigned int asked = 0;
	struct rusage before, after;
	int err = 0;

	(void)state;
	getrusage(RUSAGE_SELF, &before);
	for (; !err && asked < 1000; asked++)
		err = ask(parser, asked, text);
	getrusage(RUSAGE_SELF, &after);
	assert_int_equal(after.ru_nvcsw,
			 before.ru_nvcsw); /* it never gave up the processor of its own accord */
	assert_int_equal(err, -ENOBUFS);
	assert_in_range(asked, PARSER_QUEUE_MAX / 17000, PARSER_QUEUE_MAX / 16000 + 100);
	assert_true(hear(parser, &heard, 1));
	free(text);
	parser_free(&parser);
}

/* Whichever point of its work a worker dies at. */
static void a_worker_that_dies_is_replaced_and_every_text_answered(void **state)
{
	struct parser *parser = start(0);
	struct heard heard = {0};
	char *text = slow_text();

	(void)state;
	assert_int_equal(ask(parser, 0, "select 1"), 0);
	assert_true(hear(parser, &heard, 1)); /* it is there */
	for (unsigned int i = 0; parser_deaths(parser) < 5; i++) {
		uint64_t key = 2 * (i % 16) + 2;
		pid_t worker;

		while (!(worker = child_of(child_of(getpid()))))
			usleep(1000);
		assert_int_equal(ask(parser, key, text), 0);
		assert_int_equal(ask(parser, key + 1, "select b from t"), 0);
		usleep(i % 20 * 700);
		kill(worker, SIGKILL);
		while (!heard.of_key[key] || !heard.of_key[key + 1])
			assert_true(hear(parser, &heard, heard.count + 1));
		heard.of_key[key] = heard.of_key[key + 1] = false;
	}
	free(text);
	parser_free(&parser);
}

/* Processor time of another process, since it began. */
static uint64_t cpu_us_of(pid_t process)
{
	struct timespec used = {0};
	clockid_t clock;

	assert_int_equal(clock_getcpuclockid(process, &clock), 0);
	assert_int_equal(clock_gettime(clock, &used), 0);
	return (uint64_t)used.tv_sec * 1000000 + (uint64_t)used.tv_nsec / 1000;
}

static void a_text_that_takes_too_long_is_answered_as_one_without_a_name(void **state)
{
	struct parser *parser = start(1000); /* in fact the kernel's tick, 4 to 10 ms */
	struct heard heard = {0};
	char *text = slow_text();
	unsigned int i;

	(void)state;
	for (i = 1; i <= 1000 && !parser_deaths(parser); i++) {
		assert_int_equal(ask(parser, i, text), 0);
		assert_true(hear(parser, &heard, i));
	}
	/* In the worker's own time, as its limit is: it is polite (nice 10), by the wall's clock a text takes
	 * any time. */
	if (!parser_deaths(parser) && cpu_us_of(child_of(child_of(getpid()))) / i < LONGEST_TICK_US * 2) {
		print_message("skipped: no text takes two ticks of the kernel's clock on this processor\n");
		free(text);
		parser_free(&parser);
		skip();
	}
	assert_int_equal(parser_deaths(parser), 1);
	assert_int_equal(heard.last.id, 0);
	assert_string_equal(heard.last.text, "");
	assert_int_equal(ask(parser, 0, "select b from t"), 0);
	assert_true(hear(parser, &heard, heard.count + 1));
	assert_string_equal(heard.last.text, "select b from t");
	free(text);
	parser_free(&parser);
}

static void without_its_keeper_it_says_so(void **state)
{
	struct parser *parser = start(0);
	struct heard heard = {0};

	(void)state;
	assert_int_equal(ask(parser, 1, "select 1"), 0);
	assert_true(hear(parser, &heard, 1));
	assert_int_equal(kill(child_of(getpid()), SIGKILL), 0);
	assert_false(hear(parser, &heard, 2));
	assert_int_equal(ask(parser, 2, "select 2"), -EPIPE);
	parser_free(&parser);
}

static void nothing_is_left_of_it_when_the_daemon_is_killed(void **state)
{
	int report[2];
	pid_t daemon, keeper = 0;
	struct pollfd ended = {.events = POLLIN};
	char byte;

	(void)state;
	assert_int_equal(pipe(report), 0);
	daemon = fork();
	if (daemon == 0) {
		struct parser *parser = start(0);
		struct heard heard = {0};

		ask(parser, 1, "select 1");
		hear(parser, &heard, 1);
		keeper = child_of(getpid());
		if (write(report[1], &keeper, sizeof(keeper)) < 0)
			_exit(1);
		for (;;)
			pause();
	}
	close(report[1]);
	assert_int_equal(read(report[0], &keeper, sizeof(keeper)), sizeof(keeper));
	/* Not kill(keeper, 0): where nobody reaps orphans, as in many containers, a process that has ended
	 * stays there. */
	ended.fd = (int)syscall(SYS_pidfd_open, keeper, 0);
	assert_true(ended.fd >= 0);
	kill(daemon, SIGKILL);
	assert_int_equal(waitpid(daemon, NULL, 0), daemon);
	assert_int_equal(poll(&ended, 1, 10000), 1);
	close(ended.fd);
	assert_int_equal(read(report[0], &byte, 1), 0); /* nor does anything hold its pipe open */
	close(report[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_confined_worker_names_texts_of_every_size),
	    cmocka_unit_test(asking_never_waits_and_what_is_queued_is_bounded),
	    cmocka_unit_test(a_worker_that_dies_is_replaced_and_every_text_answered),
	    cmocka_unit_test(a_text_that_takes_too_long_is_answered_as_one_without_a_name),
	    cmocka_unit_test(without_its_keeper_it_says_so),
	    cmocka_unit_test(nothing_is_left_of_it_when_the_daemon_is_killed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
