/* SPDX-License-Identifier: MIT */
/*
 * check_verdict - hunts false greens and false reds: plays random worlds, healthy and sick, against the
 * daemon's own decisions and prints how often each was judged wrongly. Exit status 1 where a limit is passed.
 *
 *   check_verdict [--sick N] [--healthy N] [--seed S] [--jobs J] [--world SEED [--sickness NAME]]
 */
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "play.h"

#define TOLD 5 /* worlds of each kind that are described */

struct tally {
	unsigned long worlds, ready, wrong, not_ready, late;
	double times; /* sum of first ready by what the evidence demands */
	double times_most;
	unsigned long statements;
	unsigned long told;
};

static struct tally *tallies; /* SICKNESS_COUNT + 1 for each job, shared with them */

static void tell(const struct world *w, const char *what, double when, const struct play_result *result)
{
	printf("world %llu (%s): %s at %.0f s\n%s", (unsigned long long)w->seed, sickness_names[w->sickness],
	       what, when, result->reasons);
	fflush(stdout);
}

static void count(struct tally *t, const struct world *w, const struct play_result *result)
{
	bool healthy = w->sickness == HEALTHY;
	bool wrong = !isnan(result->wrongly_ready_s);
	bool late = healthy && !(result->ready_s <= w->reset_at + 2 * w->demanded);

	t->worlds++;
	t->statements += result->statements;
	t->wrong += wrong;
	t->late += late;
	t->ready += !isnan(result->ready_s);
	t->not_ready += !isnan(result->wrongly_not_ready_s);
	if (healthy && !isnan(result->ready_s)) {
		double times = (result->ready_s - w->reset_at) / w->demanded;

		t->times += times;
		t->times_most = fmax(t->times_most, times);
	}
	if (t->told >= TOLD)
		return;
	if (wrong)
		tell(w, "READY", result->wrongly_ready_s, result);
	else if (healthy && !isnan(result->wrongly_not_ready_s))
		tell(w, "not_ready", result->wrongly_not_ready_s, result);
	else if (late)
		tell(w, "not ready in time", w->lasts, result);
	else
		return;
	t->told++;
}

static void play_some(struct tally *mine, unsigned long from, unsigned long to, unsigned long step,
		      uint64_t seed, bool sick)
{
	for (unsigned long i = from; i < to; i += step) {
		enum sickness sickness = sick ? (enum sickness)(i % SICKNESS_COUNT) : HEALTHY;
		struct play_result result;
		struct world world;

		world_compose(&world, seed + i, sickness);
		play(&world, false, &result);
		count(&mine[sickness], &world, &result);
	}
}

static bool run_jobs(unsigned long jobs, unsigned long healthy, unsigned long sick, uint64_t seed)
{
	bool fine = true;

	for (unsigned long job = 0; job < jobs; job++)
		if (fork() == 0) {
			struct tally *mine = &tallies[job * (SICKNESS_COUNT + 1)];

			play_some(mine, job, healthy, jobs, seed, false);
			play_some(mine, job, sick, jobs, seed, true);
			fflush(stdout);
			_exit(0);
		}
	for (unsigned long job = 0; job < jobs; job++) {
		int status;

		wait(&status);
		if (status)
			printf("a job ended with status %d\n", status);
		fine &= status == 0;
	}
	return fine;
}

static struct tally sum(unsigned long jobs, int sickness)
{
	struct tally all = {0};

	for (unsigned long job = 0; job < jobs; job++) {
		const struct tally *t = &tallies[job * (SICKNESS_COUNT + 1) + sickness];

		all.worlds += t->worlds;
		all.ready += t->ready;
		all.wrong += t->wrong;
		all.not_ready += t->not_ready;
		all.late += t->late;
		all.times += t->times;
		all.times_most = fmax(all.times_most, t->times_most);
		all.statements += t->statements;
	}
	return all;
}

