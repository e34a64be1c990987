/* SPDX-License-Identifier: MIT */
/* main - wires: options, configuration, statistics, observation, service, and the signals that change or end
 * them. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask/ask.h"
#include "ask/check.h"
#include "ask/import.h"
#include "ask/signoff.h"
#include "ask/status.h"
#include "ask/terminal.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/notify.h"
#include "config/config.h"
#include "config/options.h"
#include "discovery.h"
#include "observation.h"
#include "rights/privileges.h"
#include "rights/syscalls.h"
#include "serve/figures.h"
#include "serve/keep.h"
#include "serve/reloads.h"
#include "serve/service.h"
#include "sql/parser.h"
#include "stats/stats.h"
#include "stats/threshold.h"
#include "trial.h"

#define SECOND_US        1000000
#define DISCOVER_SECONDS 5

struct daemon {
	const struct options *options;
	struct config *config;
	struct loop *loop;
	struct stats *stats;
	struct threshold *threshold;
	struct parser *parser;
	struct observation *observation; /* NULL with mirror_metrics_enabled: false */
	struct service *service;
	struct keep *keep; /* NULL where nothing is kept */
	struct reloads reloads;
};

/* ---------------------------------------------------------------------------------------------- asked by the
 * service */

static struct clusters *observed_clusters(void *ctx)
{
	struct daemon *d = ctx;

	return d->observation ? observation_clusters(d->observation) : NULL;
}

static const char *attach_mode(void *ctx)
{
	struct daemon *d = ctx;

	return d->observation ? observation_mode(d->observation) : NULL;
}

static const char *not_ready(void *ctx)
{
	struct daemon *d = ctx;

	return d->observation ? NULL : "mirror_metrics_enabled is false: nothing is attached";
}

static const char *diagnosis(void *ctx, size_t i)
{
	struct daemon *d = ctx;

	return d->observation ? clusters_diagnosis(observation_clusters(d->observation), i) : NULL;
}

/* The kernel's totals are fetched when they are looked at. */
static void refresh(void *ctx)
{
	struct daemon *d = ctx;

	if (d->observation)
		observation_sync(d->observation);
}

static void refresh_briefly(void *ctx)
{
	struct daemon *d = ctx;

	if (d->observation)
		observation_refresh(d->observation);
}

/* ----------------------------------------------------------------------------------------------------------
 * run time */

static void each_second(void *ctx, uint32_t what)
{
	struct daemon *d = ctx;

	(void)what;
	threshold_tick(d->threshold, observation_now_us());
	refresh_briefly(d);
}

static void measure(void *ctx, uint64_t ns)
{
	struct daemon *d = ctx;

	if (d->stats)
		stats_histogram_add(&stats_observer(d->stats)->loop, ns / 1000);
}

/* From the loop, so that systemd hears nothing more when it hangs. */
static void feed_watchdog(void *ctx, uint32_t what)
{
	(void)ctx, (void)what;
	notify_watchdog();
}

static void set_log_level(const struct daemon *d)
{
	log_set_level(d->options->log_level >= 0 ? d->options->log_level : d->config->log_level);
}

/* Parse, check, then swap: whatever is wrong with the new file, the old configuration goes on. */
static bool take(struct daemon *d, struct config *fresh)
{
	const char *key;

	if (!config_can_reload(d->config, fresh, &key)) {
		log_error("reload refused, the old configuration goes on: a change of `%s` needs a restart",
			  key);
		return false;
	}
	if (d->observation && observation_reload(d->observation, fresh)) {
		log_error("reload refused, the old configuration goes on: %s", observation_error());
		return false;
	}
	return true;
}

static bool reload(struct daemon *d)
{
	struct config *fresh;
	char *error = NULL;

	if (config_load(&fresh, d->options->config_path, &error)) {
		log_error("reload refused, the old configuration goes on: %s",
			  error ? error : "out of memory");
		free(error);
		return false;
	}
	if (!take(d, fresh)) {
		config_free(&fresh);
		return false;
	}
	config_free(&d->config);
	d->config = fresh;
	set_log_level(d);
	service_reloaded(d->service);
	log_info("configuration reloaded from %s", d->options->config_path);
	return true;
}

