/* SPDX-License-Identifier: MIT */
#include "watch/classify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define CLUSTER(name, primary, mirror) "- {name: " name ", primary: {" primary "}, mirror: {" mirror "}}\n"

/* What names stand for in these tests: "both" for 10.0.0.1 and 10.0.0.2, "one" for 10.0.0.1. */
static size_t lookup(void *ctx, const char *host, const struct address_range **out)
{
	static struct address_range ranges[2];
	const char *why;
	char name[8];

	(void)ctx;
	address_parse("10.0.0.1:1", &ranges[0], name, sizeof(name), &why);
	address_parse("10.0.0.2:1", &ranges[1], name, sizeof(name), &why);
	*out = ranges;
	return strcmp(host, "both") == 0 ? 2 : strcmp(host, "one") == 0 ? 1 : 0;
}

struct fixture {
	struct config *config;
	struct classify *table;
};

static struct fixture make(const char *clusters)
{
	struct fixture f = {0};
	char text[2048] = "proxy: {comm: p}\nclusters:\n", *error;

	strcat(text, clusters);
	if (config_parse(&f.config, "f", text, strlen(text), &error))
		fail_msg("%s", error);
	assert_int_equal(classify_new(&f.table, f.config, lookup, NULL), 0);
	return f;
}

static void drop(struct fixture *f)
{
	classify_free(&f->table);
	config_free(&f->config);
}

static struct role ask(const struct fixture *f, const char *text, const char *database)
{
	struct address_range range;
	char host[64];
	const char *why;

	assert_int_equal(address_parse(text, &range, host, sizeof(host), &why), 0);
	return classify(f->table, &range.base, range.family == ADDRESS_UNIX ? range.path : NULL, database);
}

#define EXPECT(f, address, database, target_, clusters_)         \
	do {                                                     \
		struct role role = ask(&(f), address, database); \
		assert_int_equal(role.target, target_);          \
		assert_int_equal(role.clusters, clusters_);      \
		assert_false(role.ambiguous);                    \
	} while (0)

#define EXPECT_AMBIGUOUS(f, address, database)                   \
	do {                                                     \
		struct role role = ask(&(f), address, database); \
		assert_int_equal(role.target, TARGET_NONE);      \
		assert_int_equal(role.clusters, 0);              \
		assert_true(role.ambiguous);                     \
	} while (0)

static void an_address_of_its_own_decides_whatever_the_database(void **state)
{
	struct fixture f = make(CLUSTER("a", "address: '10.0.0.1:1'", "address: '10.0.0.2:1'"));

	(void)state;
	EXPECT(f, "10.0.0.1:1", NULL, TARGET_PRIMARY, 1);
	EXPECT(f, "10.0.0.1:1", "x", TARGET_PRIMARY, 1);
	EXPECT(f, "10.0.0.2:1", NULL, TARGET_MIRROR, 1);
	EXPECT(f, "10.0.0.3:1", NULL, TARGET_NONE, 0);
	EXPECT(f, "10.0.0.1:2", NULL, TARGET_NONE, 0);
	drop(&f);
}

static void two_databases_of_one_server_are_told_apart_by_the_startup_packet_only(void **state)
{
	struct fixture f = make(
	    CLUSTER("a", "address: '10.0.0.1:1', database: old", "address: '10.0.0.1:1', database: new"));

	(void)state;
	EXPECT(f, "10.0.0.1:1", "old", TARGET_PRIMARY, 1);
	EXPECT(f, "10.0.0.1:1", "new", TARGET_MIRROR, 1);
	EXPECT(f, "10.0.0.1:1", "postgres", TARGET_NONE, 0);
	EXPECT_AMBIGUOUS(f, "10.0.0.1:1", NULL);
	drop(&f);
}

static void one_database_at_an_address_is_unambiguous_before_the_startup_packet(void **state)
{
	struct fixture f = make(
	    CLUSTER("a", "address: '10.0.0.1:1', database: app", "address: '10.0.0.2:1', database: app"));

	(void)state;
	EXPECT(f, "10.0.0.2:1", NULL, TARGET_MIRROR, 1);
	EXPECT(f, "10.0.0.2:1", "template1", TARGET_NONE, 0);
	drop(&f);
}

