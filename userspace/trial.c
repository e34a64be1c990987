/* SPDX-License-Identifier: MIT */
#include "trial.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/loop.h"
#include "config/options.h"
#include "observation.h"

#define LOOK_US       250000
#define NOFILE_ENOUGH 1024
#define PAIRS_CLEAR   20 /* of a cluster: then its sides are what they are said to be, or not */

struct trial {
	const struct config *config;
	struct loop *loop;
	struct stats *stats;
	struct threshold *threshold;
	struct observation *observation;
	uint64_t begun_us, max_us;
	bool reads_tls;
	trial_look *look;
	void *look_ctx;
	void (*print)(void *ctx, const char *line);
	void *ctx;
};

__attribute__((format(printf, 2, 3))) static void say(const struct trial *trial, const char *format, ...)
{
	char line[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	trial->print(trial->ctx, line);
}

/* ----------------------------------------------------------------------------------------------- watching */

static bool is_clear(void *ctx, struct observation *observation)
{
	(void)ctx;
	const struct inspection *inspection = observation_inspection(observation);
	struct clusters *clusters = observation_clusters(observation);

	if (diagnosis_is_wrong(inspection_diagnosis(inspection)) || !inspection_processes(inspection))
		return true;
	for (size_t i = 0; i < clusters_count(clusters); i++) {
		if (twins_order(clusters_twins(clusters, i)).pairs < PAIRS_CLEAR)
			return false;
	}
	return true;
}

static void on_time(void *ctx, uint32_t what)
{
	struct trial *trial = ctx;

	(void)what;
	observation_sync(trial->observation);
	if (observation_inspect(trial->observation, false))
		loop_stop(trial->loop, EXIT_HOST);
	else if (trial->look(trial->look_ctx, trial->observation) ||
		 observation_now_us() >= trial->begun_us + trial->max_us)
		loop_stop(trial->loop, EXIT_OK);
}

static int set_up(struct trial *trial)
{
	const char *names[CONFIG_CLUSTERS_MAX];
	const struct stats_options options = {.max_clusters = trial->config->max_clusters,
					      .names = names,
					      .name_count = trial->config->cluster_count};
	int err = loop_new(&trial->loop);

	for (size_t i = 0; i < trial->config->cluster_count; i++)
		names[i] = trial->config->clusters[i].name;
	if (!err)
		err = stats_open(&trial->stats, &options);
	if (!err)
		err = threshold_new(&trial->threshold, NULL, NULL);
	if (!err)
		err = observation_new(&trial->observation, trial->loop, trial->stats, trial->threshold, NULL,
				      trial->config);
	return err ? err : loop_add_timer(trial->loop, LOOK_US, LOOK_US, on_time, trial, NULL);
}

/* ----------------------------------------------------------------------------------------- what was found */

static void name_role(const struct trial *trial, const struct diagnosis_group *group, char *out, size_t size)
{
	struct role role = observation_role(trial->observation, group);

	if (role.ambiguous)
		snprintf(out, size, "its database is not known, so it could be several things");
	else if (role.target == TARGET_NONE)
		snprintf(out, size, "of no cluster: %s",
			 *group->database ? "the configuration does not name that address and database"
					  : "the configuration does not name that address");
	else
		snprintf(out, size, "%s of %s%s", role.target == TARGET_PRIMARY ? "primary" : "mirror",
			 trial->config->clusters[__builtin_ctzll(role.clusters)].name,
			 role.clusters & (role.clusters - 1) ? " and others" : "");
}

static void print_connections(const struct trial *trial)
{
	size_t count;
	const struct diagnosis_group *groups =
	    inspection_groups(observation_inspection(trial->observation), &count);
	char remote[ADDRESS_TEXT_MAX], role[256];

	for (size_t i = 0; i < count; i++) {
		const struct diagnosis_group *group = &groups[i];

		if (!group->found.of_proxy)
			continue;
		name_role(trial, group, role, sizeof(role));
		say(trial, "connections: %llu of %.15s to %s, %s%s%s: %s", (unsigned long long)group->count,
		    group->found.comm, diagnosis_remote(&group->found, remote),
		    *group->database ? "database " : "database not known", group->database,
		    group->found.is_mptcp        ? ", Multipath TCP"
		    : group->found.is_redirected ? ", redirected by a sockmap"
						 : "",
		    role);
	}
}

static void print_side(const struct trial *trial, const char *cluster, const char *side,
		       const struct stats_target *stats)
{
	const struct stats_STATE *c = &stats->connections;

	say(trial,
	    "cluster %s: %s: %llu connections that can be read, %llu that are encrypted, %llu not yet told",
	    cluster, side, (unsigned long long)c->plain, (unsigned long long)c->encrypted,
	    (unsigned long long)c->resyncing);
}

static void print_sides(const struct trial *trial)
{
	struct clusters *clusters = observation_clusters(trial->observation);

	for (size_t i = 0; i < clusters_count(clusters); i++) {
		print_side(trial, trial->config->clusters[i].name, "primary",
			   &clusters_stats(clusters, i)->primary);
		print_side(trial, trial->config->clusters[i].name, "mirror",
			   &clusters_stats(clusters, i)->mirror);
	}
}

/* The kernel's records carry its own clock; a time namespace may have another (time_namespaces(7)). */
static void print_clock(const struct trial *trial)
{
	FILE *f = fopen("/proc/self/timens_offsets", "re");
	char clock[32];
	long long seconds, nanoseconds;

	while (f && fscanf(f, "%31s %lld %lld", clock, &seconds, &nanoseconds) == 3)
		if (strcmp(clock, "monotonic") == 0 && (seconds || nanoseconds))
			say(trial,
			    "clock: the observer is in a time namespace that is %lld s off: start it outside "
			    "of it",
			    seconds);
	if (f)
		fclose(f);
}

static void print_limits(const struct trial *trial)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0)
		say(trial, "nofile: %llu open files are allowed%s", (unsigned long long)files.rlim_cur,
		    files.rlim_cur < NOFILE_ENOUGH ? "; 1024 are needed to answer 512 clients at once" : "");
}

