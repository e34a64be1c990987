/* SPDX-License-Identifier: MIT */
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "diagnosis/diagnosis.h"
#include "diagnosis/groups.h"

#define PRIMARY "10.0.0.1:5432"
#define MIRROR  "10.0.2.25:5432"

struct fixture {
	struct config *config;
	struct classify *classify;
	struct groups *groups;
	struct diagnosis_cluster clusters[2];
	struct diagnosis diagnosis;
	uint64_t sockets;
};

static void configure(struct fixture *f, const char *clusters)
{
	char text[1024], *error = NULL;

	snprintf(text, sizeof(text), "proxy: {comm: pgdog}\nclusters:\n%s", clusters);
	if (config_parse(&f->config, "test", text, strlen(text), &error))
		fail_msg("%s", error);
	assert_int_equal(classify_new(&f->classify, f->config, NULL, NULL), 0);
	assert_int_equal(groups_new(&f->groups), 0);
	groups_begin(f->groups);
	memset(f->clusters, 0, sizeof(f->clusters));
	f->sockets = 0;
}

static void end(struct fixture *f)
{
	groups_free(&f->groups);
	classify_free(&f->classify);
	config_free(&f->config);
}

static struct survey survey_to(struct fixture *f, const char *comm, const char *to, uint8_t state)
{
	struct survey found = {
	    .sock = ++f->sockets, .state = state, .pid = 7, .of_proxy = strcmp(comm, "pgdog") == 0};
	struct address_range range;
	const char *why;

	assert_int_equal(address_parse(to, &range, NULL, 0, &why), 0);
	memcpy(found.remote, range.base.ip, sizeof(found.remote));
	found.remote_port = range.base.port;
	found.local_port = 40000 + f->sockets;
	snprintf(found.comm, sizeof(found.comm), "%s", comm);
	return found;
}

static void connect_to(struct fixture *f, const char *comm, const char *to, int count)
{
	while (count--) {
		struct survey found = survey_to(f, comm, to, TCP_ESTABLISHED);

		groups_add(f->groups, &found);
	}
}

static void connect_from(struct fixture *f, uint32_t pid, const char *to, int count)
{
	while (count--) {
		struct survey found = survey_to(f, "pgdog", to, TCP_ESTABLISHED);

		found.pid = pid;
		groups_add(f->groups, &found);
	}
}

static const struct diagnosis *look(struct fixture *f)
{
	struct diagnosis_input input = {
	    .config = f->config, .classify = f->classify, .clusters = f->clusters, .proxy = "comm pgdog"};

	groups_finish(f->groups);
	input.groups = groups_list(f->groups, &input.group_count);
	input.processes = groups_processes(f->groups);
	diagnose(&input, &f->diagnosis);
	return &f->diagnosis;
}

static void expect(const struct diagnosis *diagnosis, size_t i, enum diagnosis_kind kind, bool wrong,
		   const char *part)
{
	if (i >= diagnosis->count)
		fail_msg("%zu findings, none with: %s", diagnosis->count, part);
	if (diagnosis->findings[i].kind != kind || diagnosis->findings[i].wrong != wrong ||
	    !strstr(diagnosis->findings[i].text, part))
		fail_msg("%s", diagnosis->findings[i].text);
}

#define ONE "  - {name: a, primary: {address: \"" PRIMARY "\"}, mirror: {address: \"" MIRROR "\"}}\n"

static void nothing_is_said_of_what_fits(void **state)
{
	struct fixture f;

	(void)state;
	configure(&f, ONE);
	connect_to(&f, "pgdog", PRIMARY, 3);
	connect_to(&f, "pgdog", MIRROR, 2);
	connect_to(&f, "psql", PRIMARY, 9);
	assert_int_equal(look(&f)->count, 0);
	assert_int_equal(f.diagnosis.connections[0][TARGET_PRIMARY], 3);
	assert_int_equal(f.diagnosis.connections[0][TARGET_MIRROR], 2);
	end(&f);
}

