/* SPDX-License-Identifier: MIT */
/* parser_process - the keeper and its worker: see parser.h. Neither logs anything: a text may hold anything.
 */
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sql/parser_internal.h"

#define REST_NS 10000000 /* before another worker is made */

enum { WORKER_DONE = 0, WORKER_UNCONFINED = 2, WORKER_OUT_OF_TIME = 3 };

/* Survives the worker: which question it is at. */
struct desk {
	volatile uint64_t serial; /* 0 = none */
};

static struct desk *desk;

/* ------------------------------------------------------------------------------------------- the worker */

/* Each cpu_us of CPU time. Still the same text: it has had its time. */
static void on_tick(int number)
{
	static uint64_t last;

	(void)number;
	if (desk->serial && desk->serial == last)
		_exit(WORKER_OUT_OF_TIME);
	last = desk->serial;
}

static void limit_time(uint64_t cpu_us)
{
	const struct itimerval each = {{cpu_us / 1000000, cpu_us % 1000000},
				       {cpu_us / 1000000, cpu_us % 1000000}};
	const struct sigaction action = {.sa_handler = on_tick, .sa_flags = SA_RESTART};

	sigaction(SIGPROF, &action, NULL);
	setitimer(ITIMER_PROF, &each, NULL);
	setpriority(PRIO_PROCESS, 0, 10); /* the daemon and the proxy come first */
}

/* All the memory that it will ever have, so that it need not ask for any. */
static void take_memory(void)
{
	void *heap;

	mallopt(M_MMAP_MAX, 0);
	mallopt(M_TRIM_THRESHOLD, 1 << 30);
	heap = malloc(PARSER_HEAP);
	__asm__ volatile("" : : "r"(heap) : "memory"); /* not to be optimised away */
	free(heap);
}

static void answer(int fd, const struct parser_question *question)
{
	struct parser_answer reply = {.key = question->key, .died = question->serial == desk->serial};

	desk->serial = question->serial;
	if (!reply.died)
		naming_of(question->text, question->len, &reply.naming);
	desk->serial = 0; /* in time: a tick before it is taken must not have it answered twice */
	if (write(fd, &reply, sizeof(reply)) != sizeof(reply))
		_exit(WORKER_DONE);
}

__attribute__((noreturn)) static void work(int fd, const struct parser_options *options)
{
	static struct parser_question question;
	ssize_t n;
	int err;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	take_memory();
	limit_time(options->cpu_us);
	err = options->confine_worker ? options->confine_worker(options->ctx) : 0;
	if (err && err != -EOPNOTSUPP)
		_exit(WORKER_UNCONFINED);
	/* Taken only once it is answered: whenever a worker dies, the next one finds the question, and on the
	 * desk whether it was this one that it died over. */
	while ((n = recv(fd, &question, sizeof(question), MSG_PEEK)) > 0) {
		if ((size_t)n >= PARSER_QUESTION_HEAD && question.len == (size_t)n - PARSER_QUESTION_HEAD)
			answer(fd, &question);
		if (read(fd, &question, sizeof(question)) < 0)
			break;
	}
	_exit(WORKER_DONE);
}

/* ------------------------------------------------------------------------------------------- the keeper */

static void rest(void)
{
	const struct timespec time = {0, REST_NS};

	nanosleep(&time, NULL);
}

/* Only the end of the daemon ends these: a terminal's interrupt and a service manager's signal go to all. */
static void set_signals(void)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
}

static void keep_only(int fd)
{
	if (fd > 0)
		close_range(0, fd - 1, 0);
	close_range(fd + 1, ~0U, 0);
}

void parser_keep(int fd, const struct parser_options *options)
{
	pid_t daemon = getppid(), worker;
	int status, err;

	set_signals();
	keep_only(fd);
	prctl(PR_SET_NAME, "observer-parser");
	setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0}); /* it would hold statements */
	desk = mmap(NULL, sizeof(*desk), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	err = options->confine_keeper ? options->confine_keeper(options->ctx) : 0;
	if (desk == MAP_FAILED || (err && err != -EOPNOTSUPP))
		_exit(1);
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* a change of account takes it back, so after that */
	for (;;) {
		if (getppid() != daemon)
			_exit(0);
		worker = fork();
		if (worker == 0)
			work(fd, options);
		if (worker < 0) {
			rest();
			continue;
		}
		while (waitpid(worker, &status, 0) < 0 && errno == EINTR)
			;
		if (WIFEXITED(status) && WEXITSTATUS(status) != WORKER_OUT_OF_TIME)
			_exit(WEXITSTATUS(status));
		rest();
	}
}
