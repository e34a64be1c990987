/* SPDX-License-Identifier: MIT */
/*
 * What matching costs: nanoseconds for each statement (sent and answered, both sides together count as two)
 * and bytes of memory, for a few shapes of load. Build and run with `make bench-match`. An argument divides
 * the number of statements: `valgrind --tool=callgrind build/bench/bench_match 20` counts instructions.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "match/match.h"

struct load {
	const char *name;
	unsigned hot_percent; /* statements with one of `hot` keys */
	unsigned hot;
	unsigned mirrored_percent;
	uint32_t lag; /* statements by which the mirror is behind */
	uint64_t statements;
};

static const struct load loads[] = {
    {"unique keys, mirror close behind", 0, 1, 100, 100, 2000000},
    {"unique keys, 3 s behind at 100,000/s", 0, 1, 100, 300000, 3000000},
    {"a tenth mirrored, horizon full", 0, 1, 10, 300, 6000000},
    {"30 % of 50 hot keys, half mirrored", 30, 50, 50, 300, 2000000},
    {"only 50 hot keys", 100, 50, 100, 3000, 2000000},
    {"only 5,000 hot keys", 100, 5000, 100, 3000, 2000000},
};

static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

static uint64_t key_of(const struct load *load, uint64_t i)
{
	uint64_t random = mix(i + 1);

	return random % 100 < load->hot_percent ? mix(random / 100 % load->hot + 1) : mix(i + 1000000000);
}

static void send_and_answer(struct match *match, struct match_connection *connection, uint64_t serial,
			    uint64_t key, uint64_t now)
{
	struct session_query query = {.serial = serial, .sent_ns = now, .key = {key, 0}, .keyed = true};

	match_sent(match, connection, &query, 0);
	query.done_ns = now + 100000;
	match_answered(match, connection, &query, 0);
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void run(const struct load *load, uint64_t statements)
{
	struct match_options options = {0};
	struct match_sink sink = {0};
	struct match_connection primary, mirror;
	struct match *match;
	uint64_t now = 1000000000000ull, events = 0;
	double begin, taken, asked = 0;
	unsigned asks = 0;

	if (match_new(&match, &options, &sink) != 0)
		abort();
	match_open(match, &primary, MATCH_PRIMARY, 0);
	match_open(match, &mirror, MATCH_MIRROR, 0);
	begin = seconds();
	for (uint64_t i = 0; i < statements; i++, now += 10000, events++) {
		send_and_answer(match, &primary, i + 1, key_of(load, i), now);
		if (i >= load->lag && mix(i - load->lag) % 100 < load->mirrored_percent) {
			send_and_answer(match, &mirror, i + 1, key_of(load, i - load->lag), now + 1);
			events++;
		}
		if (i % 10000 == 0) {
			double before = seconds();

			match_tick(match, now);
			if (match_depth(match, now) < 0)
				abort();
			asked += seconds() - before;
			asks++;
		}
	}
	taken = seconds() - begin;
	printf("%-40s %5.0f ns/statement  tick and depth %6.0f us  %8u entries  %6.1f MiB\n", load->name,
	       taken * 1e9 / (double)events, asked * 1e6 / asks, match_entries(match),
	       (double)match_bytes(match) / 1048576.0);
	match_free(&match);
}

int main(int argc, char **argv)
{
	uint64_t part = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;

	for (size_t i = 0; i < sizeof(loads) / sizeof(loads[0]); i++)
		run(&loads[i], loads[i].statements / (part ? part : 1));
	return 0;
}
