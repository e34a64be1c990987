/* SPDX-License-Identifier: MIT */
/*
 * A cluster is its name, its endpoints and its databases: what was observed of one goes on over a reload as
 * long as they are the same, and says nothing about any other.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "support/cluster_stand.h"
#include "support/scarce.h"

/* ---------------------------------------------------------------------------------------- the cases */

static void a_reload_of_the_same_cluster_keeps_what_is_known(void **state)
{
	static const char *const same[] = {
	    ONLY(A),
	    ONLY(A "    exposure: 0.5\n    queue_limit: 7\n    request_timeout: 3s\n"),
	    SETTINGS B A,
	    ONLY(A),
	};
	struct cluster_stand *f = *state;

	cluster_run(f, 0);
	for (size_t i = 0; i < sizeof(same) / sizeof(*same); i++) {
		assert_true(cluster_reload(f, same[i]));
		assert_known(f, clusters_count(f->clusters) - 1);
	}
}

static void the_order_of_addresses_and_how_they_are_written_are_no_difference(void **state)
{
	struct cluster_stand *f = *state;

	assert_true(cluster_reload(
	    f, ONLY(CLUSTER("a", "[\"10.0.0.1:5432\", \"db.test:1\"]", "app", "127.0.0.1:2", "app"))));
	cluster_run(f, 0);
	assert_true(cluster_reload(
	    f, ONLY(CLUSTER("a", "[\"DB.test:1\", \"10.0.0.1/32:5432\"]", "app", "127.0.0.1:2", "app"))));
	assert_known(f, 0);
}

/* Each differs from A in one thing. */
static const struct difference {
	const char *name, *text;
	bool same_name;
} differences[] = {
    {"name", ONLY(CLUSTER("z", "127.0.0.1:1", "app", "127.0.0.1:2", "app")), false},
    {"primary", ONLY(CLUSTER("a", "127.0.0.9:1", "app", "127.0.0.1:2", "app")), true},
    {"primary's port", ONLY(CLUSTER("a", "127.0.0.1:9", "app", "127.0.0.1:2", "app")), true},
    {"primary as a range", ONLY(CLUSTER("a", "127.0.0.0/24:1", "app", "127.0.0.1:2", "app")), true},
    {"primary's database", ONLY(CLUSTER("a", "127.0.0.1:1", "other", "127.0.0.1:2", "app")), true},
    {"mirror", ONLY(CLUSTER("a", "127.0.0.1:1", "app", "127.0.0.9:2", "app")), true},
    {"mirror's port", ONLY(CLUSTER("a", "127.0.0.1:1", "app", "127.0.0.1:9", "app")), true},
    {"mirror's database", ONLY(CLUSTER("a", "127.0.0.1:1", "app", "127.0.0.1:2", "other")), true},
    {"mirror of any database",
     ONLY("  - name: a\n    primary: {address: 127.0.0.1:1, database: app}\n"
	  "    mirror: {address: 127.0.0.1:2}\n"),
     true},
    {"one more mirror", ONLY(CLUSTER("a", "127.0.0.1:1", "app", "[127.0.0.1:2, 127.0.0.1:9]", "app")), true},
    {"a host name", ONLY(CLUSTER("a", "127.0.0.1:1", "app", "mirror.test:2", "app")), true},
    {"a Unix-domain socket", ONLY(CLUSTER("a", "127.0.0.1:1", "app", "\"unix:/run/s\"", "app")), true},
    {"both sides exchanged", ONLY(CLUSTER("a", "127.0.0.1:2", "app", "127.0.0.1:1", "app")), true},
    {"how results are summed up",
     ONLY(CLUSTER("a", "127.0.0.1:1", "app", "127.0.0.1:2", "app") "    result_checksum: set\n"), true},
};

