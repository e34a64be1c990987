/* SPDX-License-Identifier: MIT */
/* What is wrong with a configuration is said with its place and a remedy. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config/config.h"
#include "support/config_texts.h"

struct bad {
	const char *text, *error;
};

static void refuse(const struct bad *bad, size_t count)
{
	struct config *config = NULL;
	char *error = NULL;

	for (size_t i = 0; i < count; i++) {
		int err = config_parse(&config, "f", bad[i].text, strlen(bad[i].text), &error);
		if (err != -EINVAL)
			fail_msg("was taken: %s", bad[i].text);
		assert_null(config);
		assert_string_equal(error, bad[i].error);
		free(error);
	}
}

#define REFUSE(table) refuse(table, sizeof(table) / sizeof(*(table)))

#define ROOT_KEYS                                                                                           \
	"listen, mirror_metrics_enabled, mirror_failure_threshold, window, pin, max_clusters, ring_bytes, " \
	"match_memory, attach, tls, log_level, state, user, readiness, proxy, clusters"
#define CLUSTER_KEYS                                                                              \
	"name, primary, mirror, exposure, queue_limit, request_timeout, level, result_checksum, " \
	"ignore_statements, "                                                                     \
	"ignore_fingerprints"
#define ADDRESS_FORMS "10.0.0.1:5432, 10.0.0.0/24:5432, [2001:db8::1]:5432, name:5432 or unix:/path"

static void an_unknown_or_repeated_key_is_named_with_its_place(void **state)
{
	static const struct bad bad[] = {
	    {"listne: 1\n", "f:1:1: \"listne\": unknown key (do you mean listen?); allowed: " ROOT_KEYS},
	    {"zzz: 1\n", "f:1:1: \"zzz\": unknown key; allowed: " ROOT_KEYS},
	    {"proxy:\n  com: p\n",
	     "f:2:3: proxy: \"com\": unknown key (do you mean comm?); allowed: comm, exe, pid, cgroup"},
	    {ONE("  request_timout: 1s\n"),
	     "f:6:3: clusters[0]: \"request_timout\": unknown key (do you mean "
	     "request_timeout?); allowed: " CLUSTER_KEYS},
	    {PROXY "clusters: [{name: a, primary: {adress: x}}]\n",
	     "f:2:32: clusters[0].primary: \"adress\": unknown key (do you mean address?); allowed: address, "
	     "database"},
	    {"window: 5m\npin: /a\nwindow: 5m\n",
	     "f:3:1: window: given twice, first in line 1; give each key once"},
	    {PROXY "proxy: {comm: q}\n", "f:2:1: proxy: given twice, first in line 1; give each key once"},
	    {"<<: {a: b}\n", "f:1:1: <<: merge keys are not supported; write the values out"},
	    {"[a]: b\n", "f:1:1: top level: a list stands where a key is needed; write key: value"},
	    {"\"pin\\0\": /a\n", "f:1:1: top level: a key holds a NUL byte; leave it out"},
	};

	(void)state;
	REFUSE(bad);
}

static void a_wrong_type_or_duration_says_what_is_allowed(void **state)
{
	static const struct bad bad[] = {
	    {"- a\n", "f:1:1: top level: a list stands here; write a mapping with the keys " ROOT_KEYS},
	    {"proxy: pgdog\n",
	     "f:1:8: proxy: a value stands here; write a mapping with the keys comm, exe, pid, cgroup"},
	    {"clusters: {name: a}\n",
	     "f:1:11: clusters: a mapping stands here; write a list, each item with name, "
	     "primary and mirror"},
	    {"window: [5m]\n",
	     "f:1:9: window: a list stands here; write a duration from 1s to 24h, such as 30s, "
	     "5m or 1h"},
	    {"window:\n",
	     "f:1:8: window: has no value; write a duration from 1s to 24h, such as 30s, 5m or 1h"},
	    {"window: 5\n",
	     "f:1:9: window: \"5\" is not allowed; write a duration from 1s to 24h, such as 30s, 5m or 1h"},
	    {"window: 5 m\n",
	     "f:1:9: window: \"5 m\" is not allowed; write a duration from 1s to 24h, such as 30s, 5m or 1h"},
	    {"window: 0\n",
	     "f:1:9: window: \"0\" is not allowed; write a duration from 1s to 24h, such as 30s, 5m or 1h"},
	    {"window: 25h\n",
	     "f:1:9: window: \"25h\" is not allowed; write a duration from 1s to 24h, such as 30s, 5m or 1h"},
	    {"window: 99999999999999999999d\n",
	     "f:1:9: window: \"99999999999999999999d\" is not allowed; write a "
	     "duration from 1s to 24h, such as 30s, 5m or 1h"},
	    {"window: \"5m\"\n",
	     "f:1:9: window: stands in quotes; write a duration from 1s to 24h, such as 30s, 5m "
	     "or 1h without them"},
	};

	(void)state;
	REFUSE(bad);
}

static void a_switch_number_size_or_word_says_what_is_allowed(void **state)
{
	static const struct bad bad[] = {
	    {"mirror_metrics_enabled: yes\n",
	     "f:1:25: mirror_metrics_enabled: \"yes\" is not allowed; write true or false"},
	    {"mirror_metrics_enabled: 'true'\n",
	     "f:1:25: mirror_metrics_enabled: stands in quotes; write true or false without them"},
	    {"mirror_failure_threshold: 101\n",
	     "f:1:27: mirror_failure_threshold: \"101\" is not allowed; write a "
	     "number from 0 to 100 (percent)"},
	    {"mirror_failure_threshold: -1\n",
	     "f:1:27: mirror_failure_threshold: \"-1\" is not allowed; write a "
	     "number from 0 to 100 (percent)"},
	    {"mirror_failure_threshold: 5%\n",
	     "f:1:27: mirror_failure_threshold: \"5%\" is not allowed; write a "
	     "number from 0 to 100 (percent)"},
	    {"mirror_failure_threshold: nan\n",
	     "f:1:27: mirror_failure_threshold: \"nan\" is not allowed; write a "
	     "number from 0 to 100 (percent)"},
	    {"mirror_failure_threshold: .inf\n",
	     "f:1:27: mirror_failure_threshold: \".inf\" is not allowed; write "
	     "a number from 0 to 100 (percent)"},
	    {"ring_bytes: 10MB\n",
	     "f:1:13: ring_bytes: \"10MB\" is not allowed; write a power of two from 64KiB to "
	     "1GiB, such as 16MiB"},
	    {"ring_bytes: 3MiB\n",
	     "f:1:13: ring_bytes: \"3MiB\" is not allowed; write a power of two from 64KiB to "
	     "1GiB, such as 16MiB"},
	    {"ring_bytes: 2GiB\n",
	     "f:1:13: ring_bytes: \"2GiB\" is not allowed; write a power of two from 64KiB to "
	     "1GiB, such as 16MiB"},
	    {"max_clusters: 65\n",
	     "f:1:15: max_clusters: \"65\" is not allowed; write a whole number from 1 to 64"},
	    {"max_clusters: 1.5\n",
	     "f:1:15: max_clusters: \"1.5\" is not allowed; write a whole number from 1 to 64"},
	    {"attach: uprobe\n",
	     "f:1:9: attach: \"uprobe\" is not allowed; write auto, tracepoint, fexit or kprobe"},
	    {"attach: Auto\n",
	     "f:1:9: attach: \"Auto\" is not allowed; write auto, tracepoint, fexit or kprobe"},
	    {"attach: [fexit, kprobe]\n",
	     "f:1:9: attach: a list stands here; write auto, tracepoint, fexit or kprobe"},
	    {"log_level: loud\n",
	     "f:1:12: log_level: \"loud\" is not allowed; write error, warning, info or debug"},
	    {ONE("  result_checksum: yes\n"),
	     "f:6:20: clusters[0].result_checksum: \"yes\" is not allowed; write off, ordered or set"},
	    {"readiness: { window: 10m }\n", "f:1:12: readiness: observed (by default 30m) is longer than "
					     "window (1h): that could never be ready; "
					     "shorten it too"},
	};

	(void)state;
	REFUSE(bad);
}

static void a_path_or_address_says_what_is_allowed(void **state)
{
	static const struct bad bad[] = {
	    {"pin: sys/fs/bpf\n", "f:1:6: pin: \"sys/fs/bpf\" is not allowed; write the absolute path of a "
				  "directory below a bpffs"},
	    {"listen: localhost:1\n", "f:1:9: listen: \"localhost:1\": the host must be a numeric address of "
				      "this machine; write a numeric "
				      "address and port, such as 127.0.0.1:10432 or [::1]:10432"},
	    {"listen: 10432\n",
	     "f:1:9: listen: \"10432\": the port is missing; write a numeric address and port, such "
	     "as 127.0.0.1:10432 or [::1]:10432"},
	    {"listen: 127.0.0.1:65536\n",
	     "f:1:9: listen: \"127.0.0.1:65536\": the port must be a number from 0 to 65535; write a numeric "
	     "address and port, such as 127.0.0.1:10432 or [::1]:10432"},
	    {"pin: \"/a\\0b\"\n",
	     "f:1:6: pin: holds a NUL byte; write the absolute path of a directory below a bpffs"},
	};

	(void)state;
	REFUSE(bad);
}

static void a_proxy_must_be_selected_by_something_that_can_exist(void **state)
{
	static const struct bad bad[] = {
	    {"proxy: {}\n", "f:1:8: proxy: selects no process; give any of comm, exe, pid, cgroup"},
	    {"proxy: {comm: sixteen_bytes_ab}\n", "f:1:15: proxy.comm: \"sixteen_bytes_ab\" is not allowed; "
						  "write the process name, at most 15 bytes, "
						  "as /proc/PID/comm shows it"},
	    {"proxy: {comm: ''}\n",
	     "f:1:15: proxy.comm: \"\" is not allowed; write the process name, at most 15 "
	     "bytes, as /proc/PID/comm shows it"},
	    {"proxy: {exe: pgdog}\n",
	     "f:1:14: proxy.exe: \"pgdog\" is not allowed; write the absolute path of the "
	     "proxy's executable"},
	    {"proxy: {pid: 0}\n",
	     "f:1:14: proxy.pid: \"0\" is not allowed; write a whole number from 1 to 4194304"},
	    {"clusters: []\n",
	     "f:1:1: proxy: missing; write proxy: { comm: NAME } with any of comm, exe, pid, "
	     "cgroup, or mirror_metrics_enabled: false"},
	};

	(void)state;
	REFUSE(bad);
}

static void a_cluster_must_be_whole(void **state)
{
	static const struct bad bad[] = {
	    {PROXY, "f:1:1: clusters: missing or empty; give at least one with name, primary and mirror, or "
		    "mirror_metrics_enabled: false"},
	    {PROXY "clusters: [x]\n",
	     "f:2:12: clusters[0]: a value stands here; write a mapping with the keys " CLUSTER_KEYS},
	    {PROXY "clusters: [{name: a}]\n",
	     "f:2:12: clusters[0].primary: missing; write { address: 10.0.0.1:5432 }"},
	    {PROXY "clusters: [{name: a, primary: {database: x}}]\n",
	     "f:2:31: clusters[0].primary.address: missing; write where the server listens, such as "
	     "10.0.0.1:5432"},
	    {PROXY "clusters: [{name: a b}]\n", "f:2:19: clusters[0].name: \"a b\" is not allowed; write 1 "
						"to 63 characters of A-Z a-z 0-9 _ . -"},
	    {PROXY "clusters: [{name: a/../b}]\n", "f:2:19: clusters[0].name: \"a/../b\" is not allowed; "
						   "write 1 to 63 characters of A-Z a-z 0-9 _ . -"},
	    {ONE("- name: a\n"),
	     "f:6:9: clusters[1].name: clusters[0] is named a already; names must differ"},
	    {ONE("  exposure: 0\n"),
	     "f:6:13: clusters[0].exposure: \"0\" is not allowed; write a number above 0 and at most 1"},
	    {ONE("  exposure: 1.01\n"),
	     "f:6:13: clusters[0].exposure: \"1.01\" is not allowed; write a number above 0 and at most 1"},
	    {ONE("  queue_limit: 0\n"),
	     "f:6:16: clusters[0].queue_limit: \"0\" is not allowed; write a whole number from 1 to 1000000"},
	    {ONE("  ignore_statements: ;\n"),
	     "f:6:22: clusters[0].ignore_statements: a value stands here; write a list such as [\";\"]"},
	    {ONE("  ignore_statements: [[]]\n"),
	     "f:6:23: clusters[0].ignore_statements[0]: a list stands here; "
	     "write the whole text of a statement, at most 1000 bytes"},
	    {PROXY "max_clusters: 1\n"
		   "clusters:\n- {name: a, primary: {address: 'h:1'}, mirror: {address: 'i:1'}}\n"
		   "- {name: b, primary: {address: 'h:1'}, mirror: {address: 'j:1'}}\n",
	     "f:1:1: clusters: 2 are given, max_clusters is 1; raise it to at most 64"},
	};

	(void)state;
	REFUSE(bad);
}

static void a_bad_address_is_quoted_with_the_reason(void **state)
{
	static const struct bad bad[] = {
	    {PROXY "clusters: [{primary: {address: 10.0.0.1}}]\n",
	     "f:2:32: clusters[0].primary.address: \"10.0.0.1\": the port is missing; write " ADDRESS_FORMS},
	    {PROXY "clusters: [{primary: {address: ['h:1', 'h:x']}}]\n",
	     "f:2:40: clusters[0].primary.address[1]: \"h:x\": the port must be a number from 1 to 65535; "
	     "write " ADDRESS_FORMS},
	    {PROXY "clusters: [{primary: {address: []}}]\n",
	     "f:2:32: clusters[0].primary.address: has 0 addresses; give 1 to 32"},
	    {PROXY "clusters: [{primary: {address: \"h\\n:1\"}}]\n",
	     "f:2:32: clusters[0].primary.address: \"h?:1\": this is no valid host name; "
	     "write " ADDRESS_FORMS},
	    {PROXY "clusters: [{primary: {address: 'h:1', database: ''}}]\n",
	     "f:2:49: clusters[0].primary.database: \"\" is not allowed; write the name of a database, 1 to "
	     "63 "
	     "bytes"},
	};

	(void)state;
	REFUSE(bad);
}

#define CLASH "; an endpoint can be one mirror or a primary, unless the databases differ"

static void an_endpoint_is_one_mirror_or_a_primary(void **state)
{
	static const struct bad bad[] = {
	    {TWO("{address: '1.0.0.2:1'}", "{address: '1.0.0.2:1'}"),
	     "f:4:64: clusters[1].mirror.address: \"1.0.0.2:1\" is the mirror of cluster a already (line "
	     "3)" CLASH},
	    {TWO("{address: '1.0.0.2:1', database: x}", "{address: '1.0.0.2:1', database: x}"),
	     "f:4:64: clusters[1].mirror.address: \"1.0.0.2:1\" is the mirror of cluster a already (line "
	     "3)" CLASH},
	    {TWO("{address: '1.0.0.2:1', database: x}", "{address: '1.0.0.2:1'}"),
	     "f:4:64: clusters[1].mirror.address: \"1.0.0.2:1\" is the mirror of cluster a already (line "
	     "3)" CLASH},
	    {TWO("{address: '1.0.0.2:1'}", "{address: '1.0.0.0/24:1'}"),
	     "f:4:64: clusters[1].mirror.address: \"1.0.0.0/24:1\" is the primary of cluster a already (line "
	     "3)" CLASH},
	    {TWO("{address: 'db:1'}", "{address: 'DB:1'}"), "f:4:64: clusters[1].mirror.address: \"DB:1\" is "
							    "the mirror of cluster a already (line 3)" CLASH},
	    {TWO("{address: 'unix:/a'}", "{address: 'unix:/a'}"),
	     "f:4:64: clusters[1].mirror.address: \"unix:/a\" is the mirror of cluster a already (line "
	     "3)" CLASH},
	    {PROXY "clusters: [{name: a, primary: {address: '1.0.0.1:1'}, mirror: {address: "
		   "'[::ffff:1.0.0.1]:1'}}]\n",
	     "f:2:73: clusters[0].mirror.address: \"[::ffff:1.0.0.1]:1\" is the primary of cluster a already "
	     "(line "
	     "2)" CLASH},
	    {TWO("{address: ['h:1', 'i:1', 'h:1']}", "{address: 'j:1'}"),
	     "f:3:79: clusters[0].mirror.address: \"h:1\" is covered by line 3 already; list each address "
	     "once"},
	};

	(void)state;
	REFUSE(bad);
}

static void yaml_that_hides_or_breaks_things_is_refused(void **state)
{
	static const struct bad bad[] = {
	    {"", "f:1:1: the file is empty; at least proxy and clusters are needed"},
	    {"# nothing\n", "f:1:1: the file is empty; at least proxy and clusters are needed"},
	    {"---\n", "f:1:1: the file is empty; at least proxy and clusters are needed"},
	    {"~\n", "f:1:1: the file is empty; at least proxy and clusters are needed"},
	    {"proxy:\n\tcomm: p\n", "f:2:1: syntax: a tab in the indentation; indent with spaces"},
	    {"proxy: &a {comm: p}\n",
	     "f:1:8: syntax: anchors (&name) are not supported; write the value out"},
	    {"proxy: {comm: &a p}\n",
	     "f:1:15: syntax: anchors (&name) are not supported; write the value out"},
	    {"proxy: *a\n", "f:1:8: syntax: aliases (*name) are not supported; write the value out"},
	    {"pin: !!str /a\n", "f:1:6: syntax: tags (!name) are not supported; leave it out"},
	    {PROXY "---\n" PROXY, "f:2:1: syntax: a second document begins here; write one only"},
	    {"proxy: {comm: p\n",
	     "f:2:1: syntax: did not find expected ',' or '}' while parsing a flow mapping; "
	     "write YAML, see observer.yaml(5)"},
	    {"pin: /a\n\xff\n", "f:2:1: syntax: not UTF-8; write plain UTF-8 text"},
	    {"pin: /\xc3\xa4\xc0\xaf\n", "f:1:8: syntax: not UTF-8; write plain UTF-8 text"},
	    {"pin: \x01\n", "f:1:6: syntax: a control character; write plain UTF-8 text"},
	    {"a: [[[[[[[[[[[[[[[[[[[[", "f:1:19: syntax: nested too deep; the deepest key is "
					"clusters[].mirror.address[]"},
	};

	(void)state;
	REFUSE(bad);
}

static void a_nul_byte_is_found_where_it_stands(void **state)
{
	struct config *config = NULL;
	char *error;

	(void)state;
	assert_int_equal(config_parse(&config, "f", "pin: /a\n\0x", 10, &error), -EINVAL);
	assert_string_equal(error, "f:2:1: syntax: a NUL byte; write plain UTF-8 text");
	free(error);
}

static void a_huge_file_and_a_huge_list_are_refused(void **state)
{
	size_t len = CONFIG_FILE_MAX + 1;
	struct config *config = NULL;
	char *text = malloc(len), *error;

	(void)state;
	assert_non_null(text);
	memset(text, '#', len);
	assert_int_equal(config_parse(&config, "f", text, len, &error), -EINVAL);
	assert_string_equal(error, "f:1:1: the file is larger than 1 MiB; no configuration needs that");
	free(error);
	memcpy(text, "a: [", 4);
	for (size_t i = 4; i + 1 < len; i += 2)
		memcpy(text + i, "0,", 2);
	assert_int_equal(config_parse(&config, "f", text, len - 1, &error), -EINVAL);
	assert_non_null(strstr(error, "syntax: more items than any configuration needs"));
	free(error);
	free(text);
}

/* 9 clusters with a primary in common and 32 mirror addresses each. */
static void more_addresses_than_the_kernel_side_holds_are_refused(void **state)
{
	struct config *config = NULL;
	char text[16384] = PROXY "clusters:\n", *error;
	size_t used = strlen(text);

	(void)state;
	for (int i = 0; i < 9; i++) {
		used +=
		    sprintf(text + used, "- {name: c%d, primary: {address: 'h:1'}, mirror: {address: [", i);
		for (int j = 0; j < 32; j++)
			used += sprintf(text + used, "'10.1.%d.%d:1',", i, j);
		used += sprintf(text + used, "]}}\n");
	}
	assert_int_equal(config_parse(&config, "f", text, used, &error), -EINVAL);
	assert_non_null(
	    strstr(error, ": clusters[7].mirror.address: more than 256 different addresses in all; write "
			  "blocks such as 10.0.0.0/24:5432"));
	free(error);
}