static void on_signal(void *ctx, uint32_t signal)
{
	struct daemon *d = ctx;

	if (signal == SIGHUP) {
		notify_reloading();
		reloads_note(&d->reloads, reload(d));
		notify_ready("observing");
		return;
	}
	log_info("%s: detaching", signal == SIGTERM ? "SIGTERM" : "SIGINT");
	notify_stopping();
	loop_stop(d->loop, EXIT_OK);
}

/* ----------------------------------------------------------------------------------------------------------
 * start, end */

static int start_loop(struct daemon *d)
{
	static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
	uint64_t watchdog_us = notify_watchdog_interval_us();
	int err = loop_new(&d->loop);

	if (!err)
		err = loop_add_signals(d->loop, signals, sizeof(signals) / sizeof(*signals), on_signal, d);
	if (!err)
		err = loop_add_timer(d->loop, SECOND_US, SECOND_US, each_second, d, NULL);
	if (!err)
		loop_measure(d->loop, measure, d);
	if (!err && watchdog_us)
		err = loop_add_timer(d->loop, watchdog_us, watchdog_us, feed_watchdog, NULL, NULL);
	if (!err)
		err = threshold_new(&d->threshold, threshold_log, NULL);
	if (err)
		log_error("starting: %s", strerror(-err));
	return err ? EXIT_NOT_OK : EXIT_OK;
}

static int start_statistics(struct daemon *d)
{
	const struct config *config = d->config;
	const char *names[CONFIG_CLUSTERS_MAX];
	const struct stats_options options = {.pin = config->mirror_metrics_enabled ? config->pin : NULL,
					      .max_clusters = config->max_clusters,
					      .fresh = d->options->fresh,
					      .names = names,
					      .name_count = config->cluster_count};

	for (size_t i = 0; i < config->cluster_count; i++)
		names[i] = config->clusters[i].name;
	switch (stats_open(&d->stats, &options)) {
	case 0:
		return EXIT_OK;
	case -EBUSY:
		log_error("%s", stats_error());
		return EXIT_NOT_OK;
	default:
		log_error("%s", stats_error());
		return EXIT_HOST;
	}
}

static int start_observation(struct daemon *d)
{
	if (!d->config->mirror_metrics_enabled) {
		log_info("mirror_metrics_enabled is false: nothing is attached, only the observer's own "
			 "metrics are served");
		return EXIT_OK;
	}
	if (observation_new(&d->observation, d->loop, d->stats, d->threshold, d->parser, d->config)) {
		log_error("%s", observation_error());
		return EXIT_HOST;
	}
	return EXIT_OK;
}

static int start_service(struct daemon *d)
{
	const struct service_options options = {.loop = d->loop,
						.stats = d->stats,
						.host = d->config->listen_host,
						.port = d->config->listen_port,
						.observer_only = !d->config->mirror_metrics_enabled,
						.clusters = observed_clusters,
						.refresh = refresh,
						.refresh_briefly = refresh_briefly,
						.attach_mode = attach_mode,
						.not_ready = not_ready,
						.diagnosis = diagnosis,
						.ctx = d};

	if (service_new(&d->service, &options)) {
		log_error("%s", service_error());
		return EXIT_NOT_OK;
	}
	keep_open(&d->keep, config_state(d->config), service_live(d->service));
	service_add(d->service, (struct exposition_source){reloads_write, &d->reloads}, false);
	service_add(d->service, (struct exposition_source){figures_write_threshold, d->threshold}, true);
	if (!d->observation)
		return EXIT_OK;
	service_add(d->service,
		    (struct exposition_source){figures_write, observation_clusters(d->observation)}, true);
	service_add(d->service, (struct exposition_source){observation_write, d->observation}, false);
	return EXIT_OK;
}

static int check_privileges(const struct daemon *d)
{
	if (!privileges_check(d->config->mirror_metrics_enabled, d->config->user))
		return EXIT_OK;
	log_error("%s", privileges_error());
	return EXIT_HOST;
}

