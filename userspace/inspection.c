/* SPDX-License-Identifier: MIT */
#include "inspection.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "diagnosis/groups.h"

/* What was counted of a side lately: the counters in the map are older than this process, and than any cure.
 */
struct lately {
	bool known;
	uint64_t statements, unkeyed;               /* of the last run */
	uint64_t recent_statements, recent_unkeyed; /* since then, and half of what was before */
};

struct inspection {
	struct groups *groups;
	struct lately lately[CONFIG_CLUSTERS_MAX][2];
	struct diagnosis diagnosis, before;
	size_t processes;
	bool ran;
};

int inspection_new(struct inspection **out)
{
	struct inspection *inspection = calloc(1, sizeof(*inspection));

	if (!inspection)
		return -ENOMEM;
	if (groups_new(&inspection->groups)) {
		free(inspection);
		return -ENOMEM;
	}
	*out = inspection;
	return 0;
}

void inspection_free(struct inspection **inspection)
{
	if (!*inspection)
		return;
	groups_free(&(*inspection)->groups);
	free(*inspection);
	*inspection = NULL;
}

void inspection_startup(struct inspection *inspection, const struct address *remote, const char *database,
			const struct role *role)
{
	groups_startup(inspection->groups, remote, database, role->target != TARGET_NONE || role->ambiguous);
}

/* ------------------------------------------------------------------------------------------ what is known */

static void count_lately(struct lately *lately, uint64_t statements, uint64_t unkeyed)
{
	if (statements < lately->statements || unkeyed < lately->unkeyed || !lately->known)
		*lately = (struct lately){.known = true, .statements = statements, .unkeyed = unkeyed};
	lately->recent_statements = lately->recent_statements / 2 + statements - lately->statements;
	lately->recent_unkeyed = lately->recent_unkeyed / 2 + unkeyed - lately->unkeyed;
	lately->statements = statements;
	lately->unkeyed = unkeyed;
}

static struct diagnosis_side side_of(const struct stats_target *stats, struct lately *lately)
{
	const struct stats_STATUS *statements = &stats->statements;

	count_lately(lately, statements->success + statements->failure + statements->unknown,
		     stats->unmatched.unkeyed);
	return (struct diagnosis_side){.plain = stats->connections.plain,
				       .encrypted = stats->connections.encrypted,
				       .resyncing = stats->connections.resyncing,
				       .statements = lately->recent_statements,
				       .unkeyed = lately->recent_unkeyed};
}

static void look_at_clusters(struct inspection *inspection, struct clusters *clusters,
			     struct diagnosis_cluster *out)
{
	for (size_t i = 0; i < clusters_count(clusters); i++) {
		const struct twins_order order = twins_order(clusters_twins(clusters, i));
		const struct stats_cluster *stats = clusters_stats(clusters, i);
		struct lately *lately = inspection->lately[i];

		out[i] =
		    (struct diagnosis_cluster){.primary = side_of(&stats->primary, &lately[TARGET_PRIMARY]),
					       .mirror = side_of(&stats->mirror, &lately[TARGET_MIRROR]),
					       .pairs = order.pairs,
					       .inverted = order.inverted};
	}
}

/* --------------------------------------------------------------------------------------- what is new in it
 */

static bool is_among(const struct diagnosis_finding *finding, const struct diagnosis *list)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->findings[i].kind == finding->kind && list->findings[i].cluster == finding->cluster)
			return true;
	return false;
}

/* Numbers in a sentence change with each run: a finding is the same as long as its kind and cluster are. */
static void say_what_is_new(const struct inspection *inspection)
{
	const struct diagnosis *now = &inspection->diagnosis, *before = &inspection->before;

	for (size_t i = 0; i < now->count; i++)
		if (!is_among(&now->findings[i], before))
			log_warning("%s", now->findings[i].text);
	if (!now->count && before->count)
		log_info("the configuration fits: every cluster has connections to both sides");
}

static void tell_clusters(const struct inspection *inspection, struct clusters *clusters)
{
	for (size_t i = 0; i < clusters_count(clusters); i++) {
		const struct diagnosis_finding *finding = diagnosis_of(&inspection->diagnosis, i);

		/* A proxy that is restarted leaves what was seen of it as it is. */
		clusters_set_diagnosis(clusters, i, finding ? finding->text : "",
				       finding && finding->wrong && finding->kind != DIAGNOSIS_NO_PROCESS);
	}
}

int inspection_run(struct inspection *inspection, const struct inspection_subject *subject, bool say)
{
	struct diagnosis_cluster counted[CONFIG_CLUSTERS_MAX] = {0};
	struct diagnosis_input input = {
	    .config = subject->config, .classify = subject->classify, .clusters = counted};
	char proxy[512];
	int err;

	groups_begin(inspection->groups);
	err = probe_survey(subject->probe, false, groups_add, inspection->groups);
	if (err)
		return err;
	groups_finish(inspection->groups);
	look_at_clusters(inspection, subject->clusters, counted);
	input.proxy = proxy_describe(subject->proxy, proxy, sizeof(proxy));
	input.groups = groups_list(inspection->groups, &input.group_count);
	input.processes = inspection->processes = groups_processes(inspection->groups);
	inspection->before = inspection->diagnosis;
	diagnose(&input, &inspection->diagnosis);
	inspection->ran = true;
	if (say)
		say_what_is_new(inspection);
	tell_clusters(inspection, subject->clusters);
	return 0;
}

const struct diagnosis *inspection_diagnosis(const struct inspection *inspection)
{
	return &inspection->diagnosis;
}

const struct diagnosis_group *inspection_groups(const struct inspection *inspection, size_t *count)
{
	return groups_list(inspection->groups, count);
}

size_t inspection_processes(const struct inspection *inspection)
{
	return inspection->processes;
}

/* ------------------------------------------------------------------------------------------------ metrics */

static void write_side(struct exposition *x, const char *cluster, const char *target,
		       const struct stats_target *stats, uint64_t found)
{
	const struct stats_STATE *c = &stats->connections;
	uint64_t known = c->plain + c->encrypted + c->resyncing;
	const struct {
		const char *state;
		uint64_t count;
	} rows[] = {{"plain", c->plain},
		    {"tls", 0},
		    {"encrypted", c->encrypted},
		    {"resyncing", c->resyncing},
		    {"unclassified", found > known ? found - known : 0}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		exposition_integer(x,
				   LABELS({"cluster", cluster}, {"target", target}, {"state", rows[i].state}),
				   rows[i].count);
}

void inspection_write(const struct inspection *inspection, const struct clusters *clusters,
		      struct exposition *x)
{
	exposition_family(x, "mirror_observer_proxy_processes", EXPOSITION_GAUGE,
			  "Processes that `proxy` selects now and that hold a socket");
	exposition_integer(x, NO_LABELS, inspection->processes);
	exposition_family(
	    x, "mirror_observer_backend_connections", EXPOSITION_GAUGE,
	    "Open connections of those processes to a side of a cluster, as found in the kernel");
	for (size_t i = 0; i < clusters_count(clusters); i++) {
		const char *name = clusters_config(clusters, i)->name;
		const struct stats_cluster *stats = clusters_stats(clusters, i);

		write_side(x, name, "primary", &stats->primary, inspection->diagnosis.connections[i][0]);
		write_side(x, name, "mirror", &stats->mirror, inspection->diagnosis.connections[i][1]);
	}
}
