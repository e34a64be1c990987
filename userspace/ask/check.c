/* SPDX-License-Identifier: MIT */
#include "ask/check.h"

#include <stdio.h>

#include "capture/probe.h"
#include "config/options.h"
#include "rights/privileges.h"
#include "secrets/secrets.h"
#include "watch/proxy.h"

static void print_line(void *ctx, const char *line)
{
	(void)ctx;
	printf("%s\n", line);
}

static void print_clusters(const struct config *config)
{
	printf("configuration: %s is valid, %zu cluster%s\n", config->path, config->cluster_count,
	       config->cluster_count == 1 ? "" : "s");
	for (size_t i = 0; i < config->cluster_count; i++) {
		const struct config_cluster *cluster = &config->clusters[i];

		printf("cluster %s: %s -> %s\n", cluster->name, cluster->primary.addresses[0].text,
		       cluster->mirror.addresses[0].text);
	}
}

static void print_proxy(const struct config *config)
{
	char text[512];
	struct proxy *proxy;
	size_t found;

	if (proxy_new(&proxy, &config->proxy)) {
		printf("proxy: out of memory\n");
		return;
	}
	found = proxy_find(proxy, NULL, 0);
	proxy_describe(proxy, text, sizeof(text));
	if (found)
		printf("proxy: %zu process%s match %s\n", found, found == 1 ? "" : "es", text);
	else
		printf("proxy: warning: no running process matches %s; it will be found when it starts\n",
		       text);
	proxy_free(&proxy);
}

/* True when encrypted connections would be read from their beginning on. */
static bool print_tls(const struct config *config)
{
	size_t readable = 0;

	if (config->tls == CONFIG_TLS_OFF)
		printf("tls: off: encrypted connections are counted only\n");
	else if (!secrets_check(&config->proxy, print_line, NULL, &readable))
		printf("tls: no library that could be read is loaded by the proxy now\n");
	return readable;
}

static const char *result_of(int status)
{
	switch (status) {
	case EXIT_OK:
		return "ok";
	case EXIT_NOT_OK:
		return "the configuration does not fit what runs: see above what to change";
	default:
		return "this host cannot be observed";
	}
}

int check_run(const struct config *config, check_watch *watch)
{
	int err, missing, status;
	bool reads_tls;

	print_clusters(config);
	if (!config->mirror_metrics_enabled) {
		printf("mirror_metrics_enabled is false: nothing would be attached\n");
		return EXIT_OK;
	}
	missing = privileges_check(true, config->user);
	if (missing)
		printf("privileges: %s\n", privileges_error());
	err = probe_check_host(config->attach, config_names_unix(config), print_line, NULL);
	if (!err)
		err = missing;
	print_proxy(config);
	reads_tls = print_tls(config);
	status = err ? EXIT_HOST : watch(config, reads_tls, print_line, NULL);
	printf("result: %s\n", result_of(status));
	return status;
}