static int report(const struct trial *trial)
{
	const struct diagnosis *diagnosis = inspection_diagnosis(observation_inspection(trial->observation));
	int status = EXIT_OK;

	print_clock(trial);
	print_limits(trial);
	print_connections(trial);
	if (inspection_processes(observation_inspection(trial->observation)))
		print_sides(trial);
	for (size_t i = 0; i < diagnosis->count; i++) {
		const struct diagnosis_finding *finding = &diagnosis->findings[i];
		bool older = finding->kind == DIAGNOSIS_ENCRYPTED && trial->reads_tls;

		say(trial, "%s: %s", finding->wrong && !older ? "wrong" : "warning", finding->text);
		if (finding->wrong && !older)
			status = EXIT_NOT_OK;
	}
	return status;
}

static void tear_down(struct trial *trial)
{
	observation_free(&trial->observation);
	threshold_free(&trial->threshold);
	stats_free(&trial->stats);
	loop_free(&trial->loop);
}

int trial_run(const struct config *config, uint64_t max_us, trial_look *look, void *ctx)
{
	struct trial trial = {.config = config,
			      .begun_us = observation_now_us(),
			      .max_us = max_us,
			      .look = look,
			      .look_ctx = ctx};
	int status = set_up(&trial) ? EXIT_HOST : loop_run(trial.loop);

	tear_down(&trial);
	return status;
}

int trial_check(const struct config *config, bool reads_tls, void (*print)(void *ctx, const char *line),
		void *ctx)
{
	struct trial trial = {.config = config,
			      .begun_us = observation_now_us(),
			      .max_us = TRIAL_US,
			      .reads_tls = reads_tls,
			      .look = is_clear,
			      .print = print,
			      .ctx = ctx};
	int status = set_up(&trial) ? EXIT_HOST : EXIT_OK;

	if (status)
		say(&trial, "watching the proxy: %s", observation_error());
	else
		status = loop_run(trial.loop) == EXIT_OK ? report(&trial) : EXIT_HOST;
	tear_down(&trial);
	return status;
}
