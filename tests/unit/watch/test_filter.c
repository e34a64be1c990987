/* SPDX-License-Identifier: MIT */
#include "watch/filter.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct filter filter;

/* After the filter that is there. */
static int rebuild(const char *clusters, const struct proxy_identity *proxy)
{
	struct config *config = NULL;
	struct classify *table = NULL;
	char *text, *error;
	int err;

	assert_true(asprintf(&text, "proxy: {comm: p}\nmax_clusters: 64\nclusters:\n%s", clusters) > 0);
	if (config_parse(&config, "f", text, strlen(text), &error))
		fail_msg("%s", error);
	assert_int_equal(classify_new(&table, config, NULL, NULL), 0);
	err = filter_build(&filter, proxy, table);
	classify_free(&table);
	config_free(&config);
	free(text);
	return err;
}

static int build(const char *clusters, const struct proxy_identity *proxy)
{
	memset(&filter, 0, sizeof(filter));
	return rebuild(clusters, proxy);
}

static void selectors_become_the_bits_and_values_that_the_kernel_compares(void **state)
{
	struct proxy_identity proxy = {
	    .by_comm = true, .by_cgroup = true, .comm = "fifteen_bytes_x", .cgroup_id = 77, .pidns = 5};

	(void)state;
	build("- {name: a, primary: {address: '10.0.0.1:1'}, mirror: {address: '10.0.0.2:1'}}\n", &proxy);
	assert_int_equal(filter.select, FILTER_BY_COMM | FILTER_BY_CGROUP);
	assert_string_equal(filter.comm, "fifteen_bytes_x");
	assert_int_equal(filter.cgroup_id, 77);
	proxy = (struct proxy_identity){.by_exe = true,
					.by_pid = true,
					.exe_dev = 1,
					.exe_ino = 2,
					.exe_before_dev = 4,
					.exe_before_ino = 5,
					.pid = 3};
	build("- {name: a, primary: {address: '10.0.0.1:1'}, mirror: {address: '10.0.0.2:1'}}\n", &proxy);
	assert_int_equal(filter.select, FILTER_BY_EXE | FILTER_BY_PID);
	assert_int_equal(filter.exe_dev, 1);
	assert_int_equal(filter.exe_ino, 2);
	assert_int_equal(filter.exe_before_dev, 4);
	assert_int_equal(filter.exe_before_ino, 5);
	assert_int_equal(filter.pid, 3);
	assert_string_equal(filter.comm, "");
}

static void every_address_is_a_target_and_unix_sockets_come_first(void **state)
{
	static const uint8_t mapped[16] = {[10] = 0xff, [11] = 0xff, [12] = 10, [15] = 2};
	struct proxy_identity proxy = {.by_comm = true};

	(void)state;
	assert_int_equal(
	    build("- {name: a, primary: {address: ['10.0.0.2:5432', '[2001:db8::/64]:1']}, mirror: "
		  "{address: ['unix:/run/s']}}\n",
		  &proxy),
	    0);
	assert_int_equal(filter.targets_used, 3);
	assert_int_equal(filter.targets[0].family, ADDRESS_UNIX);
	assert_string_equal(filter.targets[0].path, "/run/s");
	assert_int_equal(filter.targets[1].family, ADDRESS_IP);
	assert_memory_equal(filter.targets[1].addr, mapped, 16);
	assert_int_equal(filter.targets[1].port, 5432);
	assert_int_equal(filter.targets[1].prefix_len, 128);
	assert_int_equal(filter.targets[2].prefix_len, 64);
	assert_int_equal(filter.targets[3].family, ADDRESS_NONE);
}

static void a_range_that_another_covers_needs_no_target(void **state)
{
	struct proxy_identity proxy = {.by_comm = true};

	(void)state;
	build("- {name: a, primary: {address: '10.0.0.1:1'}, mirror: {address: '10.1.0.1:1', database: x}}\n"
	      "- {name: b, primary: {address: '10.0.0.0/24:1'}, mirror: {address: '10.1.0.1:1', database: "
	      "y}}\n",
	      &proxy);
	assert_int_equal(filter.targets_used, 2);
	assert_int_equal(filter.targets[0].prefix_len, 128);
	assert_int_equal(filter.targets[0].addr[13], 1);
	assert_int_equal(filter.targets[1].prefix_len, 96 + 24);
}

static size_t lookup(void *ctx, const char *host, const struct address_range **out)
{
	static struct address_range ranges[300];

	(void)ctx;
	(void)host;
	for (size_t i = 0; i < 300; i++)
		ranges[i] = (struct address_range){
		    .family = ADDRESS_IP, .base.ip[14] = i / 256, .base.ip[15] = i % 256, .prefix_len = 128};
	*out = ranges;
	return 300;
}