static int drop_privileges(const struct daemon *d)
{
	if (!privileges_drop(d->config->user, d->options->config_path))
		return EXIT_OK;
	log_error("%s", privileges_error());
	return EXIT_HOST;
}

static void announce(const struct daemon *d)
{
	bool v6 = strchr(d->config->listen_host, ':');

	log_info("mirror-observer " VERSION ": %s, %zu cluster%s, http://%s%s%s:%u/",
		 d->observation ? observation_mode(d->observation) : "not attached", d->config->cluster_count,
		 d->config->cluster_count == 1 ? "" : "s", v6 ? "[" : "", d->config->listen_host,
		 v6 ? "]" : "", service_port(d->service));
	notify_ready(d->observation ? "observing" : "serving only its own metrics");
}

static int confine_keeper(void *ctx)
{
	const struct daemon *d = ctx;

	return privileges_confine(d->config->user);
}

static int confine_worker(void *ctx)
{
	(void)ctx;
	return syscalls_restrict_worker();
}

static int start_parser(struct daemon *d)
{
	const struct parser_options options = {
	    .confine_keeper = confine_keeper, .confine_worker = confine_worker, .ctx = d};
	int err = d->config->mirror_metrics_enabled ? parser_new(&d->parser, &options) : 0;

	if (err)
		log_error("starting the process that names statements: %s", strerror(-err));
	return err ? EXIT_NOT_OK : EXIT_OK;
}

static int run(struct daemon *d)
{
	int status = check_privileges(d);
	int result;

	if (!status)
		status = start_parser(d); /* while nothing is open that it could inherit */
	if (!status)
		status = start_loop(d);
	if (!status)
		status = start_statistics(d);
	if (!status)
		status = start_observation(d);
	if (!status)
		status = start_service(d);
	if (!status)
		status = drop_privileges(d);
	if (status)
		return status;
	announce(d);
	result = loop_run(d->loop);
	return result < 0 ? EXIT_NOT_OK : result;
}

static int command_daemon(const struct options *options, struct config **config)
{
	struct daemon d = {.options = options, .config = *config};
	int status;

	set_log_level(&d);
	if (clock_find_offset())
		log_info("in a time namespace: the kernel's clock is %" PRId64 " ms behind ours",
			 clock_offset_ns / 1000000);
	reloads_note(&d.reloads, true);
	status = run(&d);
	if (d.service)
		keep_save(d.keep, service_live(d.service));
	keep_close(&d.keep);
	service_free(&d.service);
	observation_free(&d.observation);
	threshold_free(&d.threshold);
	parser_free(&d.parser);
	stats_free(&d.stats);
	loop_free(&d.loop);
	*config = d.config;
	return status;
}

static int with_config(const struct options *options)
{
	struct config *config = NULL;
	char *error = NULL;
	int status;

	if (config_load(&config, options->config_path, &error)) {
		fprintf(stderr, "%s\n", error ? error : "out of memory");
		free(error);
		return EXIT_USAGE;
	}
	status = options->command == COMMAND_CHECK ? check_run(config, trial_check)
						   : command_daemon(options, &config);
	config_free(&config);
	return status;
}

int main(int argc, char **argv)
{
	struct options options;
	const char *error;

	if (argc > 1 && strcmp(argv[1], "import") == 0)
		return import_run(argv + 2);
	if (options_parse(&options, argc, argv, &error)) {
		fprintf(stderr, "%s\n", error);
		return EXIT_USAGE;
	}
	switch (options.command) {
	case COMMAND_HELP:
		fputs(options_help(), stdout);
		return EXIT_OK;
	case COMMAND_VERSION:
		fputs(options_version(), stdout);
		return EXIT_OK;
	case COMMAND_READINESS:
		return ask_readiness(&options);
	case COMMAND_RESET:
		return ask_reset(&options);
	case COMMAND_STATUS:
		return status_run(&options);
	case COMMAND_TOP:
		return terminal_run(&options);
	case COMMAND_REPORT:
		return signoff_run(&options);
	case COMMAND_DISCOVER:
		return discovery_run((options.seconds < 0 ? DISCOVER_SECONDS : options.seconds) * 1000000ull);
	default:
		return with_config(&options);
	}
}
