/* SPDX-License-Identifier: MIT */
/* A mirror that is dead for long costs what match_memory says, for all clusters together, and what had to go
 * is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "cluster/cluster.h"
#include "support/heap.h"

#define MEGABYTE (1u << 20)
/* Each cluster's own tables that do not grow with what waits, as far as they are made by then: "about 1.5 MiB
 * besides" (match.h), and the classes. */
#define BESIDES    (3 * MEGABYTE)
#define STATEMENTS 300000

static const char four[] =
    "proxy: {comm: pgpool}\nmatch_memory: 16MiB\nclusters:\n"
    "  - {name: one, primary: {address: \"127.0.0.1:1\"}, mirror: {address: \"127.0.0.1:2\"}}\n"
    "  - {name: two, primary: {address: \"127.0.0.1:1\"}, mirror: {address: \"127.0.0.1:3\"}}\n"
    "  - {name: three, primary: {address: \"127.0.0.1:1\"}, mirror: {address: \"127.0.0.1:4\"}}\n"
    "  - {name: four, primary: {address: \"127.0.0.1:1\"}, mirror: {address: \"127.0.0.1:5\"}}\n";

static void send(struct conn_sink *sink, struct conn_view *conn, uint64_t i)
{
	struct session_query query = {.serial = i + 1,
				      .sent_ns = 1000000000 + i * 10000, /* 100,000 a second */
				      .text = "SELECT a FROM t",
				      .text_len = 15,
				      .key = {i * 0x9e3779b97f4a7c15ull, i},
				      .keyed = true};

	sink->sent(sink->ctx, conn, &query);
	query.text = "";
	query.done_ns = query.sent_ns + 5000;
	sink->answered(sink->ctx, conn, &query);
}

/* By the allocator's own figures, which a sanitizer's allocator does not keep. */
static void assert_heap_grew(size_t before, size_t least, size_t most)
{
#ifdef __SANITIZE_ADDRESS__
	(void)before, (void)least, (void)most;
#else
	assert_in_range(heap_in_use() - before, least, most);
#endif
}

static void a_dead_mirror_costs_what_is_configured_and_tells_what_went(void **state)
{
	const struct stats_options options = {.max_clusters = 4};
	struct conn_view conn = {.role = {.target = TARGET_PRIMARY, .clusters = 15}};
	struct threshold *threshold;
	struct clusters *clusters;
	struct config *config;
	struct conn_sink sink;
	struct stats *stats;
	char *error = NULL;
	void *user = NULL;
	size_t before, waiting = 0;

	(void)state;
	conn.user = &user;
	assert_int_equal(stats_open(&stats, &options), 0);
	assert_int_equal(threshold_new(&threshold, NULL, NULL), 0);
	assert_int_equal(clusters_new(&clusters, stats, threshold, NULL), 0);
	assert_int_equal(config_parse(&config, "test", four, strlen(four), &error), 0);
	assert_int_equal(clusters_configure(clusters, config), 0);
	sink = clusters_sink(clusters);
	before = heap_in_use();
	for (uint64_t i = 0; i < STATEMENTS; i++)
		send(&sink, &conn, i);
	clusters_sync(clusters);
	for (size_t i = 0; i < clusters_count(clusters); i++) {
		const struct stats_UNMATCHED *gone = &clusters_stats(clusters, i)->primary.unmatched;

		waiting += match_bytes(twins_match(clusters_twins(clusters, i)));
		assert_in_range(gone->evicted + gone->not_mirrored,
				STATEMENTS - 5 * MEGABYTE / MATCH_ENTRY_BYTES,
				STATEMENTS - 3 * MEGABYTE / MATCH_ENTRY_BYTES);
	}
	assert_in_range(waiting, 12 * MEGABYTE, 16 * MEGABYTE + 4 * BESIDES);
	assert_heap_grew(before, 12 * MEGABYTE, 16 * MEGABYTE + 4 * BESIDES);
	sink.closed(sink.ctx, &conn);
	clusters_free(&clusters);
	threshold_free(&threshold);
	config_free(&config);
	stats_free(&stats);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_dead_mirror_costs_what_is_configured_and_tells_what_went),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
