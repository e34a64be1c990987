/* SPDX-License-Identifier: MIT */
/* The keys of observer.yaml: which there are, where they go, and what must hold between them. */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config_check.h"
#include "config/config_data.h"
#include "config/config_reader.h"

/* One key of a mapping. */
struct field {
	const char *key;
	parse_function *parse;
	size_t offset;        /* into the struct that the mapping fills */
	const char *required; /* what to write when it is missing; NULL = optional */
};

#define FIELDS_MAX 40

/* Appends to r->key; returns the length to hand to leave(). */
__attribute__((format(printf, 2, 3))) static size_t enter(struct reader *r, const char *format, ...)
{
	size_t before = strlen(r->key);
	va_list args;

	va_start(args, format);
	vsnprintf(r->key + before, sizeof(r->key) - before, format, args);
	va_end(args);
	return before;
}

static void leave(struct reader *r, size_t before)
{
	r->key[before] = '\0';
}

/* "listen, pin, proxy" of the fields. */
static const char *list_keys(const struct field *fields, size_t count, char *out, size_t size)
{
	size_t used = 0;

	out[0] = '\0';
	for (size_t i = 0; i < count && used < size; i++)
		used += snprintf(out + used, size - used, "%s%s", i ? ", " : "", fields[i].key);
	return out;
}

static int fail_unknown(struct reader *r, const struct tree *key, const struct field *fields, size_t count)
{
	const char *words[FIELDS_MAX], *near;
	char quoted[TEXT_QUOTED_MAX], keys[1024];

	for (size_t i = 0; i < count; i++)
		words[i] = fields[i].key;
	if (strcmp(key->text, "<<") == 0)
		return reader_fail(r, key->line, key->column,
				   "%s%s<<: merge keys are not supported; write the values out", r->key,
				   *r->key ? "." : "");
	near = text_nearest(key->text, words, count);
	list_keys(fields, count, keys, sizeof(keys));
	return reader_fail(r, key->line, key->column, "%s%s%s: unknown key%s%s%s; allowed: %s", r->key,
			   *r->key ? ": " : "", text_quote(key->text, quoted), near ? " (do you mean " : "",
			   near ? near : "", near ? "?)" : "", keys);
}

static int find_field(struct reader *r, const struct tree *key, const struct field *fields, size_t count,
		      size_t *index)
{
	if (key->kind != TREE_SCALAR)
		return reader_fail(r, key->line, key->column,
				   "%s: %s stands where a key is needed; write key: value",
				   *r->key ? r->key : "top level", tree_kind_name(key));
	if (strlen(key->text) != key->len)
		return reader_fail(r, key->line, key->column, "%s: a key holds a NUL byte; leave it out",
				   *r->key ? r->key : "top level");
	for (*index = 0; *index < count; ++*index)
		if (strcmp(key->text, fields[*index].key) == 0)
			return 0;
	return fail_unknown(r, key, fields, count);
}

static int check_required(struct reader *r, const struct tree *node, const struct field *fields, size_t count,
			  const unsigned *first_line)
{
	for (size_t i = 0; i < count; i++)
		if (fields[i].required && !first_line[i])
			return reader_fail(r, node->line, node->column, "%s%s%s: missing; write %s", r->key,
					   *r->key ? "." : "", fields[i].key, fields[i].required);
	return 0;
}

/* Fills base as the fields say; every key at most once, the required ones exactly once. */
static int parse_mapping(struct reader *r, const struct tree *node, const struct field *fields, size_t count,
			 void *base)
{
	unsigned first_line[FIELDS_MAX] = {0};
	size_t i = 0, before;
	char keys[1024];
	int err;

	if (node->kind != TREE_MAPPING)
		return reader_fail(r, node->line, node->column,
				   "%s: %s stands here; write a mapping with the keys %s",
				   *r->key ? r->key : "top level", tree_kind_name(node),
				   list_keys(fields, count, keys, sizeof(keys)));
	for (const struct tree *key = node->first; key; key = key->next->next) {
		err = find_field(r, key, fields, count, &i);
		if (err)
			return err;
		before = enter(r, "%s%s", *r->key ? "." : "", fields[i].key);
		if (first_line[i])
			return reader_fail_key(r, key, "given twice, first in line %u; give each key once",
					       first_line[i]);
		first_line[i] = key->line;
		err = fields[i].parse(r, key->next, (char *)base + fields[i].offset);
		if (err)
			return err;
		leave(r, before);
	}
	return check_required(r, node, fields, count, first_line);
}