static void whatever_differs_begins_anew(void **state)
{
	struct cluster_stand *f = *state;

	for (size_t i = 0; i < sizeof(differences) / sizeof(*differences); i++) {
		const struct difference *one = &differences[i];
		uint64_t matched;

		assert_true(cluster_reload(f, ONLY(A)));
		cluster_run(f, 0);
		assert_known(f, 0);
		matched = cluster_counters(f, 0)->matched.value;
		assert_true(matched >= STATEMENTS);
		assert_true(cluster_reload(f, one->text));
		assert_unknown(f, 0);
		if (cluster_counters(f, 0)->matched.value != (one->same_name ? matched : 0))
			fail_msg("%s: %llu pairs of %llu", one->name,
				 (unsigned long long)cluster_counters(f, 0)->matched.value,
				 (unsigned long long)matched);
		assert_learns(f, 0);
	}
}

static void a_cluster_that_was_away_comes_back_without_a_past(void **state)
{
	struct cluster_stand *f = *state;

	cluster_run(f, 0);
	assert_true(cluster_reload(f, ONLY(B)));
	assert_unknown(f, 0);
	assert_true(cluster_reload(f, ONLY(A)));
	assert_unknown(f, 0);
	assert_int_equal(cluster_counters(f, 0)->matched.value, 0);
	assert_learns(f, 0);
}

static void two_clusters_that_exchange_their_names_know_nothing(void **state)
{
	struct cluster_stand *f = *state;
	uint64_t matched;

	assert_true(cluster_reload(f, SETTINGS A B));
	cluster_run(f, 0);
	cluster_run(f, 1);
	cluster_run(f, 1);
	matched = cluster_counters(f, 0)->matched.value;
	assert_true(cluster_reload(f, SETTINGS CLUSTER("b", "127.0.0.1:1", "app", "127.0.0.1:2", "app")
					  CLUSTER("a", "127.0.0.1:1", "app", "127.0.0.1:3", "app")));
	assert_unknown(f, 0);
	assert_unknown(f, 1);
	assert_int_equal(cluster_counters(f, 1)->matched.value, matched); /* by name */
}

static void clusters_in_another_order_keep_what_is_known_of_each(void **state)
{
	struct cluster_stand *f = *state;

	assert_true(cluster_reload(f, SETTINGS A B));
	cluster_run(f, 0);
	assert_true(cluster_reload(f, SETTINGS B A));
	assert_known(f, 1);
	assert_true(isnan(match_share(twins_match(clusters_twins(f->clusters, 0)))));
	assert_int_equal(top_count(twins_top(clusters_twins(f->clusters, 0))), 0);
}

/* Statements on their way over a reload: the part of a connection in evidence that goes on goes on too. */
static void what_is_on_its_way_finds_its_twin_after_a_reload_of_another_cluster(void **state)
{
	struct cluster_stand *f = *state;
	struct cluster_side primary, mirror;
	struct session_query first, second;

	cluster_side(&primary, TARGET_PRIMARY, 1);
	cluster_side(&mirror, TARGET_MIRROR, 1);
	first = cluster_ask(f, &primary, 7, "SELECT 1");
	second = cluster_ask(f, &mirror, 7, "SELECT 1");
	assert_true(cluster_reload(f, SETTINGS B A));
	primary.view.role.clusters = 3;
	mirror.view.role.clusters = 2;
	cluster_answer(f, &primary, &first);
	cluster_answer(f, &mirror, &second);
	clusters_sync(f->clusters);
	assert_int_equal(cluster_counters(f, 1)->compared.value, 1);
	assert_int_equal(cluster_counters(f, 1)->unanswered.value, 0);
	f->sink.closed(f->sink.ctx, &primary.view);
	f->sink.closed(f->sink.ctx, &mirror.view);
}

static uint64_t unanswered(struct cluster_stand *f, size_t i, enum match_side side)
{
	return twins_unanswered(clusters_twins(f->clusters, i), side, f->now).statements;
}

