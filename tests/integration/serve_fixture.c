/* SPDX-License-Identifier: MIT */
/*
 * serve_fixture - statistics with known counters behind the real HTTP server, without a probe.
 *
 *   serve_fixture [--pin DIR] [--fresh] [--max-clusters N] [--observer-only] [--listen HOST] [--add N]
 * [CLUSTER]...
 *
 * Prints "port N pid P" when it serves; ends on SIGTERM and at end of file on standard input. --add counts N
 * successful requests for each cluster (default 0). Without --add every cluster keeps what its pin holds.
 */
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "serve/endpoints.h"
#include "serve/figures.h"
#include "serve/http.h"
#include "serve/openmetrics.h"
#include "stats/stats.h"
#include "stats/threshold.h"

struct arguments {
	struct stats_options stats;
	struct http_options http;
	bool observer_only;
	unsigned long add;
	const char *names[STATS_MAX_CLUSTERS];
	size_t count;
};

static struct arguments parse(int argc, char **argv)
{
	struct arguments a = {.stats.max_clusters = 4, .http.host = "127.0.0.1"};

	for (int i = 1; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : "";

		if (strcmp(argv[i], "--fresh") == 0)
			a.stats.fresh = true;
		else if (strcmp(argv[i], "--observer-only") == 0)
			a.observer_only = true;
		else if (strcmp(argv[i], "--pin") == 0)
			a.stats.pin = value, i++;
		else if (strcmp(argv[i], "--max-clusters") == 0)
			a.stats.max_clusters = atoi(value), i++;
		else if (strcmp(argv[i], "--listen") == 0)
			a.http.host = value, i++;
		else if (strcmp(argv[i], "--add") == 0)
			a.add = strtoul(value, NULL, 10), i++;
		else if (a.count < STATS_MAX_CLUSTERS)
			a.names[a.count++] = argv[i];
	}
	return a;
}

/* Figures that the tests know, multiples of n. */
static void count(struct stats_cluster *c, unsigned long n)
{
	c->requests.success += n;
	c->requests.failure += n / 3;
	c->failures.timeout += n / 3;
	c->last_success.value = 1700000000123456;
	c->primary.statements.success += 2 * n;
	c->mirror.connections.plain += 3;
	for (unsigned long i = 0; i < n; i++)
		stats_histogram_add(&c->mirror.duration, 1500 + i);
	for (unsigned long i = 0; i < n / 3; i++)
		stats_sqlstate_add(&c->mirror.errors, "57014");
}

static int open_clusters(struct stats *stats, struct threshold *threshold, const struct arguments *a)
{
	if (threshold_configure(threshold, a->names, a->count, 5, 300000000) < 0)
		return -1;
	for (size_t i = 0; i < a->count; i++) {
		struct stats_cluster *c = stats_cluster(stats, a->names[i]);

		if (!c) {
			fprintf(stderr, "no room for %s\n", a->names[i]);
			return -1;
		}
		if (a->add)
			count(c, a->add);
	}
	stats_observer(stats)->events.value += 7;
	stats_observer(stats)->unclassified.value += 2;
	return 0;
}

static const char *not_ready(void *ctx)
{
	(void)ctx;
	return getenv("NOT_READY");
}

static const char *attach_mode(void *ctx)
{
	(void)ctx;
	return "tracepoint";
}

static void serve(struct http *http)
{
	struct pollfd fds[] = {{.fd = http_fd(http), .events = POLLIN},
			       {.fd = STDIN_FILENO, .events = POLLIN}};

	while (poll(fds, 2, http_timeout(http)) >= 0) {
		http_run(http);
		if (fds[1].revents)
			return;
	}
}

int main(int argc, char **argv)
{
	struct arguments a = parse(argc, argv);
	struct threshold *threshold = NULL;
	struct openmetrics *openmetrics = NULL;
	struct endpoints *endpoints = NULL;
	struct stats *stats = NULL;
	struct http *http = NULL;

	signal(SIGPIPE, SIG_IGN);
	a.stats.names = a.names;
	a.stats.name_count = a.count;
	if (stats_open(&stats, &a.stats) < 0) {
		log_error("%s", stats_error());
		return 1;
	}
	if (http_new(&http, &a.http) < 0) {
		log_error("%s", http_error());
		return 1;
	}
	if (threshold_new(&threshold, threshold_log, NULL) < 0 || open_clusters(stats, threshold, &a) < 0 ||
	    openmetrics_new(&openmetrics, &(struct openmetrics_options){.stats = stats,
									.observer_only = a.observer_only,
									.version = VERSION,
									.attach_mode = attach_mode}) < 0 ||
	    openmetrics_add(openmetrics, (struct exposition_source){figures_write_threshold, threshold},
			    true) < 0 ||
	    endpoints_new(&endpoints, &(struct endpoints_options){.openmetrics = openmetrics,
								  .stats = stats,
								  .version = VERSION,
								  .not_ready = not_ready}) < 0 ||
	    endpoints_add(endpoints, http) < 0)
		return 1;
	printf("port %u pid %d\n", http_port(http), getpid());
	fflush(stdout);
	serve(http);
	http_free(&http);
	endpoints_free(&endpoints);
	openmetrics_free(&openmetrics);
	threshold_free(&threshold);
	stats_free(&stats);
	return 0;
}