static int parse_proxy(struct reader *r, const struct tree *node, void *target)
{
	static const struct field fields[] = {
	    {"comm", parse_comm, offsetof(struct config_proxy, comm), NULL},
	    {"exe", parse_exe, offsetof(struct config_proxy, exe), NULL},
	    {"pid", parse_pid, offsetof(struct config_proxy, pid), NULL},
	    {"cgroup", parse_cgroup, offsetof(struct config_proxy, cgroup), NULL},
	};
	const struct config_proxy *proxy = target;
	int err = parse_mapping(r, node, fields, sizeof(fields) / sizeof(*fields), target);

	if (!err && !proxy->comm && !proxy->exe && !proxy->cgroup && !proxy->pid)
		return reader_fail_key(r, node, "selects no process; give any of comm, exe, pid, cgroup");
	return err;
}

static int parse_address(struct reader *r, const struct tree *node, struct config_address *out)
{
	static const char allowed[] =
	    "10.0.0.1:5432, 10.0.0.0/24:5432, [2001:db8::1]:5432, name:5432 or unix:/path";
	char host[256], quoted[TEXT_QUOTED_MAX];
	const char *why;
	int err = reader_scalar(r, node, allowed);

	if (err)
		return err;
	out->line = node->line;
	out->column = node->column;
	err = address_parse(node->text, &out->range, host, sizeof(host), &why);
	if (err == -EINVAL)
		return reader_fail_key(r, node, "%s: %s; write %s", text_quote(node->text, quoted), why,
				       allowed);
	if (err == -EDESTADDRREQ && reader_store(host, &out->host))
		return -ENOMEM;
	return reader_store(node->text, &out->text);
}

/* One address or a list of them. */
static int parse_addresses(struct reader *r, const struct tree *node, void *target)
{
	struct config_endpoint *endpoint = target;
	bool list = node->kind == TREE_LIST;
	const struct tree *item = list ? node->first : node;
	size_t count = list ? node->count : 1, before;
	int err;

	if (count < 1 || count > CONFIG_ADDRESSES_MAX)
		return reader_fail_key(r, node, "has %zu addresses; give 1 to %d", count,
				       CONFIG_ADDRESSES_MAX);
	endpoint->addresses = calloc(count, sizeof(*endpoint->addresses));
	if (!endpoint->addresses)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++, item = item->next) {
		before = list ? enter(r, "[%zu]", i) : strlen(r->key);
		endpoint->address_count++;
		err = parse_address(r, item, &endpoint->addresses[i]);
		if (err)
			return err;
		leave(r, before);
	}
	return 0;
}

static int parse_endpoint(struct reader *r, const struct tree *node, void *target)
{
	static const struct field fields[] = {
	    {"address", parse_addresses, 0, "where the server listens, such as 10.0.0.1:5432"},
	    {"database", parse_database, offsetof(struct config_endpoint, database), NULL},
	};

	return parse_mapping(r, node, fields, sizeof(fields) / sizeof(*fields), target);
}

/* The text without white space around it; an empty one is allowed (an empty query). */
static int parse_statement(struct reader *r, const struct tree *node, char **out)
{
	static const char allowed[] = "the whole text of a statement, at most 1000 bytes";
	int err = reader_scalar(r, node, allowed);
	const char *begin, *end;

	if (err)
		return err;
	begin = node->text + strspn(node->text, " \t\r\n\f\v");
	for (end = begin + strlen(begin); end > begin && isspace((unsigned char)end[-1]);)
		end--;
	if (end - begin > 1000)
		return reader_refuse(r, node, allowed);
	*out = strndup(begin, end - begin);
	return *out ? 0 : -ENOMEM;
}

