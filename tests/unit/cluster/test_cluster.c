/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "cluster/cluster.h"

#define CLASSES      1024 /* of a cluster, TOP_CLASSES in twins.c */
#define FINGERPRINTS 4096 /* cluster.c */

/* Two clusters that share a primary, or the second alone. */
static const char both[] = "proxy: {comm: pgpool}\nclusters:\n"
			   "  - name: one\n"
			   "    primary: {address: \"127.0.0.1:1\", database: app}\n"
			   "    mirror: {address: \"127.0.0.1:2\", database: app}\n"
			   "  - name: two\n"
			   "    primary: {address: \"127.0.0.1:1\", database: app}\n"
			   "    mirror: {address: \"127.0.0.1:3\", database: app}\n";
static const char second[] = "proxy: {comm: pgpool}\nclusters:\n"
			     "  - name: two\n"
			     "    primary: {address: \"127.0.0.1:1\", database: app}\n"
			     "    mirror: {address: \"127.0.0.1:3\", database: app}\n";

struct fixture {
	struct stats *stats;
	struct threshold *threshold;
	struct config *config;
	struct clusters *clusters;
	struct conn_sink sink;
};

static void configure(struct fixture *f, const char *text)
{
	struct config *config;
	char *error = NULL;

	assert_int_equal(config_parse(&config, "test", text, strlen(text), &error), 0);
	assert_int_equal(clusters_configure(f->clusters, config), 0);
	config_free(&f->config);
	f->config = config;
}

static void begin(struct fixture *f, const char *text)
{
	assert_int_equal(threshold_new(&f->threshold, NULL, NULL), 0);
	assert_int_equal(clusters_new(&f->clusters, f->stats, f->threshold, NULL), 0);
	f->config = NULL;
	configure(f, text);
	f->sink = clusters_sink(f->clusters);
}

static void end(struct fixture *f)
{
	clusters_free(&f->clusters);
	threshold_free(&f->threshold);
	config_free(&f->config);
}

/* Statements to the primary, each of a class of its own. */
static void send_classes(struct fixture *f, unsigned int count)
{
	struct conn_view conn = {
	    .role = {.target = TARGET_PRIMARY, .clusters = (1u << clusters_count(f->clusters)) - 1}};
	char text[64];
	void *user = NULL;

	conn.user = &user;
	for (unsigned int i = 0; i < count; i++) {
		struct session_query query = {.serial = i + 1, .sent_ns = i + 1, .text = text};

		query.text_len = snprintf(text, sizeof(text), "SELECT column_%u FROM t", i);
		f->sink.sent(f->sink.ctx, &conn, &query);
	}
	f->sink.closed(f->sink.ctx, &conn);
}

static int set_up(void **state)
{
	static struct fixture f;
	const struct stats_options options = {.max_clusters = 2};

	*state = &f;
	return stats_open(&f.stats, &options);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	stats_free(&f->stats);
	return 0;
}

static void what_its_tables_give_up_is_counted_over_reloads_and_restarts(void **state)
{
	struct fixture *f = *state;
	const struct stats_TABLE *evictions = &stats_observer(f->stats)->evictions;

	begin(f, both);
	send_classes(f, CLASSES);
	clusters_sync(f->clusters);
	assert_int_equal(evictions->classes, 0);
	send_classes(f, FINGERPRINTS + 3);
	clusters_sync(f->clusters);
	assert_int_equal(evictions->classes, 2 * (FINGERPRINTS + 3 - CLASSES));
	assert_int_equal(evictions->fingerprints, 3);
	configure(f, second);
	clusters_sync(f->clusters);
	assert_int_equal(evictions->classes, 2 * (FINGERPRINTS + 3 - CLASSES));
	end(f);

	begin(f, second);
	send_classes(f, FINGERPRINTS + 1);
	clusters_sync(f->clusters);
	assert_int_equal(evictions->classes, 2 * (FINGERPRINTS + 3 - CLASSES) + FINGERPRINTS + 1 - CLASSES);
	assert_int_equal(evictions->fingerprints, 3 + 1);
	end(f);
}

static void what_a_session_gives_up_is_counted_by_table(void **state)
{
	static const enum session_note notes[] = {NOTE_PREPARED_EVICTED, NOTE_QUEUE_OVERFLOW,
						  NOTE_OUTCOME_EVICTED};
	const struct conn_view conn = {.role = {.target = TARGET_NONE}};
	struct fixture *f = *state;
	const struct stats_TABLE *evictions = &stats_observer(f->stats)->evictions;

	begin(f, both);
	for (size_t i = 0; i < sizeof(notes) / sizeof(*notes); i++)
		for (size_t times = 0; times <= i; times++)
			f->sink.note(f->sink.ctx, &conn, notes[i]);
	assert_int_equal(evictions->prepared, 1);
	assert_int_equal(evictions->queries, 2);
	assert_int_equal(evictions->outcomes, 3);
	end(f);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(what_its_tables_give_up_is_counted_over_reloads_and_restarts),
	    CASE(what_a_session_gives_up_is_counted_by_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