static void more_targets_than_the_kernel_side_holds_are_an_error_and_the_first_stay(void **state)
{
	static const char text[] =
	    "proxy: {comm: p}\nclusters:\n"
	    "- {name: a, primary: {address: 'many:1'}, mirror: {address: '10.0.0.1:1'}}\n";
	struct proxy_identity proxy = {.by_comm = true};
	struct config *config = NULL;
	struct classify *table = NULL;
	char *error;

	(void)state;
	assert_int_equal(config_parse(&config, "f", text, strlen(text), &error), 0);
	assert_int_equal(classify_new(&table, config, lookup, NULL), 0);
	assert_int_equal(filter_build(&filter, &proxy, table), -E2BIG);
	assert_int_equal(filter.targets_used, FILTER_MAX_TARGETS);
	assert_int_equal(filter.targets[FILTER_MAX_TARGETS - 1].addr[15], 255);
	classify_free(&table);
	config_free(&config);
}

static int with_paths(unsigned first, unsigned last)
{
	char text[16384], *end = text;

	for (unsigned i = first; i < last; i++)
		end += sprintf(
		    end,
		    "- {name: c%u, primary: {address: '10.0.0.1:%u'}, mirror: {address: 'unix:/s/%u'}}\n", i,
		    i, i);
	return rebuild(text, &(struct proxy_identity){0});
}

static void a_unix_target_keeps_its_index_and_no_other_path_gets_it(void **state)
{
	(void)state;
	memset(&filter, 0, sizeof(filter));
	assert_int_equal(with_paths(1, 4), 0);
	assert_string_equal(filter_path(&filter, 0), "/s/1");
	assert_string_equal(filter_path(&filter, 2), "/s/3");
	assert_null(filter_path(&filter, 3));
	assert_null(filter_path(&filter, FILTER_MAX_TARGETS));
	assert_int_equal(with_paths(2, 6), 0);
	assert_null(filter_path(&filter, 0));
	assert_int_equal(filter.targets[0].family,
			 ADDRESS_UNIX); /* else the kernel would stop looking here */
	for (unsigned i = 2; i < 6; i++) {
		char path[16];

		snprintf(path, sizeof(path), "/s/%u", i);
		assert_string_equal(filter_path(&filter, i - 1), path);
	}
	assert_int_equal(filter.targets_used, 5 + 4);
	assert_int_equal(filter.targets[5].family, ADDRESS_IP);
	assert_int_equal(with_paths(1, 2), 0);
	assert_string_equal(filter_path(&filter, 5), "/s/1");
	assert_int_equal(filter.targets_used, 6 + 1);
}

static void empty_places_are_used_again_when_many_paths_have_come_and_gone(void **state)
{
	(void)state;
	memset(&filter, 0, sizeof(filter));
	for (unsigned i = 0; i < 3 * FILTER_UNIX_KEPT / 40; i++)
		assert_int_equal(with_paths(1 + 40 * i, 41 + 40 * i), 0);
	assert_true(filter.targets_used <= FILTER_MAX_TARGETS);
	for (unsigned i = 0, found = 0; i <= FILTER_MAX_TARGETS; i++) {
		found += filter_path(&filter, i) != NULL;
		if (i == FILTER_MAX_TARGETS)
			assert_int_equal(found, 40);
	}
}

static void without_any_path_the_kernel_looks_for_none(void **state)
{
	(void)state;
	memset(&filter, 0, sizeof(filter));
	assert_int_equal(with_paths(1, 3), 0);
	assert_int_equal(
	    rebuild("- {name: a, primary: {address: '10.0.0.1:1'}, mirror: {address: '10.0.0.2:1'}}\n",
		    &(struct proxy_identity){0}),
	    0);
	assert_int_equal(filter.targets[0].family, ADDRESS_IP);
	assert_int_equal(filter.targets_used, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(selectors_become_the_bits_and_values_that_the_kernel_compares),
	    cmocka_unit_test(every_address_is_a_target_and_unix_sockets_come_first),
	    cmocka_unit_test(a_range_that_another_covers_needs_no_target),
	    cmocka_unit_test(more_targets_than_the_kernel_side_holds_are_an_error_and_the_first_stay),
	    cmocka_unit_test(a_unix_target_keeps_its_index_and_no_other_path_gets_it),
	    cmocka_unit_test(empty_places_are_used_again_when_many_paths_have_come_and_gone),
	    cmocka_unit_test(without_any_path_the_kernel_looks_for_none),
	};

	return cmocka_run_group_tests_name("filter", tests, NULL, NULL);
}
