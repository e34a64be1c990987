/* SPDX-License-Identifier: MIT */
/*
 * What result_checksum costs in user space, without the kernel: results of several sizes, from a primary and
 * a mirror, go through conns_event and all stages after it, the same records with the option off, ordered,
 * set and off once more. Build and run with `make bench-pipeline`, or alone with `make bench-results`.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stages.h"

#define CLIENTS    8
#define PASSES     201
#define TAPE_FILL  (1u << 20) /* the daemon is woken when so much of the ring is full */
#define RECEIVE    8192       /* what a PostgreSQL server sends at a time */
#define RESULT_MAX (4u << 20)
#define DIFFERENT  64 /* one result of so many is another on the mirror: proof that they are compared */

/* What is measured with the same records in turn; the second `off` shows the noise. */
enum checksum { OFF, ORDERED, SET, OFF_AGAIN, CHECKSUMS };
static const char *const checksum_names[CHECKSUMS] = {"off", "ordered", "set", "off"};

struct shape {
	uint32_t rows, bytes; /* of the one column of each */
};

static const struct shape shapes[] = {{1, 10}, {1, 100}, {100, 10}, {100, 100}, {10000, 100}, {100, 10000}};

struct comparison {
	struct bench benches[CHECKSUMS];
	struct socket sockets[CLIENTS][2];
	uint64_t pairs, different;
	double ns[CHECKSUMS][PASSES];    /* of a statement */
	double added[CHECKSUMS][PASSES]; /* to OFF of the same pass */
};

static uint8_t *put_head(uint8_t *at, char type, uint32_t len)
{
	uint32_t size = __builtin_bswap32(len + 4);

	*at = type;
	memcpy(at + 1, &size, 4);
	return at + 5;
}

/* Rows that all differ. */
static uint8_t *put_rows(uint8_t *at, const struct shape *shape, uint64_t serial)
{
	uint32_t len = __builtin_bswap32(shape->bytes);

	for (uint32_t i = 0; i < shape->rows; i++) {
		uint64_t number = serial << 16 | i;

		at = put_head(at, 'D', 6 + shape->bytes);
		memcpy(at, "\0\1", 2);
		memcpy(at + 2, &len, 4);
		memset(at + 6, 'x', shape->bytes);
		memcpy(at + 6, &number, sizeof(number));
		at += 6 + shape->bytes;
	}
	return at;
}

static void answer_rows(struct tape *tape, struct socket *socket, const struct shape *shape, uint64_t serial)
{
	static const char columns[2 + sizeof("value") + 18] = "\0\1value";
	static uint8_t result[RESULT_MAX];
	char tag[32];
	int len = snprintf(tag, sizeof(tag), "SELECT %u", shape->rows) + 1;
	uint8_t *at = put_head(result, 'T', sizeof(columns));

	if ((uint64_t)shape->rows * (shape->bytes + 11) + 128 > sizeof(result))
		abort();
	memcpy(at, columns, sizeof(columns));
	at = put_rows(at + sizeof(columns), shape, serial);
	at = put_head(at, 'C', len);
	memcpy(at, tag, len);
	at = put_head(at + len, 'Z', 1);
	*at++ = 'I';
	for (const uint8_t *from = result; from < at; from += RECEIVE)
		tape_data(tape, socket, DIRECTION_RECV, from, at - from < RECEIVE ? at - from : RECEIVE);
}

static void run_pair(struct comparison *comparison, struct tape *tape, const struct shape *shape)
{
	struct socket *sockets = comparison->sockets[comparison->pairs % CLIENTS];
	uint64_t serial = ++comparison->pairs;
	bool different = serial % DIFFERENT == 0;
	char text[128];
	int len = snprintf(text, sizeof(text), "SELECT value FROM documents WHERE id = %llu;",
			   (unsigned long long)serial);

	for (int side = 0; side < 2; side++) {
		tape_send(tape, &sockets[side], 'Q', text, len + 1);
		answer_rows(tape, &sockets[side], shape, side && different ? serial + 1 : serial);
	}
	tape->statements += 2;
	comparison->different += different;
}

/* The tape goes to each in turn, another one first each time. */
static void run_pass(struct comparison *comparison, struct tape *tape, const struct shape *shape, int pass)
{
	tape->used = tape->statements = 0;
	while (tape->used < TAPE_FILL)
		run_pair(comparison, tape, shape);
	for (int i = 0; i < CHECKSUMS; i++) {
		int which = (pass + i) % CHECKSUMS;
		struct bench *bench = &comparison->benches[which];

		comparison->ns[which][pass] = bench_replay(bench, tape) * 1e9 / tape->statements;
		clusters_tick(bench->clusters, tape->now);
	}
	for (int i = 0; i < CHECKSUMS; i++)
		comparison->added[i][pass] = comparison->ns[i][pass] - comparison->ns[OFF][pass];
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values)
{
	qsort(values, PASSES, sizeof(*values), by_size);
	return values[PASSES / 2];
}

/* All statements were compared, and those that differ were found where they are looked for. */
static bool compared_all(const struct comparison *comparison, int which)
{
	const struct bench *bench = &comparison->benches[which];
	const struct stats_cluster *stats = stats_cluster(bench->stats, "app");
	bool checked = which == ORDERED || which == SET;

	clusters_sync(bench->clusters);
	return bench_counted(&stats->primary) + bench_counted(&stats->mirror) == comparison->pairs * 2 &&
	       stats->compared.value == comparison->pairs &&
	       stats->divergences.result == (checked ? comparison->different : 0);
}

static void print_results(struct comparison *comparison, const struct shape *shape)
{
	double kilobytes = (double)shape->rows * shape->bytes / 1000;

	for (int i = 0; i < CHECKSUMS; i++) {
		double added = median(comparison->added[i]);

		printf("%5u rows of %5u bytes, %-9s %8.0f ns/statement", shape->rows, shape->bytes,
		       i == OFF_AGAIN ? "off again" : checksum_names[i], median(comparison->ns[i]));
		if (i != OFF)
			printf(" added %+8.0f, %+6.1f a row, %+6.1f a kB", added, added / shape->rows,
			       added / kilobytes);
		printf("%s\n", compared_all(comparison, i) ? "" : "   NOT ALL COMPARED");
	}
}

static void run_results(const struct shape *shape)
{
	static struct comparison comparison;
	struct tape *tape = &comparison.benches[0].tape;

	for (int i = 0; i < CHECKSUMS; i++)
		bench_begin(&comparison.benches[i], checksum_names[i]);
	for (int i = 0; i < CLIENTS * 2; i++) {
		struct socket *socket = &comparison.sockets[i / 2][i % 2];

		*socket = (struct socket){.id = i + 1, .pos = {1000, 2000}};
		tape_start(tape, socket, 1 + i % 2);
	}
	for (int i = 0; i < CHECKSUMS; i++)
		bench_replay(&comparison.benches[i], tape);
	for (int pass = 0; pass < PASSES; pass++)
		run_pass(&comparison, tape, shape, pass);
	print_results(&comparison, shape);
	for (int i = 0; i < CHECKSUMS; i++)
		bench_end(&comparison.benches[i]);
}

/* Each in a process of its own, so that none begins with memory that another has freed. */
int main(void)
{
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		pid_t child = fork();

		if (!child) {
			run_results(&shapes[i]);
			return 0;
		}
		waitpid(child, NULL, 0);
	}
	return 0;
}
