/* SPDX-License-Identifier: MIT */
#include "config/config_check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "bpf/event.h"
#include "config/text.h"

/* Endpoint i of the configuration: primary and mirror of each cluster in turn. */
static const struct config_endpoint *endpoint(const struct config *config, size_t i)
{
	const struct config_cluster *cluster = &config->clusters[i / 2];

	return i % 2 ? &cluster->mirror : &cluster->primary;
}

static const char *role(size_t i)
{
	return i % 2 ? "mirror" : "primary";
}

static bool same_address(const struct config_address *a, const struct config_address *b)
{
	if (a->host && b->host)
		return strcasecmp(a->host, b->host) == 0 && a->range.base.port == b->range.base.port;
	return !a->host && !b->host && address_range_overlaps(&a->range, &b->range);
}

static bool same_database(const struct config_endpoint *a, const struct config_endpoint *b)
{
	return !a->database || !b->database || strcmp(a->database, b->database) == 0;
}

static const struct config_address *shared_address(const struct config_endpoint *a,
						   const struct config_endpoint *b,
						   const struct config_address **other)
{
	for (size_t i = 0; i < b->address_count; i++)
		for (size_t j = 0; j < a->address_count; j++)
			if (same_address(&a->addresses[j], &b->addresses[i])) {
				*other = &a->addresses[j];
				return &b->addresses[i];
			}
	return NULL;
}

static int check_pair(const struct config *config, size_t first, size_t second, struct config_problem *out)
{
	const struct config_endpoint *a = endpoint(config, first), *b = endpoint(config, second);
	const struct config_address *mine, *other;
	char quoted[TEXT_QUOTED_MAX];

	if ((first % 2 == 0 && second % 2 == 0) || !same_database(a, b))
		return 0;
	mine = shared_address(a, b, &other);
	if (!mine)
		return 0;
	out->line = mine->line;
	out->column = mine->column;
	snprintf(out->text, sizeof(out->text),
		 "clusters[%zu].%s.address: %s is the %s of cluster %s already (line %u); an endpoint can be "
		 "one mirror "
		 "or a primary, unless the databases differ",
		 second / 2, role(second), text_quote(mine->text, quoted), role(first),
		 config->clusters[first / 2].name, other->line);
	return -EINVAL;
}

/* The same address twice in one list is a slip of the pen. */
static int check_list(const struct config *config, size_t i, struct config_problem *out)
{
	const struct config_endpoint *e = endpoint(config, i);
	char quoted[TEXT_QUOTED_MAX];

	for (size_t k = 1; k < e->address_count; k++)
		for (size_t j = 0; j < k; j++) {
			if (!same_address(&e->addresses[j], &e->addresses[k]))
				continue;
			out->line = e->addresses[k].line;
			out->column = e->addresses[k].column;
			snprintf(out->text, sizeof(out->text),
				 "clusters[%zu].%s.address: %s is covered by line %u already; list each "
				 "address once",
				 i / 2, role(i), text_quote(e->addresses[k].text, quoted),
				 e->addresses[j].line);
			return -EINVAL;
		}
	return 0;
}

static bool is_first(const struct config *config, size_t e, size_t a)
{
	const struct config_address *mine = &endpoint(config, e)->addresses[a];

	for (size_t i = 0; i <= e; i++)
		for (size_t j = 0; j < (i < e ? endpoint(config, i)->address_count : a); j++)
			if (same_address(&endpoint(config, i)->addresses[j], mine))
				return false;
	return true;
}

/* The kernel side has room for FILTER_MAX_TARGETS. */
static int check_count(const struct config *config, struct config_problem *out)
{
	size_t count = 0;

	for (size_t i = 0; i < 2 * config->cluster_count; i++)
		for (size_t j = 0; j < endpoint(config, i)->address_count; j++) {
			count += is_first(config, i, j);
			if (count <= FILTER_MAX_TARGETS)
				continue;
			out->line = endpoint(config, i)->addresses[j].line;
			out->column = endpoint(config, i)->addresses[j].column;
			snprintf(
			    out->text, sizeof(out->text),
			    "clusters[%zu].%s.address: more than %u different addresses in all; write blocks "
			    "such as 10.0.0.0/24:5432",
			    i / 2, role(i), FILTER_MAX_TARGETS);
			return -EINVAL;
		}
	return 0;
}

int config_check_endpoints(const struct config *config, struct config_problem *out)
{
	for (size_t i = 0; i < 2 * config->cluster_count; i++) {
		if (check_list(config, i, out))
			return -EINVAL;
		for (size_t j = 0; j < i; j++)
			if (check_pair(config, j, i, out))
				return -EINVAL;
	}
	return check_count(config, out);
}
