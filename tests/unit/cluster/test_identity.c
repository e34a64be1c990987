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

#include "cluster/cluster.h"
#include "support/scarce.h"

#define SECOND     1000000000ull
#define STATEMENTS 40
#define SETTINGS                                                                      \
	"proxy: {comm: pgpool}\nreadiness: {window: 60s, observed: 1s}\nwindow: 1m\n" \
	"mirror_failure_threshold: 5\nclusters:\n"
#define CLUSTER(name, primary, primary_db, mirror, mirror_db)                                 \
	"  - name: " name "\n    primary: {address: " primary ", database: " primary_db "}\n" \
	"    mirror: {address: " mirror ", database: " mirror_db "}\n"

#define A       CLUSTER("a", "127.0.0.1:1", "app", "127.0.0.1:2", "app")
#define B       CLUSTER("b", "127.0.0.1:1", "app", "127.0.0.1:3", "app")
#define ONLY(x) SETTINGS x

struct fixture {
	struct stats *stats;
	struct threshold *threshold;
	struct config *config;
	struct clusters *clusters;
	struct classify *table;
	struct conns *conns;
	struct conn_sink sink;
	uint64_t now, serial, sockets;
};

static struct role role_of(void *ctx, const struct address *remote, const char *path, const char *database)
{
	const struct fixture *f = ctx;

	(void)database; /* of no start-up packet: all were there before */
	return classify(f->table, remote, path, "app");
}

/* As observation_reload() does; false when memory was short, and then all is as before. */
static bool reload(struct fixture *f, const char *text)
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

static int set_up(void **state)
{
	static struct fixture f;
	const struct stats_options stats = {.max_clusters = 2};
	const struct conns_options conns = {.max = 64, .session = {.queue_max = 16}};

	f = (struct fixture){.now = 1000 * SECOND};
	*state = &f;
	assert_int_equal(stats_open(&f.stats, &stats), 0);
	assert_int_equal(threshold_new(&f.threshold, NULL, NULL), 0);
	assert_int_equal(clusters_new(&f.clusters, f.stats, f.threshold, NULL), 0);
	f.sink = clusters_sink(f.clusters);
	f.sink.classify = role_of;
	f.sink.classify_ctx = &f;
	assert_true(reload(&f, ONLY(A)));
	return conns_new(&f.conns, &conns, &f.sink);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	conns_free(&f->conns);
	clusters_free(&f->clusters);
	classify_free(&f->table);
	threshold_free(&f->threshold);
	config_free(&f->config);
	stats_free(&f->stats);
	return 0;
}

/* ------------------------------------------------------------------------------------------- traffic */

struct side {
	struct conn_view view;
	void *user;
};

static void open_side(struct side *side, enum target target, uint64_t clusters)
{
	*side = (struct side){.view.role = {.target = target, .clusters = clusters}};
	side->view.user = &side->user;
}

static struct session_query ask(struct fixture *f, struct side *side, uint64_t key, const char *text)
{
	struct session_query query = {
	    .serial = ++f->serial, .sent_ns = f->now, .keyed = true, .key = {key, 0}};

	query.text = text;
	query.text_len = strlen(text);
	f->sink.sent(f->sink.ctx, &side->view, &query);
	return query;
}

static void answer(struct fixture *f, struct side *side, struct session_query *query)
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

static void exchange(struct fixture *f, struct side *side, uint64_t key)
{
	struct session_query query = ask(f, side, key, "SELECT 1");

	f->now += SECOND / 1000;
	answer(f, side, &query);
}