static void primaries_of_several_clusters_add_up_as_far_as_the_database_fits(void **state)
{
	struct fixture f =
	    make(CLUSTER("a", "address: '10.0.0.1:1'", "address: '10.1.0.2:1'")
		     CLUSTER("b", "address: '10.0.0.0/24:1', database: x", "address: '10.1.0.3:1'")
			 CLUSTER("c", "address: '10.0.0.1:1'", "address: '10.1.0.4:1'"));

	(void)state;
	EXPECT(f, "10.0.0.1:1", "x", TARGET_PRIMARY, 7);
	EXPECT(f, "10.0.0.1:1", "y", TARGET_PRIMARY, 5);
	EXPECT(f, "10.0.0.9:1", "x", TARGET_PRIMARY, 2);
	EXPECT(f, "10.0.0.9:1", "y", TARGET_NONE, 0);
	EXPECT(f, "10.0.0.9:1", NULL, TARGET_PRIMARY, 2);
	EXPECT_AMBIGUOUS(f, "10.0.0.1:1", NULL);
	drop(&f);
}

static void a_unix_socket_is_known_by_its_path(void **state)
{
	struct fixture f =
	    make(CLUSTER("a", "address: '10.0.0.1:1'", "address: ['10.0.0.2:1', 'unix:/run/.s.PGSQL.5432']"));

	(void)state;
	EXPECT(f, "unix:/run/.s.PGSQL.5432", NULL, TARGET_MIRROR, 1);
	EXPECT(f, "unix:/run/.s.PGSQL.5433", NULL, TARGET_NONE, 0);
	assert_int_equal(classify_range(f.table, 0)->family, ADDRESS_UNIX);
	assert_int_equal(classify_range(f.table, 2)->family, ADDRESS_IP);
	assert_null(classify_range(f.table, 3));
	drop(&f);
}

static void a_name_stands_for_all_its_addresses_on_the_configured_port(void **state)
{
	struct fixture f = make(CLUSTER("a", "address: 'both:5432'", "address: 'unknown:5432'"));

	(void)state;
	EXPECT(f, "10.0.0.1:5432", NULL, TARGET_PRIMARY, 1);
	EXPECT(f, "10.0.0.2:5432", NULL, TARGET_PRIMARY, 1);
	EXPECT(f, "10.0.0.1:1", NULL, TARGET_NONE, 0);
	assert_null(classify_conflict(f.table));
	drop(&f);
}

static void names_that_make_one_server_both_sides_are_a_conflict_and_never_guessed(void **state)
{
	struct fixture f = make(CLUSTER("a", "address: 'both:5432'", "address: 'one:5432'"));

	(void)state;
	EXPECT_AMBIGUOUS(f, "10.0.0.1:5432", NULL);
	EXPECT_AMBIGUOUS(f, "10.0.0.1:5432", "app");
	EXPECT(f, "10.0.0.2:5432", "app", TARGET_PRIMARY, 1);
	assert_string_equal(
	    classify_conflict(f.table),
	    "10.0.0.1:5432 is now both primary of cluster a and mirror of cluster a, by host name: its "
	    "connections cannot be told apart");
	drop(&f);
}

static void two_names_of_one_mirror_are_one_mirror(void **state)
{
	struct fixture f = make(CLUSTER("a", "address: '10.9.0.1:1'", "address: ['both:1', 'one:1']"));

	(void)state;
	EXPECT(f, "10.0.0.1:1", NULL, TARGET_MIRROR, 1);
	assert_null(classify_conflict(f.table));
	drop(&f);
}

static void two_mirrors_at_one_address_by_name_are_ambiguous(void **state)
{
	struct fixture f = make(CLUSTER("a", "address: '10.9.0.1:1'", "address: 'both:1'")
				    CLUSTER("b", "address: '10.9.0.1:1'", "address: 'one:1'"));

	(void)state;
	EXPECT_AMBIGUOUS(f, "10.0.0.1:1", "app");
	assert_non_null(classify_conflict(f.table));
	drop(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_address_of_its_own_decides_whatever_the_database),
	    cmocka_unit_test(two_databases_of_one_server_are_told_apart_by_the_startup_packet_only),
	    cmocka_unit_test(one_database_at_an_address_is_unambiguous_before_the_startup_packet),
	    cmocka_unit_test(primaries_of_several_clusters_add_up_as_far_as_the_database_fits),
	    cmocka_unit_test(a_unix_socket_is_known_by_its_path),
	    cmocka_unit_test(a_name_stands_for_all_its_addresses_on_the_configured_port),
	    cmocka_unit_test(names_that_make_one_server_both_sides_are_a_conflict_and_never_guessed),
	    cmocka_unit_test(two_names_of_one_mirror_are_one_mirror),
	    cmocka_unit_test(two_mirrors_at_one_address_by_name_are_ambiguous),
	};

	return cmocka_run_group_tests_name("classify", tests, NULL, NULL);
}