/* The parts of a cluster's connections point to each other: each is found where a reload has moved it. */
static void what_waits_for_an_answer_is_counted_once_after_any_reload(void **state)
{
	struct cluster_stand *f = *state;
	struct cluster_side sides[3];
	struct session_query asked[3];

	for (size_t i = 0; i < 3; i++) {
		cluster_side(&sides[i], TARGET_MIRROR, 1);
		asked[i] = cluster_ask(f, &sides[i], i, "SELECT 1");
	}
	assert_true(cluster_reload(f, SETTINGS B A));
	alarm(10); /* a circle has no end */
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(unanswered(f, 1, MATCH_MIRROR), 3 - i);
		sides[i].view.role.clusters = 2;
		cluster_answer(f, &sides[i], &asked[i]);
	}
	assert_int_equal(unanswered(f, 1, MATCH_MIRROR), 0);
	for (size_t i = 0; i < 3; i++)
		f->sink.closed(f->sink.ctx, &sides[(i + 1) % 3].view);
	assert_int_equal(unanswered(f, 1, MATCH_MIRROR), 0);
	alarm(0);
}

/* Memory that is freed may be given out again at the same place: a matcher is not known by it. */
static void a_connection_older_than_the_reload_has_no_part_in_what_begins_anew(void **state)
{
	struct cluster_stand *f = *state;
	struct cluster_side primary, mirror;
	struct session_query first, second;

	for (int i = 0; i < 20; i++) {
		cluster_side(&primary, TARGET_PRIMARY, 1);
		cluster_side(&mirror, TARGET_MIRROR, 1);
		first = cluster_ask(f, &primary, 7, "SELECT 1");
		second = cluster_ask(f, &mirror, 7, "SELECT 1");
		assert_true(cluster_reload(f, i % 2 ? ONLY(A) : differences[5].text));
		cluster_answer(f, &mirror, &second);
		if (i % 3)
			cluster_answer(f, &primary, &first);
		f->sink.closed(f->sink.ctx, &primary.view);
		f->sink.closed(f->sink.ctx, &mirror.view);
		assert_int_equal(match_entries(twins_match(clusters_twins(f->clusters, 0))), 0);
	}
}

/* A name that another name's address comes to stand for, without a reload. */
static void a_cluster_that_has_moved_begins_anew_and_keeps_its_counters(void **state)
{
	struct cluster_stand *f = *state;
	uint64_t matched;

	cluster_run(f, 0);
	matched = cluster_counters(f, 0)->matched.value;
	assert_int_equal(clusters_renew(f->clusters, 0), 0);
	assert_unknown(f, 0);
	assert_int_equal(cluster_counters(f, 0)->matched.value, matched);
	assert_learns(f, 0);
	assert_int_equal(cluster_counters(f, 0)->matched.value, matched + STATEMENTS);
}

static void a_counter_that_falls_makes_no_figure(void **state)
{
	struct cluster_stand *f = *state;
	struct readiness readiness;

	cluster_run(f, 0);
	cluster_counters(f, 0)->primary.statements.success = 1;
	clusters_readiness(f->clusters, 0, f->now, &readiness);
	assert_int_not_equal(readiness.verdict, VERDICT_READY);
	for (size_t i = 0; i < READINESS_CHECK_COUNT; i++)
		assert_false(readiness.checks[i].value > 1e12);
	for (int i = 0; i < 2; i++) /* and the tick after the next copy is right again */
		cluster_run(f, 0);
	clusters_readiness(f->clusters, 0, f->now, &readiness);
	assert_true(cluster_check(&readiness, "statements")->value > 0);
	assert_false(cluster_check(&readiness, "statements")->value > 1e12);
}

/* ------------------------------------------------------------------------------------ connections */

static void connect_to(struct cluster_stand *f, uint16_t port)
{
	struct event_open open = {.h = {.sock = ++f->sockets, .time = f->now, .kind = EVENT_OPEN}};
	const uint8_t localhost[16] = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1};

	open.h.flags = EVENT_F_BEFORE;
	open.state = TCP_ESTABLISHED;
	memcpy(open.remote, localhost, sizeof(localhost));
	open.remote_port = port;
	conns_event(f->conns, &open.h);
}