/* True when all is within the limits. */
static bool print_table(unsigned long jobs)
{
	struct tally healthy = sum(jobs, HEALTHY);
	unsigned long wrong = 0, worlds = 0, statements = healthy.statements;

	printf("\n| what is the matter | worlds | ever ready | not_ready |\n|---|---|---|---|\n");
	for (int i = 0; i < SICKNESS_COUNT; i++) {
		struct tally t = sum(jobs, i);

		printf("| %s | %lu | %lu | %lu |\n", sickness_texts[i], t.worlds, t.wrong, t.not_ready);
		wrong += t.wrong;
		worlds += t.worlds;
		statements += t.statements;
	}
	printf("| all sick worlds | %lu | %lu | |\n", worlds, wrong);
	printf("\n%lu healthy worlds: %lu ready, %lu not within twice the time that the evidence takes (mean "
	       "%.2f, most %.2f "
	       "times), %lu ever not_ready; %lu statements in all\n",
	       healthy.worlds, healthy.ready, healthy.late,
	       healthy.ready ? healthy.times / healthy.ready : NAN, healthy.times_most, healthy.not_ready,
	       statements);
	return !wrong && !healthy.late && healthy.not_ready * 100 <= healthy.worlds;
}

static int show_one(uint64_t seed, const char *name)
{
	struct play_result result;
	struct world world;
	int sickness = HEALTHY;

	for (int i = 0; i <= SICKNESS_COUNT; i++)
		if (name && strcmp(name, sickness_names[i]) == 0)
			sickness = i;
	world_compose(&world, seed, sickness);
	printf("proxy %d, %u classes, which %u (%s), %u clients, %u tenants, %.0f requests/s, blocks %.2f, "
	       "exposure %.2f, drop "
	       "%.3f, speed %.2f, onset %.0f, pause %.3f, session %d, late %d, pooled %d, reset %.0f, reload "
	       "%.0f, demanded "
	       "%.0f s\n",
	       world.proxy, world.classes, world.which, world.class[world.which].text, world.clients,
	       world.tenants, world.rate, world.block_share, world.exposure, world.drop, world.mirror_speed,
	       world.onset, world.pause, world.session_set, world.late, world.pooled, world.reset_at,
	       world.reload_at, world.demanded);
	play(&world, true, &result);
	printf("first ready %.0f s, wrongly %.0f s, not ready %.0f s; %lu statements\n", result.ready_s,
	       result.wrongly_ready_s, result.wrongly_not_ready_s, result.statements);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"sick", 1, NULL, 's'},  {"healthy", 1, NULL, 'h'},
						{"seed", 1, NULL, 'r'},  {"jobs", 1, NULL, 'j'},
						{"world", 1, NULL, 'w'}, {"sickness", 1, NULL, 'n'},
						{NULL, 0, NULL, 0}};
	unsigned long sick = 100, healthy = 40, jobs = (unsigned long)sysconf(_SC_NPROCESSORS_ONLN);
	uint64_t seed = (uint64_t)getpid() * 2654435761u % 1000000, world = 0;
	const char *name = NULL;
	bool one = false;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		switch (option) {
		case 's':
			sick = strtoul(optarg, NULL, 10);
			break;
		case 'h':
			healthy = strtoul(optarg, NULL, 10);
			break;
		case 'r':
			seed = strtoull(optarg, NULL, 10);
			break;
		case 'j':
			jobs = strtoul(optarg, NULL, 10);
			break;
		case 'w':
			world = strtoull(optarg, NULL, 10);
			one = true;
			break;
		case 'n':
			name = optarg;
			break;
		default:
			return 2;
		}
	}
	if (one)
		return show_one(world, name);
	tallies = mmap(NULL, jobs * (SICKNESS_COUNT + 1) * sizeof(*tallies), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (tallies == MAP_FAILED || !jobs)
		return 2;
	printf("seed %llu\n", (unsigned long long)seed);
	fflush(stdout);
	return run_jobs(jobs, healthy, sick, seed) && print_table(jobs) ? 0 : 1;
}