static void a_wrong_address_is_named_with_the_one_that_most_connections_go_to(void **state)
{
	struct fixture f;

	(void)state;
	configure(&f, ONE);
	connect_to(&f, "pgdog", PRIMARY, 3);
	connect_to(&f, "pgdog", "10.0.2.9:443", 1);
	connect_to(&f, "pgdog", "10.0.2.26:5432", 4);
	expect(look(&f), 0, DIAGNOSIS_OTHER_ADDRESS, true,
	       "your mirror address " MIRROR
	       " has no connection; the proxy (pgdog, pid 7) is connected to 10.0.2.26:5432 "
	       "(4 connections) and others");
	end(&f);
}

static void of_two_proxies_of_one_name_that_which_serves_the_other_side_is_meant(void **state)
{
	struct fixture f;

	(void)state;
	configure(&f, ONE);
	connect_from(&f, 100, "10.0.9.1:5432", 50); /* another proxy, busier, first and last */
	connect_from(&f, 201, PRIMARY, 2);          /* ours: several processes */
	connect_from(&f, 202, PRIMARY, 1);
	connect_from(&f, 202, "10.0.2.26:5432", 1);
	connect_from(&f, 203, "10.0.2.26:5432", 1);
	connect_from(&f, 100, "10.0.9.2:5432", 60);
	expect(look(&f), 0, DIAGNOSIS_OTHER_ADDRESS, true,
	       "pid 202) is connected to 10.0.2.26:5432 (2 connections): if that is the mirror");
	end(&f);

	/* Both sides wrong: then nothing but the number tells. */
	configure(&f, ONE);
	connect_from(&f, 100, "10.0.9.1:5432", 5);
	connect_from(&f, 201, "10.0.2.26:5432", 6);
	expect(look(&f), 0, DIAGNOSIS_OTHER_ADDRESS, true,
	       "pid 201) is connected to 10.0.2.26:5432 (6 connections) and others");
	end(&f);
}

static void one_right_and_one_wrong_cluster_are_told_apart(void **state)
{
	struct fixture f;

	(void)state;
	configure(&f, ONE "  - {name: b, primary: {address: \"" PRIMARY
			  "\"}, mirror: {address: \"10.0.3.1:5432\"}}\n");
	connect_to(&f, "pgdog", PRIMARY, 1);
	connect_to(&f, "pgdog", MIRROR, 1);
	expect(look(&f), 0, DIAGNOSIS_SIDE_MISSING, false,
	       "b: the proxy has no connection to the mirror 10.0.3.1:5432");
	assert_null(diagnosis_of(&f.diagnosis, 0));
	assert_non_null(diagnosis_of(&f.diagnosis, 1));
	assert_false(diagnosis_is_wrong(&f.diagnosis));
	end(&f);
}

static void who_is_connected_to_both_sides_is_taken_for_the_proxy(void **state)
{
	struct fixture f;

	(void)state;
	configure(&f, ONE);
	connect_to(&f, "psql", PRIMARY, 9);
	connect_to(&f, "pgcat", PRIMARY, 1);
	connect_to(&f, "pgcat", MIRROR, 1);
	expect(look(&f), 0, DIAGNOSIS_OTHER_PROCESS, true, "write `proxy: { comm: pgcat }`");
	end(&f);
	configure(&f, ONE);
	connect_to(&f, "psql", PRIMARY, 9);
	expect(look(&f), 0, DIAGNOSIS_OTHER_PROCESS, false, "psql (pid 7) has 9 connections");
	end(&f);
}

static void a_database_is_taken_from_the_start_up_packets_that_fitted_nothing(void **state)
{
	const char *both = "  - {name: a, primary: {address: \"" PRIMARY "\", database: app}, "
			   "mirror: {address: \"" MIRROR "\", database: app}}\n";
	struct fixture f;
	struct survey found;
	struct address remote;

	(void)state;
	configure(&f, both);
	connect_to(&f, "pgdog", PRIMARY, 1);
	found = survey_to(&f, "pgdog", MIRROR, TCP_ESTABLISHED);
	remote.port = found.remote_port;
	memcpy(remote.ip, found.remote, sizeof(remote.ip));
	groups_startup(f.groups, &remote, "App", false);
	groups_add(f.groups, &found);
	expect(look(&f), 0, DIAGNOSIS_OTHER_DATABASE, true,
	       "to database App, not app: change mirror.database to App");
	end(&f);
}

