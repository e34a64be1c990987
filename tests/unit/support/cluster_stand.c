/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "support/cluster_stand.h"

static struct role role_of(void *ctx, const struct address *remote, const char *path, const char *database)
{
	const struct cluster_stand *f = ctx;

	(void)database; /* of no start-up packet: all were there before */
	return classify(f->table, remote, path, "app");
}

bool cluster_reload(struct cluster_stand *f, const char *text)
{
	struct config *config;
	char *error = NULL;
	int err;

	assert_int_equal(config_parse(&config, "test", text, strlen(text), &error), 0);
	if (f->conns)
		conns_leave_roles(f->conns);
	err = clusters_configure(f->clusters, config);
	if (err) {
		conns_reclassify(f->conns);
		config_free(&config);
		return false;
	}
	classify_free(&f->table);
	assert_int_equal(classify_new(&f->table, config, NULL, NULL), 0);
	config_free(&f->config);
	f->config = config;
	if (f->conns)
		conns_reclassify(f->conns);
	return true;
}

int cluster_set_up(void **state)
{
	static struct cluster_stand f;
	const struct stats_options stats = {.max_clusters = 2};
	const struct conns_options conns = {.max = 64, .session = {.queue_max = 16}};

	f = (struct cluster_stand){.now = 1000 * SECOND};
	*state = &f;
	assert_int_equal(stats_open(&f.stats, &stats), 0);
	assert_int_equal(threshold_new(&f.threshold, NULL, NULL), 0);
	assert_int_equal(clusters_new(&f.clusters, f.stats, f.threshold, NULL), 0);
	f.sink = clusters_sink(f.clusters);
	f.sink.classify = role_of;
	f.sink.classify_ctx = &f;
	assert_true(cluster_reload(&f, ONLY(A)));
	return conns_new(&f.conns, &conns, &f.sink);
}

int cluster_tear_down(void **state)
{
	struct cluster_stand *f = *state;

	conns_free(&f->conns);
	clusters_free(&f->clusters);
	classify_free(&f->table);
	threshold_free(&f->threshold);
	config_free(&f->config);
	stats_free(&f->stats);
	return 0;
}

/* ------------------------------------------------------------------------------------------- traffic */

void cluster_side(struct cluster_side *side, enum target target, uint64_t clusters)
{
	*side = (struct cluster_side){.view.role = {.target = target, .clusters = clusters}};
	side->view.user = &side->user;
}

struct session_query cluster_ask(struct cluster_stand *f, struct cluster_side *side, uint64_t key,
				 const char *text)
{
	struct session_query query = {
	    .serial = ++f->serial, .sent_ns = f->now, .keyed = true, .key = {key, 0}};

	query.text = text;
	query.text_len = strlen(text);
	f->sink.sent(f->sink.ctx, &side->view, &query);
	return query;
}

void cluster_answer(struct cluster_stand *f, struct cluster_side *side, struct session_query *query)
{
	const struct session_statement statement = {
	    .sent_ns = query->sent_ns, .done_ns = f->now, .outcome = OUTCOME_SUCCESS, .tag = "SELECT"};
	const struct session_request request = {.sent_ns = query->sent_ns,
						.done_ns = f->now,
						.outcome = OUTCOME_SUCCESS,
						.kind = REQUEST_MIRRORED};

	query->done_ns = f->now;
	query->outcome = OUTCOME_SUCCESS;
	f->sink.answered(f->sink.ctx, &side->view, query);
	f->sink.statement(f->sink.ctx, &side->view, &statement);
	f->sink.request(f->sink.ctx, &side->view, &request);
}

static void exchange(struct cluster_stand *f, struct cluster_side *side, uint64_t key)
{
	struct session_query query = cluster_ask(f, side, key, "SELECT 1");

	f->now += SECOND / 1000;
	cluster_answer(f, side, &query);
}

void cluster_run(struct cluster_stand *f, size_t i)
{
	struct cluster_side primary, mirror;

	cluster_side(&primary, TARGET_PRIMARY, 1ull << i);
	cluster_side(&mirror, TARGET_MIRROR, 1ull << i);
	for (uint64_t n = 0; n < STATEMENTS; n++) {
		exchange(f, &primary, f->serial + 1000);
		exchange(f, &mirror, f->serial - 1 + 1000);
		f->now += SECOND / 4;
		clusters_tick(f->clusters, f->now);
	}
	f->sink.closed(f->sink.ctx, &primary.view);
	f->sink.closed(f->sink.ctx, &mirror.view);
	clusters_sync(f->clusters);
}

/* --------------------------------------------------------------------------------------- what is known */

struct stats_cluster *cluster_counters(struct cluster_stand *f, size_t i)
{
	return stats_cluster(f->stats, clusters_config(f->clusters, i)->name);
}

const struct readiness_check *cluster_check(const struct readiness *readiness, const char *name)
{
	for (size_t i = 0; i < READINESS_CHECK_COUNT; i++)
		if (strcmp(readiness->checks[i].name, name) == 0)
			return &readiness->checks[i];
	fail_msg("no check %s", name);
	return NULL;
}

void assert_known(struct cluster_stand *f, size_t i)
{
	struct readiness readiness;

	clusters_readiness(f->clusters, i, f->now, &readiness);
	assert_false(isnan(match_share(twins_match(clusters_twins(f->clusters, i)))));
	assert_int_equal(top_count(twins_top(clusters_twins(f->clusters, i))), 1);
	assert_int_equal(cluster_check(&readiness, "observed")->verdict, VERDICT_READY);
	assert_true(cluster_check(&readiness, "statements")->value > 0);
}

void assert_unknown(struct cluster_stand *f, size_t i)
{
	struct match *match = twins_match(clusters_twins(f->clusters, i));
	struct readiness readiness;
	const char *name;

	for (int tick = 0; tick < 2; tick++) {
		clusters_readiness(f->clusters, i, f->now, &readiness);
		assert_int_not_equal(readiness.verdict, VERDICT_READY);
		assert_int_not_equal(cluster_check(&readiness, "observed")->verdict, VERDICT_READY);
		assert_true(cluster_check(&readiness, "statements")->value == 0);
		assert_true(isnan(match_share(match)));
		assert_true(isnan(match_depth(match, f->now)));
		assert_int_equal(match_entries(match), 0);
		assert_int_equal(top_count(twins_top(clusters_twins(f->clusters, i))), 0);
		assert_true(isnan(threshold_exceeded(f->threshold, i, &name)));
		clusters_tick(f->clusters, f->now += SECOND / 10);
	}
}

void assert_learns(struct cluster_stand *f, size_t i)
{
	cluster_run(f, i);
	assert_known(f, i);
}