/* Statements of the i-th cluster, each on both sides, and some seconds of it. */
static void run(struct fixture *f, size_t i)
{
	struct side primary, mirror;

	open_side(&primary, TARGET_PRIMARY, 1ull << i);
	open_side(&mirror, TARGET_MIRROR, 1ull << i);
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

static struct stats_cluster *counters(struct fixture *f, size_t i)
{
	return stats_cluster(f->stats, clusters_config(f->clusters, i)->name);
}

static const struct readiness_check *check_named(const struct readiness *readiness, const char *name)
{
	for (size_t i = 0; i < READINESS_CHECK_COUNT; i++)
		if (strcmp(readiness->checks[i].name, name) == 0)
			return &readiness->checks[i];
	fail_msg("no check %s", name);
	return NULL;
}

static void assert_known(struct fixture *f, size_t i)
{
	struct readiness readiness;

	clusters_readiness(f->clusters, i, f->now, &readiness);
	assert_false(isnan(match_share(twins_match(clusters_twins(f->clusters, i)))));
	assert_int_equal(top_count(twins_top(clusters_twins(f->clusters, i))), 1);
	assert_int_equal(check_named(&readiness, "observed")->verdict, VERDICT_READY);
	assert_true(check_named(&readiness, "statements")->value > 0);
}

/* Nothing is known, and no check passes on what was counted before. */
static void assert_unknown(struct fixture *f, size_t i)
{
	struct match *match = twins_match(clusters_twins(f->clusters, i));
	struct readiness readiness;
	const char *name;

	for (int tick = 0; tick < 2; tick++) {
		clusters_readiness(f->clusters, i, f->now, &readiness);
		assert_int_not_equal(readiness.verdict, VERDICT_READY);
		assert_int_not_equal(check_named(&readiness, "observed")->verdict, VERDICT_READY);
		assert_true(check_named(&readiness, "statements")->value == 0);
		assert_true(isnan(match_share(match)));
		assert_true(isnan(match_depth(match, f->now)));
		assert_int_equal(match_entries(match), 0);
		assert_int_equal(top_count(twins_top(clusters_twins(f->clusters, i))), 0);
		assert_true(isnan(threshold_exceeded(f->threshold, i, &name)));
		clusters_tick(f->clusters, f->now += SECOND / 10);
	}
}

/* After as much as was seen of the first: not only not yet. */
static void assert_learns(struct fixture *f, size_t i)
{
	run(f, i);
	assert_known(f, i);
}

/* ---------------------------------------------------------------------------------------- the cases */

static void a_reload_of_the_same_cluster_keeps_what_is_known(void **state)
{
	static const char *const same[] = {
	    ONLY(A),
	    ONLY(A "    exposure: 0.5\n    queue_limit: 7\n    request_timeout: 3s\n"),
	    SETTINGS B A,
	    ONLY(A),
	};
	struct fixture *f = *state;

	run(f, 0);
	for (size_t i = 0; i < sizeof(same) / sizeof(*same); i++) {
		assert_true(reload(f, same[i]));
		assert_known(f, clusters_count(f->clusters) - 1);
	}
}

static void the_order_of_addresses_and_how_they_are_written_are_no_difference(void **state)
{
	struct fixture *f = *state;

	assert_true(
	    reload(f, ONLY(CLUSTER("a", "[\"10.0.0.1:5432\", \"db.test:1\"]", "app", "127.0.0.1:2", "app"))));
	run(f, 0);
	assert_true(reload(
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
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(differences) / sizeof(*differences); i++) {
		const struct difference *one = &differences[i];
		uint64_t matched;

		assert_true(reload(f, ONLY(A)));
		run(f, 0);
		assert_known(f, 0);
		matched = counters(f, 0)->matched.value;
		assert_true(matched >= STATEMENTS);
		assert_true(reload(f, one->text));
		assert_unknown(f, 0);
		if (counters(f, 0)->matched.value != (one->same_name ? matched : 0))
			fail_msg("%s: %llu pairs of %llu", one->name,
				 (unsigned long long)counters(f, 0)->matched.value,
				 (unsigned long long)matched);
		assert_learns(f, 0);
	}
}

static void a_cluster_that_was_away_comes_back_without_a_past(void **state)
{
	struct fixture *f = *state;

	run(f, 0);
	assert_true(reload(f, ONLY(B)));
	assert_unknown(f, 0);
	assert_true(reload(f, ONLY(A)));
	assert_unknown(f, 0);
	assert_int_equal(counters(f, 0)->matched.value, 0);
	assert_learns(f, 0);
}

static void two_clusters_that_exchange_their_names_know_nothing(void **state)
{
	struct fixture *f = *state;
	uint64_t matched;

	assert_true(reload(f, SETTINGS A B));
	run(f, 0);
	run(f, 1);
	run(f, 1);
	matched = counters(f, 0)->matched.value;
	assert_true(reload(f, SETTINGS CLUSTER("b", "127.0.0.1:1", "app", "127.0.0.1:2", "app")
				  CLUSTER("a", "127.0.0.1:1", "app", "127.0.0.1:3", "app")));
	assert_unknown(f, 0);
	assert_unknown(f, 1);
	assert_int_equal(counters(f, 1)->matched.value, matched); /* by name */
}

static void clusters_in_another_order_keep_what_is_known_of_each(void **state)
{
	struct fixture *f = *state;

	assert_true(reload(f, SETTINGS A B));
	run(f, 0);
	assert_true(reload(f, SETTINGS B A));
	assert_known(f, 1);
	assert_true(isnan(match_share(twins_match(clusters_twins(f->clusters, 0)))));
	assert_int_equal(top_count(twins_top(clusters_twins(f->clusters, 0))), 0);
}

/* Statements on their way over a reload: the part of a connection in evidence that goes on goes on too. */
static void what_is_on_its_way_finds_its_twin_after_a_reload_of_another_cluster(void **state)
{
	struct fixture *f = *state;
	struct side primary, mirror;
	struct session_query first, second;

	open_side(&primary, TARGET_PRIMARY, 1);
	open_side(&mirror, TARGET_MIRROR, 1);
	first = ask(f, &primary, 7, "SELECT 1");
	second = ask(f, &mirror, 7, "SELECT 1");
	assert_true(reload(f, SETTINGS B A));
	primary.view.role.clusters = 3;
	mirror.view.role.clusters = 2;
	answer(f, &primary, &first);
	answer(f, &mirror, &second);
	clusters_sync(f->clusters);
	assert_int_equal(counters(f, 1)->compared.value, 1);
	assert_int_equal(counters(f, 1)->unanswered.value, 0);
	f->sink.closed(f->sink.ctx, &primary.view);
	f->sink.closed(f->sink.ctx, &mirror.view);
}

/* Memory that is freed may be given out again at the same place: a matcher is not known by it. */
static void a_connection_older_than_the_reload_has_no_part_in_what_begins_anew(void **state)
{
	struct fixture *f = *state;
	struct side primary, mirror;
	struct session_query first, second;

	for (int i = 0; i < 20; i++) {
		open_side(&primary, TARGET_PRIMARY, 1);
		open_side(&mirror, TARGET_MIRROR, 1);
		first = ask(f, &primary, 7, "SELECT 1");
		second = ask(f, &mirror, 7, "SELECT 1");
		assert_true(reload(f, i % 2 ? ONLY(A) : differences[5].text));
		answer(f, &mirror, &second);
		if (i % 3)
			answer(f, &primary, &first);
		f->sink.closed(f->sink.ctx, &primary.view);
		f->sink.closed(f->sink.ctx, &mirror.view);
		assert_int_equal(match_entries(twins_match(clusters_twins(f->clusters, 0))), 0);
	}
}

/* A name that another name's address comes to stand for, without a reload. */
static void a_cluster_that_has_moved_begins_anew_and_keeps_its_counters(void **state)
{
	struct fixture *f = *state;
	uint64_t matched;

	run(f, 0);
	matched = counters(f, 0)->matched.value;
	assert_int_equal(clusters_renew(f->clusters, 0), 0);
	assert_unknown(f, 0);
	assert_int_equal(counters(f, 0)->matched.value, matched);
	assert_learns(f, 0);
	assert_int_equal(counters(f, 0)->matched.value, matched + STATEMENTS);
}

static void a_counter_that_falls_makes_no_figure(void **state)
{
	struct fixture *f = *state;
	struct readiness readiness;

	run(f, 0);
	counters(f, 0)->primary.statements.success = 1;
	clusters_readiness(f->clusters, 0, f->now, &readiness);
	assert_int_not_equal(readiness.verdict, VERDICT_READY);
	for (size_t i = 0; i < READINESS_CHECK_COUNT; i++)
		assert_false(readiness.checks[i].value > 1e12);
	for (int i = 0; i < 2; i++) /* and the tick after the next copy is right again */
		run(f, 0);
	clusters_readiness(f->clusters, 0, f->now, &readiness);
	assert_true(check_named(&readiness, "statements")->value > 0);
	assert_false(check_named(&readiness, "statements")->value > 1e12);
}

/* ------------------------------------------------------------------------------------ connections */

static void connect_to(struct fixture *f, uint16_t port)
{
	struct event_open open = {.h = {.sock = ++f->sockets, .time = f->now, .kind = EVENT_OPEN}};
	const uint8_t localhost[16] = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1};

	open.h.flags = EVENT_F_BEFORE;
	open.state = TCP_ESTABLISHED;
	memcpy(open.remote, localhost, sizeof(localhost));
	open.remote_port = port;
	conns_event(f->conns, &open.h);
}

static void assert_open(struct fixture *f, size_t i, uint64_t primary, uint64_t mirror)
{
	const struct stats_cluster *stats = counters(f, i);

	assert_int_equal(stats->primary.connections.plain + stats->primary.connections.resyncing, primary);
	assert_int_equal(stats->mirror.connections.plain + stats->mirror.connections.resyncing, mirror);
}

static void open_connections_are_counted_where_they_are_after_any_reload(void **state)
{
	struct fixture *f = *state;

	assert_true(reload(f, SETTINGS A B));
	for (int i = 0; i < 2; i++)
		connect_to(f, 1);
	for (int i = 0; i < 3; i++)
		connect_to(f, 2);
	for (int i = 0; i < 5; i++)
		connect_to(f, 3);
	assert_open(f, 0, 2, 3);
	assert_open(f, 1, 2, 5);
	assert_true(reload(f, SETTINGS B A));
	assert_open(f, 0, 2, 5);
	assert_open(f, 1, 2, 3);
	assert_true(reload(f, ONLY(B)));
	assert_open(f, 0, 2, 5);
	assert_int_equal(stats_observer(f->stats)->unclassified.value, 3);
	assert_true(reload(f, differences[0].text));
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
	struct fixture *f = *state;
	struct stats_cluster before;
	unsigned refused = 0;
	bool done = false;

	connect_to(f, 2);
	run(f, 0);
	before = *counters(f, 0);
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
			assert_memory_equal(counters(f, 0), &before, sizeof(before));
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

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(a_reload_of_the_same_cluster_keeps_what_is_known),
	    CASE(the_order_of_addresses_and_how_they_are_written_are_no_difference),
	    CASE(whatever_differs_begins_anew),
	    CASE(a_cluster_that_was_away_comes_back_without_a_past),
	    CASE(two_clusters_that_exchange_their_names_know_nothing),
	    CASE(clusters_in_another_order_keep_what_is_known_of_each),
	    CASE(what_is_on_its_way_finds_its_twin_after_a_reload_of_another_cluster),
	    CASE(a_connection_older_than_the_reload_has_no_part_in_what_begins_anew),
	    CASE(a_cluster_that_has_moved_begins_anew_and_keeps_its_counters),
	    CASE(a_counter_that_falls_makes_no_figure),
	    CASE(open_connections_are_counted_where_they_are_after_any_reload),
	    CASE(when_memory_is_short_a_reload_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