static void assert_open(struct cluster_stand *f, size_t i, uint64_t primary, uint64_t mirror)
{
	const struct stats_cluster *stats = cluster_counters(f, i);

	assert_int_equal(stats->primary.connections.plain + stats->primary.connections.resyncing, primary);
	assert_int_equal(stats->mirror.connections.plain + stats->mirror.connections.resyncing, mirror);
}

static void open_connections_are_counted_where_they_are_after_any_reload(void **state)
{
	struct cluster_stand *f = *state;

	assert_true(cluster_reload(f, SETTINGS A B));
	for (int i = 0; i < 2; i++)
		connect_to(f, 1);
	for (int i = 0; i < 3; i++)
		connect_to(f, 2);
	for (int i = 0; i < 5; i++)
		connect_to(f, 3);
	assert_open(f, 0, 2, 3);
	assert_open(f, 1, 2, 5);
	assert_true(cluster_reload(f, SETTINGS B A));
	assert_open(f, 0, 2, 5);
	assert_open(f, 1, 2, 3);
	assert_true(cluster_reload(f, ONLY(B)));
	assert_open(f, 0, 2, 5);
	assert_int_equal(stats_observer(f->stats)->unclassified.value, 3);
	assert_true(cluster_reload(f, differences[0].text));
	assert_open(f, 0, 2, 3);
	assert_int_equal(stats_observer(f->stats)->unclassified.value, 5);
	conns_free(&f->conns);
	assert_open(f, 0, 0, 0);
	assert_int_equal(stats_observer(f->stats)->unclassified.value, 0);
}

/* ---------------------------------------------------------------------------------------- memory */

static void when_memory_is_short_a_reload_changes_nothing(void **state)
{
	static const char other[] =
	    SETTINGS B CLUSTER("a", "127.0.0.1:1", "app", "127.0.0.9:2", "app") "    exposure: 0.5\n";
	struct cluster_stand *f = *state;
	struct stats_cluster before;
	unsigned refused = 0;
	bool done = false;

	connect_to(f, 2);
	cluster_run(f, 0);
	before = *cluster_counters(f, 0);
	for (unsigned count = 0; !done; count++) {
		struct config *config;
		char *error = NULL;

		assert_int_equal(config_parse(&config, "test", other, strlen(other), &error), 0);
		scarce_begin(count);
		done = clusters_configure(f->clusters, config) == 0;
		if (scarce_end())
			refused++;
		if (!done) {
			assert_int_equal(clusters_count(f->clusters), 1);
			assert_string_equal(clusters_config(f->clusters, 0)->name, "a");
			assert_memory_equal(cluster_counters(f, 0), &before, sizeof(before));
			assert_int_equal(threshold_count(f->threshold), 1);
			assert_known(f, 0);
			config_free(&config);
			continue;
		}
		config_free(&f->config);
		f->config = config;
	}
	assert_true(refused > 10);
	assert_unknown(f, 0);
	assert_unknown(f, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CLUSTER_TEST(a_reload_of_the_same_cluster_keeps_what_is_known),
	    CLUSTER_TEST(the_order_of_addresses_and_how_they_are_written_are_no_difference),
	    CLUSTER_TEST(whatever_differs_begins_anew),
	    CLUSTER_TEST(a_cluster_that_was_away_comes_back_without_a_past),
	    CLUSTER_TEST(two_clusters_that_exchange_their_names_know_nothing),
	    CLUSTER_TEST(clusters_in_another_order_keep_what_is_known_of_each),
	    CLUSTER_TEST(what_is_on_its_way_finds_its_twin_after_a_reload_of_another_cluster),
	    CLUSTER_TEST(what_waits_for_an_answer_is_counted_once_after_any_reload),
	    CLUSTER_TEST(a_connection_older_than_the_reload_has_no_part_in_what_begins_anew),
	    CLUSTER_TEST(a_cluster_that_has_moved_begins_anew_and_keeps_its_counters),
	    CLUSTER_TEST(a_counter_that_falls_makes_no_figure),
	    CLUSTER_TEST(open_connections_are_counted_where_they_are_after_any_reload),
	    CLUSTER_TEST(when_memory_is_short_a_reload_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