static int parse_ignore(struct reader *r, const struct tree *node, void *target)
{
	struct config_cluster *cluster = target;
	const struct tree *item = node->first;
	size_t count, before;
	int err;

	if (node->kind != TREE_LIST)
		return reader_fail_key(r, node, "%s stands here; write a list such as [\";\"]",
				       tree_kind_name(node));
	count = node->count;
	if (count > CONFIG_IGNORE_MAX)
		return reader_fail_key(r, node, "has %zu statements; give at most %d", count,
				       CONFIG_IGNORE_MAX);
	/* A given list replaces the default. */
	while (cluster->ignore_count)
		free(cluster->ignore_statements[--cluster->ignore_count]);
	free(cluster->ignore_statements);
	cluster->ignore_statements = calloc(count ? count : 1, sizeof(char *));
	if (!cluster->ignore_statements)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++, item = item->next) {
		before = enter(r, "[%zu]", i);
		err = parse_statement(r, item, &cluster->ignore_statements[i]);
		if (err)
			return err;
		cluster->ignore_count++;
		leave(r, before);
	}
	return 0;
}

static int parse_fingerprints(struct reader *r, const struct tree *node, void *target)
{
	struct config_cluster *cluster = target;
	const struct tree *item = node->first;
	size_t before;
	int err;

	if (node->kind != TREE_LIST || node->count > CONFIG_FINGERPRINTS_MAX)
		return reader_fail_key(r, node, "write a list of at most %d fingerprints",
				       CONFIG_FINGERPRINTS_MAX);
	cluster->ignore_fingerprints = calloc(node->count ? node->count : 1, sizeof(uint64_t));
	if (!cluster->ignore_fingerprints)
		return -ENOMEM;
	for (size_t i = 0; i < node->count; i++, item = item->next) {
		before = enter(r, "[%zu]", i);
		err = parse_fingerprint(r, item, &cluster->ignore_fingerprints[i]);
		if (err)
			return err;
		cluster->fingerprint_count++;
		leave(r, before);
	}
	return 0;
}

static int parse_cluster(struct reader *r, const struct tree *node, struct config_cluster *cluster)
{
#define AT(member) offsetof(struct config_cluster, member)
	static const struct field fields[] = {
	    {"name", parse_name, AT(name), "the label of the cluster in the metrics"},
	    {"primary", parse_endpoint, AT(primary), "{ address: 10.0.0.1:5432 }"},
	    {"mirror", parse_endpoint, AT(mirror), "{ address: 10.0.0.1:5432 }"},
	    {"exposure", parse_exposure, AT(exposure), NULL},
	    {"queue_limit", parse_queue_limit, AT(queue_limit), NULL},
	    {"request_timeout", parse_timeout, AT(request_timeout_us), NULL},
	    {"level", parse_level, AT(level), NULL},
	    {"result_checksum", parse_result_checksum, AT(result_checksum), NULL},
	    {"ignore_statements", parse_ignore, 0, NULL},
	    {"ignore_fingerprints", parse_fingerprints, 0, NULL},
	};
#undef AT

	return parse_mapping(r, node, fields, sizeof(fields) / sizeof(*fields), cluster);
}

static int parse_clusters(struct reader *r, const struct tree *node, void *target)
{
	struct config *config = target;
	const struct tree *item = node->first;
	size_t count, before;
	int err;

	if (node->kind != TREE_LIST)
		return reader_fail_key(
		    r, node, "%s stands here; write a list, each item with name, primary and mirror",
		    tree_kind_name(node));
	count = node->count;
	if (count > CONFIG_CLUSTERS_MAX)
		return reader_fail_key(r, node, "has %zu clusters; give at most %d", count,
				       CONFIG_CLUSTERS_MAX);
	config->clusters = calloc(count ? count : 1, sizeof(*config->clusters));
	if (!config->clusters)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++, item = item->next) {
		before = enter(r, "[%zu]", i);
		config->cluster_count++;
		err =
		    config_cluster_init(&config->clusters[i]) ?: parse_cluster(r, item, &config->clusters[i]);
		if (err)
			return err;
		leave(r, before);
	}
	return 0;
}