static void a_file_that_cannot_be_read_is_named_with_the_reason(void **state)
{
	struct config *config = NULL;
	char *error;

	(void)state;
	assert_int_equal(config_load(&config, "/nonexistent/o.yaml", &error), -ENOENT);
	assert_string_equal(error, "/nonexistent/o.yaml: cannot be read: No such file or directory");
	free(error);
	assert_int_equal(config_load(&config, "/", &error), -EISDIR);
	assert_string_equal(error, "/: cannot be read: Is a directory");
	free(error);
	assert_int_equal(config_load(&config, "/dev/null", &error), -EINVAL);
	assert_string_equal(error, "/dev/null: cannot be read: not a regular file");
	free(error);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_unknown_or_repeated_key_is_named_with_its_place),
	    cmocka_unit_test(a_wrong_type_or_duration_says_what_is_allowed),
	    cmocka_unit_test(a_switch_number_size_or_word_says_what_is_allowed),
	    cmocka_unit_test(a_path_or_address_says_what_is_allowed),
	    cmocka_unit_test(a_proxy_must_be_selected_by_something_that_can_exist),
	    cmocka_unit_test(a_cluster_must_be_whole),
	    cmocka_unit_test(a_bad_address_is_quoted_with_the_reason),
	    cmocka_unit_test(an_endpoint_is_one_mirror_or_a_primary),
	    cmocka_unit_test(yaml_that_hides_or_breaks_things_is_refused),
	    cmocka_unit_test(a_nul_byte_is_found_where_it_stands),
	    cmocka_unit_test(a_huge_file_and_a_huge_list_are_refused),
	    cmocka_unit_test(more_addresses_than_the_kernel_side_holds_are_refused),
	    cmocka_unit_test(a_file_that_cannot_be_read_is_named_with_the_reason),
	};

	return cmocka_run_group_tests_name("config_refused", tests, NULL, NULL);
}
