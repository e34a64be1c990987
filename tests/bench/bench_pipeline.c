/* SPDX-License-Identifier: MIT */
/*
 * What user space costs, without the kernel: records as the BPF programs write them, of pgbench's transaction
 * sent to a primary and a mirror, go through conns_event and all stages after it. Then memory and the tick
 * with many idle connections. Build and run with `make bench-pipeline`.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stages.h"

#define CLIENTS      8
#define TRANSACTIONS 500 /* built, then handed on, at a time */
#define PASSES       40

enum mode { SIMPLE, EXTENDED, PREPARED, MODES };
static const char *const mode_names[MODES] = {"simple", "extended", "prepared"};

/* ----------------------------------------------------------------------------------------------- messages */

/* The answer to one statement, in two receives: pgpool-II reads a message's head by itself. */
static void answer(struct tape *tape, struct socket *socket, const char *tag, char status, const char *before)
{
	struct message message = {.len = 0};

	for (; *before; before++)
		message_put(&message, *before, "", 0);
	if (*tag == 'S') {
		if (!message.len)
			message_put(&message, 'T', "\0\1abalance\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 29);
		message_put(&message, 'D',
			    "\0\1\0\0\0\3"
			    "123",
			    9);
	}
	message_put(&message, 'C', tag, strlen(tag) + 1);
	message_put(&message, 'Z', &status, 1);
	tape_data(tape, socket, DIRECTION_RECV, message.bytes, 5);
	tape_data(tape, socket, DIRECTION_RECV, message.bytes + 5, message.len - 5);
}

struct step {
	const char *simple, *prepared, *tag, *name;
};

static const struct step steps[] = {
    {"BEGIN;", "BEGIN;", "BEGIN", "P0"},
    {"UPDATE pgbench_accounts SET abalance = abalance + %d WHERE aid = %d;",
     "UPDATE pgbench_accounts SET abalance = abalance + $1 WHERE aid = $2;", "UPDATE 1", "P1"},
    {"SELECT abalance FROM pgbench_accounts WHERE aid = %2$d;",
     "SELECT abalance FROM pgbench_accounts WHERE aid = $1;", "SELECT 1", "P2"},
    {"UPDATE pgbench_tellers SET tbalance = tbalance + %d WHERE tid = %d;",
     "UPDATE pgbench_tellers SET tbalance = tbalance + $1 WHERE tid = $2;", "UPDATE 1", "P3"},
    {"UPDATE pgbench_branches SET bbalance = bbalance + %d WHERE bid = 7;",
     "UPDATE pgbench_branches SET bbalance = bbalance + $1 WHERE bid = $2;", "UPDATE 1", "P4"},
    {"INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (3, 7, %2$d, %1$d, "
     "CURRENT_TIMESTAMP);",
     "INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES ($1, $2, $3, $4, CURRENT_TIMESTAMP);",
     "INSERT 0 1", "P5"},
    {"END;", "END;", "COMMIT", "P6"},
};

#define STEPS (sizeof(steps) / sizeof(steps[0]))

static void send_parse(struct tape *tape, struct socket *socket, const struct step *step, const char *name)
{
	uint8_t body[512] = {0};
	size_t at = strlen(name) + 1, len = strlen(step->prepared) + 1;

	memcpy(body, name, at);
	memcpy(body + at, step->prepared, len);
	tape_send(tape, socket, 'P', body, at + len + 2);
}

static void send_bind(struct tape *tape, struct socket *socket, const char *name, int delta, int aid)
{
	uint8_t body[128] = {0};
	size_t at = 1 + strlen(name) + 1;
	int len;

	memcpy(body + 1, name, strlen(name));
	at += 2; /* formats */
	body[at + 1] = 2;
	at += 2;
	for (int i = 0; i < 2; i++) {
		len = sprintf((char *)body + at + 4, "%d", i ? aid : delta);
		body[at + 3] = len;
		at += 4 + len;
	}
	tape_send(tape, socket, 'B', body, at + 2);
}

static void run_step(struct tape *tape, struct socket *socket, enum mode mode, const struct step *step,
		     int delta, int aid)
{
	const char *name = mode == PREPARED ? step->name : "";
	char text[256];
	int len;

	if (mode == SIMPLE) {
		len = snprintf(text, sizeof(text), step->simple, delta, aid);
		tape_send(tape, socket, 'Q', text, len + 1);
	} else {
		if (mode == EXTENDED)
			send_parse(tape, socket, step, name);
		send_bind(tape, socket, name, delta, aid);
		tape_send(tape, socket, 'E', "\0\0\0\0", 5);
		tape_send(tape, socket, 'S', "", 0);
	}
	answer(tape, socket, step->tag, *step->tag == 'C' ? 'I' : 'T',
	       mode == SIMPLE     ? ""
	       : mode == EXTENDED ? "12"
				  : "2");
	tape->statements++;
}

static void prepare(struct tape *tape, struct socket *socket)
{
	struct message message = {.len = 0};

	for (size_t i = 0; i < STEPS; i++) {
		send_parse(tape, socket, &steps[i], steps[i].name);
		message_put(&message, '1', "", 0);
	}
	tape_send(tape, socket, 'S', "", 0);
	message_put(&message, 'Z', "I", 1);
	tape_data(tape, socket, DIRECTION_RECV, message.bytes, message.len);
}

/* --------------------------------------------------------------------------------------------- measurements
 */

static void run_load(enum mode mode)
{
	struct socket sockets[CLIENTS][2] = {0};
	const struct stats_cluster *stats;
	struct bench bench;
	double taken = 0;

	bench_begin(&bench, "off");
	for (int i = 0; i < CLIENTS * 2; i++) {
		struct socket *socket = &sockets[i / 2][i % 2];

		*socket = (struct socket){.id = i + 1, .pos = {1000, 2000}};
		tape_start(&bench.tape, socket, 1 + i % 2);
		if (mode == PREPARED)
			prepare(&bench.tape, socket);
	}
	bench_play(&bench);
	bench.tape.records = 0;
	for (int pass = 0; pass < PASSES; pass++) {
		for (int i = 0; i < TRANSACTIONS; i++) {
			int delta = rand() % 10000 - 5000, aid = rand() % 1000000;

			for (size_t step = 0; step < STEPS; step++)
				for (int side = 0; side < 2; side++)
					run_step(&bench.tape, &sockets[i % CLIENTS][side], mode, &steps[step],
						 delta, aid);
		}
		taken += bench_play(&bench);
	}
	stats = stats_cluster(bench.stats, "app");
	clusters_sync(bench.clusters);
	printf("%-10s %6.0f ns/statement %5.0f ns/record %6.2f records/statement   counted %s\n",
	       mode_names[mode], taken * 1e9 / bench.tape.statements, taken * 1e9 / bench.tape.records,
	       (double)bench.tape.records / bench.tape.statements,
	       bench_counted(&stats->primary) + bench_counted(&stats->mirror) == bench.tape.statements
		   ? "all"
		   : "NOT ALL");
	bench_end(&bench);
}

static long resident(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	long size, pages = 0;

	if (!file || fscanf(file, "%ld %ld", &size, &pages) != 2)
		abort();
	fclose(file);
	return pages * sysconf(_SC_PAGESIZE);
}

static void run_idle(uint32_t count, bool prepared)
{
	struct bench bench;
	long before;
	double taken;

	bench_begin(&bench, "off");
	before = resident();
	for (uint32_t i = 0; i < count; i++) {
		struct socket socket = {.id = i + 1, .pos = {1000, 2000}};

		tape_start(&bench.tape, &socket, 1 + i % 2);
		if (prepared)
			prepare(&bench.tape, &socket);
		for (size_t step = 0; step < STEPS; step++)
			run_step(&bench.tape, &socket, prepared ? PREPARED : SIMPLE, &steps[step], 1, 2);
		bench_play(&bench);
	}
	before = resident() - before;
	conns_tick(bench.conns, bench.tape.now, true); /* finds them quiet */
	taken = bench_seconds();
	for (int i = 0; i < 10; i++)
		conns_tick(bench.conns, bench.tape.now, true);
	taken = (bench_seconds() - taken) / 10;
	printf("%6u connections%s: %6.0f bytes each, conns_tick %6.0f us\n", count,
	       prepared ? " with 7 prepared statements" : "", (double)before / count, taken * 1e6);
	bench_end(&bench);
}

/* Each in a process of its own, so that none begins with memory that another has freed. */
int main(void)
{
	for (int run = 0; run < MODES + 3; run++) {
		pid_t child = fork();

		if (child) {
			waitpid(child, NULL, 0);
			continue;
		}
		if (run < MODES)
			run_load(run);
		else
			run_idle(run == MODES + 2 ? 50000 : 10000, run == MODES + 1);
		return 0;
	}
	return 0;
}