/* The thresholds of READINESS_CHECKS by name: times as durations, all else as numbers. */
static int parse_readiness(struct reader *r, const struct tree *node, void *target)
{
#define SECONDS_CHECK(name)                                                                \
	(READINESS_##name == READINESS_observed || READINESS_##name == READINESS_recent || \
	 READINESS_##name == READINESS_lag_p99 || READINESS_##name == READINESS_mirror_down)
#define READINESS_FIELD(name, compare, value, unit, what, advice)   \
	{#name, SECONDS_CHECK(name) ? parse_seconds : parse_number, \
	 offsetof(struct readiness_settings, thresholds) + READINESS_##name * sizeof(double), NULL},
	static const struct field fields[] = {
	    {"window", parse_window, offsetof(struct readiness_settings, window_us), NULL},
	    {"latency_harmless", parse_timeout, offsetof(struct readiness_settings, latency_harmless_us),
	     NULL},
	    READINESS_CHECKS(READINESS_FIELD)};
#undef READINESS_FIELD

	const struct readiness_settings *settings = target;
	int err = parse_mapping(r, node, fields, sizeof(fields) / sizeof(*fields), target);

	if (!err && settings->thresholds[READINESS_observed] * 1e6 > settings->window_us)
		return reader_fail_key(
		    r, node,
		    "observed (by default 30m) is longer than window (1h): that could never be "
		    "ready; shorten it too");
	return err;
}

static int parse_root(struct reader *r, const struct tree *node)
{
#define AT(member) offsetof(struct config, member)
	static const struct field fields[] = {
	    {"listen", parse_listen, 0, NULL},
	    {"mirror_metrics_enabled", parse_bool, AT(mirror_metrics_enabled), NULL},
	    {"mirror_failure_threshold", parse_threshold, AT(failure_threshold), NULL},
	    {"window", parse_window, AT(window_us), NULL},
	    {"pin", parse_pin, AT(pin), NULL},
	    {"max_clusters", parse_max_clusters, AT(max_clusters), NULL},
	    {"ring_bytes", parse_ring, AT(ring_bytes), NULL},
	    {"match_memory", parse_match_memory, AT(match_memory), NULL},
	    {"attach", parse_attach, AT(attach), NULL},
	    {"tls", parse_tls, AT(tls), NULL},
	    {"log_level", parse_log_level, AT(log_level), NULL},
	    {"state", parse_state, AT(state), NULL},
	    {"user", parse_user, AT(user), NULL},
	    {"readiness", parse_readiness, AT(readiness), NULL},
	    {"proxy", parse_proxy, AT(proxy), NULL},
	    {"clusters", parse_clusters, 0, NULL},
	};
#undef AT

	return parse_mapping(r, node, fields, sizeof(fields) / sizeof(*fields), r->config);
}

/* What the mapping's own rules cannot say. */
static int check_whole(struct reader *r, const struct tree *root)
{
	const struct config *config = r->config;
	const struct config_proxy *proxy = &config->proxy;
	struct config_problem problem;

	if (config->mirror_metrics_enabled && !proxy->comm && !proxy->exe && !proxy->cgroup && !proxy->pid)
		return reader_fail(r, root->line, root->column,
				   "proxy: missing; write proxy: { comm: NAME } with any of comm, exe, "
				   "pid, cgroup, or mirror_metrics_enabled: false");
	if (config->mirror_metrics_enabled && config->cluster_count == 0)
		return reader_fail(
		    r, root->line, root->column,
		    "clusters: missing or empty; give at least one with name, primary and mirror, or "
		    "mirror_metrics_enabled: false");
	if (config->cluster_count > config->max_clusters)
		return reader_fail(r, root->line, root->column,
				   "clusters: %zu are given, max_clusters is %u; raise it to at most %d",
				   config->cluster_count, config->max_clusters, CONFIG_CLUSTERS_MAX);
	if (config_check_endpoints(config, &problem))
		return reader_fail(r, problem.line, problem.column, "%s", problem.text);
	return 0;
}

int config_fields(struct reader *r, const struct tree *root)
{
	if (!root || tree_is_null(root))
		return reader_fail(r, 1, 1, "the file is empty; at least proxy and clusters are needed");
	return parse_root(r, root) ?: check_whole(r, root);
}
