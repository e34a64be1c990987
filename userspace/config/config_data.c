/* SPDX-License-Identifier: MIT */
#include "config/config_data.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"

int config_new(struct config **out, const char *path)
{
	struct config *config = calloc(1, sizeof(*config));

	if (!config)
		return -ENOMEM;
	*config = (struct config){
	    .path = strdup(path),
	    .listen_host = strdup("127.0.0.1"),
	    .listen_port = 10432,
	    .mirror_metrics_enabled = true,
	    .failure_threshold = NAN,
	    .window_us = 300 * 1000000ull,
	    .pin = strdup("/sys/fs/bpf/mirror_observer"),
	    .max_clusters = 16,
	    .ring_bytes = 16u << 20,
	    .match_memory = 192ull << 20,
	    .log_level = LOG_LEVEL_INFO,
	};
	readiness_defaults(&config->readiness);
	if (!config->path || !config->listen_host || !config->pin) {
		config_free(&config);
		return -ENOMEM;
	}
	*out = config;
	return 0;
}

int config_cluster_init(struct config_cluster *cluster)
{
	*cluster = (struct config_cluster){.exposure = NAN, .request_timeout_us = 30 * 1000000ull};
	cluster->ignore_statements = calloc(1, sizeof(char *));
	if (!cluster->ignore_statements)
		return -ENOMEM;
	cluster->ignore_statements[0] = strdup(";");
	if (!cluster->ignore_statements[0])
		return -ENOMEM;
	cluster->ignore_count = 1;
	return 0;
}

static void free_endpoint(struct config_endpoint *endpoint)
{
	for (size_t i = 0; i < endpoint->address_count; i++) {
		free(endpoint->addresses[i].text);
		free(endpoint->addresses[i].host);
	}
	free(endpoint->addresses);
	free(endpoint->database);
}

static void free_cluster(struct config_cluster *cluster)
{
	free(cluster->ignore_fingerprints);
	free(cluster->name);
	free_endpoint(&cluster->primary);
	free_endpoint(&cluster->mirror);
	for (size_t i = 0; i < cluster->ignore_count; i++)
		free(cluster->ignore_statements[i]);
	free(cluster->ignore_statements);
}

void config_free(struct config **config)
{
	struct config *gone = *config;

	if (!gone)
		return;
	*config = NULL;
	for (size_t i = 0; i < gone->cluster_count; i++)
		free_cluster(&gone->clusters[i]);
	free(gone->clusters);
	free(gone->proxy.comm);
	free(gone->proxy.exe);
	free(gone->proxy.cgroup);
	free(gone->path);
	free(gone->listen_host);
	free(gone->pin);
	free(gone->user);
	free(gone->state);
	free(gone);
}

static bool names_unix(const struct config_endpoint *endpoint)
{
	for (size_t i = 0; i < endpoint->address_count; i++)
		if (endpoint->addresses[i].range.family == ADDRESS_UNIX)
			return true;
	return false;
}

bool config_names_unix(const struct config *config)
{
	for (size_t i = 0; i < config->cluster_count; i++)
		if (names_unix(&config->clusters[i].primary) || names_unix(&config->clusters[i].mirror))
			return true;
	return false;
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_address(const struct config_address *a, const struct config_address *b)
{
	const struct address_range *x = &a->range, *y = &b->range;

	if (a->host || b->host)
		return a->host && b->host && strcasecmp(a->host, b->host) == 0 &&
		       x->base.port == y->base.port;
	return x->family == y->family && strcmp(x->path, y->path) == 0 && address_equal(&x->base, &y->base) &&
	       x->prefix_len == y->prefix_len;
}

static bool among(const struct config_address *address, const struct config_endpoint *endpoint)
{
	for (size_t i = 0; i < endpoint->address_count; i++)
		if (same_address(address, &endpoint->addresses[i]))
			return true;
	return false;
}

static bool all_among(const struct config_endpoint *a, const struct config_endpoint *b)
{
	for (size_t i = 0; i < a->address_count; i++)
		if (!among(&a->addresses[i], b))
			return false;
	return true;
}

static bool same_endpoint(const struct config_endpoint *a, const struct config_endpoint *b)
{
	return same_text(a->database, b->database) && all_among(a, b) && all_among(b, a);
}

bool config_same_cluster(const struct config_cluster *a, const struct config_cluster *b)
{
	return strcmp(a->name, b->name) == 0 && same_endpoint(&a->primary, &b->primary) &&
	       same_endpoint(&a->mirror, &b->mirror);
}

bool config_can_reload(const struct config *old, const struct config *new_, const char **key)
{
	*key = NULL;
	if (!same_text(old->listen_host, new_->listen_host) || old->listen_port != new_->listen_port)
		*key = "listen";
	else if (old->mirror_metrics_enabled != new_->mirror_metrics_enabled)
		*key = "mirror_metrics_enabled";
	else if (!same_text(old->pin, new_->pin))
		*key = "pin";
	else if (old->max_clusters != new_->max_clusters)
		*key = "max_clusters";
	else if (old->ring_bytes != new_->ring_bytes)
		*key = "ring_bytes";
	else if (old->match_memory != new_->match_memory)
		*key = "match_memory";
	else if (old->attach != new_->attach)
		*key = "attach";
	else if (!same_text(old->state, new_->state))
		*key = "state";
	else if (old->tls != new_->tls)
		*key = "tls";
	else if (!same_text(old->user, new_->user))
		*key = "user";
	return *key == NULL;
}

const char *config_state(const struct config *config)
{
	static char first[512];
	const char *given = getenv("STATE_DIRECTORY"); /* systemd.exec(5): several are separated by colons */

	if (config->state || !given || !*given)
		return config->state;
	snprintf(first, sizeof(first), "%.*s", (int)strcspn(given, ":"), given);
	return first;
}
