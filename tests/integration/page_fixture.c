/* SPDX-License-Identifier: MIT */
/*
 * page_fixture - the daemon's serving half with made-up clusters and full histories, without a probe.
 *
 *   page_fixture CLUSTERS
 *
 * Counters move ten times a second. A third of the clusters has failures, a third sees nothing, a third is
 * fine. Prints "port N pid P" when it serves; ends at end of file on standard input.
 */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/loop.h"
#include "cluster/cluster.h"
#include "config/config.h"
#include "serve/figures.h"
#include "serve/live.h"
#include "serve/service.h"
#include "stats/stats.h"
#include "stats/threshold.h"

#define SAMPLES 28 /* durations and lags of one move: enough for its percentiles */

struct fixture {
	struct loop *loop;
	struct config *config;
	struct stats *stats;
	struct threshold *threshold;
	struct clusters *clusters;
	struct service *service;
	unsigned long moves;
	bool still;
};

static struct clusters *clusters_of(void *ctx)
{
	return ((struct fixture *)ctx)->clusters;
}

static const char *nothing(void *ctx)
{
	(void)ctx;
	return NULL;
}

static void no_refresh(void *ctx)
{
	(void)ctx;
}

/* Names of a length that is met in the field, and the longest that is allowed. */
static int make_config(struct config **out, int count)
{
	struct buffer text = {0};
	char *error = NULL;
	int err;

	buffer_string(&text, "listen: 127.0.0.1:0\nmax_clusters: 64\nproxy: {comm: nobody}\nclusters:\n");
	for (int i = 0; i < count; i++)
		buffer_printf(
		    &text,
		    " - {name: %s_%03d, primary: {address: \"10.0.%d.1:5432\", database: app}, mirror: "
		    "{address: \"10.1.%d.1:5432\", database: app}}\n",
		    i == 1 ? "a_cluster_with_a_name_of_the_greatest_length_that_is_allow" : "orders", i, i,
		    i);
	err = config_parse(out, "fixture", text.data, text.len, &error);
	if (err)
		fprintf(stderr, "%s\n", error);
	buffer_free(&text);
	return err;
}

static void move_side(struct stats_target *target, unsigned long n, unsigned int us)
{
	target->statements.success += n;
	target->bytes.send += 100 * n;
	target->bytes.recv += 300 * n;
	target->connections.plain = 8;
	for (unsigned long i = 0; i < n && i < SAMPLES; i++)
		stats_histogram_add(&target->duration, us * (1 + i % 7));
}

static void move(struct fixture *f, size_t i, unsigned long n)
{
	struct stats_cluster *c = (struct stats_cluster *)clusters_stats(f->clusters, i);
	double wave = 1 + 0.5 * sin(f->moves / 40.0 + i);

	if (i % 3 == 1)
		return;
	n = (unsigned long)(n * wave) + 1;
	move_side(&c->primary, n, 300);
	move_side(&c->mirror, n, i % 3 ? 320 : 900);
	c->requests.success += n;
	for (unsigned long k = 0; k < n && k < SAMPLES; k++)
		stats_histogram_add(&c->lag, 1000 * (1 + (k * 7 + f->moves) % 40));
	if (i % 3 == 0 && f->moves % 5 == 0) {
		c->requests.failure++;
		c->failures.query_execution++;
		stats_sqlstate_add(&c->mirror.errors, "42P01");
	}
}

static void move_all(struct fixture *f, unsigned long n)
{
	f->moves++;
	for (size_t i = 0; i < clusters_count(f->clusters); i++)
		move(f, i, n);
}

static void on_move(void *ctx, uint32_t what)
{
	struct fixture *f = ctx;

	(void)what;
	if (!f->still)
		move_all(f, 10);
	clusters_tick(f->clusters, clock_ns());
}

/* 24 hours, each tier at its own pace. */
static void fill_history(struct fixture *f)
{
	uint64_t now = stats_now_us() / 1000000, at = now - 86400;
	struct live *live = service_live(f->service);

	while (at < now) {
		uint64_t left = now - at, step = left > 7200 ? 60 : left > 300 ? 10 : 1;

		move_all(f, 100 * step);
		for (size_t i = 0; i < live_count(live); i++) {
			const struct series_input input = {.stats = clusters_stats(f->clusters, i),
							   .queue_depth = 5 + 4 * sin(at / 300.0),
							   .verdict = VERDICT_INSUFFICIENT_DATA};

			series_tick(live_get(live, i)->series, at, &input);
		}
		at = at - at % step + step;
	}
}

static void on_end(void *ctx, uint32_t what)
{
	char byte;

	(void)what;
	if (read(STDIN_FILENO, &byte, 1) <= 0)
		loop_stop(((struct fixture *)ctx)->loop, 0);
	((struct fixture *)ctx)->still = true;
}

static void on_first(void *ctx, uint32_t what)
{
	struct fixture *f = ctx;

	(void)what;
	fill_history(f);
	loop_add_timer(f->loop, 100000, 100000, on_move, f, NULL);
	printf("port %u pid %d\n", service_port(f->service), getpid());
	fflush(stdout);
}

static int start(struct fixture *f, int count)
{
	const struct stats_options stats = {.max_clusters = STATS_MAX_CLUSTERS};
	struct service_options options = {.host = "127.0.0.1",
					  .clusters = clusters_of,
					  .refresh = no_refresh,
					  .refresh_briefly = no_refresh,
					  .attach_mode = nothing,
					  .not_ready = nothing,
					  .ctx = f};
	int err = make_config(&f->config, count);

	if (!err)
		err = stats_open(&f->stats, &stats);
	if (!err)
		err = threshold_new(&f->threshold, threshold_log, NULL);
	if (!err)
		err = clusters_new(&f->clusters, f->stats, f->threshold, NULL);
	if (!err)
		err = clusters_configure(f->clusters, f->config);
	if (!err)
		err = loop_new(&f->loop);
	options.loop = f->loop;
	options.stats = f->stats;
	if (!err)
		err = service_new(&f->service, &options);
	if (!err)
		err = service_add(f->service, (struct exposition_source){figures_write, f->clusters}, true);
	if (!err)
		err = loop_add_fd(f->loop, STDIN_FILENO, EPOLLIN, on_end, f, NULL);
	return err ? err : loop_add_timer(f->loop, 50000, 0, on_first, f, NULL);
}

int main(int argc, char **argv)
{
	struct fixture f = {0};
	int err;

	signal(SIGPIPE, SIG_IGN);
	err = start(&f, argc > 1 ? atoi(argv[1]) : 3);
	if (!err)
		err = loop_run(f.loop);
	service_free(&f.service);
	clusters_free(&f.clusters);
	threshold_free(&f.threshold);
	stats_free(&f.stats);
	loop_free(&f.loop);
	config_free(&f.config);
	return err ? 1 : 0;
}