static void what_could_be_several_clusters_is_no_reason_to_complain(void **state)
{
	const char *two = "  - {name: a, primary: {address: \"" PRIMARY
			  "\", database: x}, mirror: {address: \"" MIRROR "\", database: x}}\n"
			  "  - {name: b, primary: {address: \"" PRIMARY
			  "\", database: y}, mirror: {address: \"" MIRROR "\", database: y}}\n";
	struct fixture f;

	(void)state;
	configure(&f, two);
	connect_to(&f, "pgdog", PRIMARY, 1);
	connect_to(&f, "pgdog", MIRROR, 1);
	assert_int_equal(look(&f)->count, 0);
	end(&f);
}

static void the_order_of_pairs_tells_swapped_sides_and_little_else_does(void **state)
{
	struct fixture f;

	(void)state;
	configure(&f, ONE);
	connect_to(&f, "pgdog", PRIMARY, 1);
	connect_to(&f, "pgdog", MIRROR, 1);
	f.clusters[0].pairs = 19, f.clusters[0].inverted = 19;
	assert_int_equal(look(&f)->count, 0);
	f.clusters[0].pairs = 100, f.clusters[0].inverted = 50;
	groups_begin(f.groups);
	connect_to(&f, "pgdog", PRIMARY, 1);
	connect_to(&f, "pgdog", MIRROR, 1);
	assert_int_equal(look(&f)->count, 0);
	f.clusters[0].inverted = 99;
	groups_begin(f.groups);
	connect_to(&f, "pgdog", PRIMARY, 1);
	connect_to(&f, "pgdog", MIRROR, 1);
	expect(look(&f), 0, DIAGNOSIS_SWAPPED, true, "exchange the two");
	end(&f);
}

static void what_was_accepted_is_not_taken_for_a_server(void **state)
{
	struct fixture f;
	struct survey listener, accepted;

	(void)state;
	configure(&f, ONE);
	connect_to(&f, "pgdog", PRIMARY, 1);
	listener = survey_to(&f, "pgdog", "127.0.0.1:1", TCP_LISTEN);
	listener.local_port = 6432;
	accepted = survey_to(&f, "pgdog", "10.9.9.9:55555", TCP_ESTABLISHED);
	accepted.local_port = 6432;
	groups_add(f.groups, &accepted);
	groups_add(f.groups, &listener);
	expect(look(&f), 0, DIAGNOSIS_SIDE_MISSING, false, "no connection to the mirror");
	end(&f);
}

static void a_title_of_a_server_process_tells_the_database(void **state)
{
	char database[DIAGNOSIS_DATABASE_MAX];

	(void)state;
	assert_true(groups_database("postgres: bob app 127.0.0.1(41234) idle", database));
	assert_string_equal(database, "app");
	assert_true(groups_database("postgres: main: bob App [local] SELECT", database));
	assert_string_equal(database, "App");
	assert_true(groups_database("postgres: bob app ::1(1) idle in transaction", database));
	assert_string_equal(database, "app");
	assert_false(groups_database("postgres: checkpointer ", database));
	assert_false(groups_database("nginx: worker app 1.2.3.4(5)", database));
	assert_false(groups_database("", database));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(nothing_is_said_of_what_fits),
	    cmocka_unit_test(a_wrong_address_is_named_with_the_one_that_most_connections_go_to),
	    cmocka_unit_test(of_two_proxies_of_one_name_that_which_serves_the_other_side_is_meant),
	    cmocka_unit_test(one_right_and_one_wrong_cluster_are_told_apart),
	    cmocka_unit_test(who_is_connected_to_both_sides_is_taken_for_the_proxy),
	    cmocka_unit_test(a_database_is_taken_from_the_start_up_packets_that_fitted_nothing),
	    cmocka_unit_test(what_could_be_several_clusters_is_no_reason_to_complain),
	    cmocka_unit_test(the_order_of_pairs_tells_swapped_sides_and_little_else_does),
	    cmocka_unit_test(what_was_accepted_is_not_taken_for_a_server),
	    cmocka_unit_test(a_title_of_a_server_process_tells_the_database),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
