/* SPDX-License-Identifier: MIT */
#include "config/config.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "support/config_texts.h"

static struct config *parse(const char *text)
{
	struct config *config = NULL;
	char *error;

	if (config_parse(&config, "f", text, strlen(text), &error))
		fail_msg("%s", error ? error : "no memory");
	return config;
}

static void the_shipped_file_parses_and_holds_the_documented_values(void **state)
{
	struct config *config = NULL;
	const struct config_cluster *c;
	char *error = NULL;

	(void)state;
	if (config_load(&config, "observer.yaml", &error))
		fail_msg("%s", error);
	assert_string_equal(config->path, "observer.yaml");
	assert_string_equal(config->listen_host, "127.0.0.1");
	assert_int_equal(config->listen_port, 10432);
	assert_true(config->mirror_metrics_enabled);
	assert_true(config->failure_threshold == 5);
	assert_int_equal(config->window_us, 300000000);
	assert_string_equal(config->pin, "/sys/fs/bpf/mirror_observer");
	assert_string_equal(config->proxy.comm, "pgdog");
	assert_int_equal(config->cluster_count, 1);
	c = &config->clusters[0];
	assert_string_equal(c->name, "app_mirror");
	assert_string_equal(c->primary.database, "app");
	assert_string_equal(c->mirror.addresses[0].text, "10.0.2.25:5432");
	assert_true(c->exposure == 1);
	assert_int_equal(c->queue_limit, 128);
	assert_int_equal(c->request_timeout_us, 30000000);
	assert_int_equal(c->ignore_count, 1);
	assert_string_equal(c->ignore_statements[0], ";");
	config_free(&config);
	assert_null(config);
}

/* Takes the "# " from every line of observer.yaml that shows a default: they must be keys that parse. */
static void every_default_shown_in_the_shipped_file_parses_and_is_the_default(void **state)
{
	static const char *const shown[] = {
	    "# max_clusters: 16",    "# ring_bytes: 16MiB", "# match_memory: 192MiB",
	    "# attach: auto",        "# log_level: info",   "# user: mirror-observer",
	    "# exe: /usr/bin/pgdog", "# pid: 4711",         "# cgroup: system.slice/pgdog.service"};
	char text[16384], *at;
	struct config *config;
	FILE *file = fopen("observer.yaml", "r");
	size_t len;

	(void)state;
	assert_non_null(file);
	len = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[len] = '\0';
	for (size_t i = 0; i < sizeof(shown) / sizeof(*shown); i++) {
		at = strstr(text, shown[i]);
		assert_non_null(at);
		memmove(at, at + 2, strlen(at + 2) + 1);
	}
	config = parse(text);
	assert_int_equal(config->max_clusters, 16);
	assert_int_equal(config->ring_bytes, 16 << 20);
	assert_int_equal(config->match_memory, 192 << 20);
	assert_int_equal(config->attach, ATTACH_AUTO);
	assert_int_equal(config->log_level, LOG_LEVEL_INFO);
	assert_string_equal(config->user, "mirror-observer");
	assert_string_equal(config->proxy.exe, "/usr/bin/pgdog");
	assert_int_equal(config->proxy.pid, 4711);
	assert_string_equal(config->proxy.cgroup, "system.slice/pgdog.service");
	config_free(&config);
}

#define NAME(name, compare, value, unit, what, advice) #name,
static const char *const checks[READINESS_CHECK_COUNT] = {READINESS_CHECKS(NAME)};
#undef NAME

static char *read_file(const char *path)
{
	static char text[65536];
	FILE *file = fopen(path, "r");

	assert_non_null(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	return text;
}

static void assert_contains(const char *path, const char *format, const char *name)
{
	char wanted[64];

	snprintf(wanted, sizeof(wanted), format, name);
	if (!strstr(read_file(path), wanted))
		fail_msg("%s does not have \"%s\"", path, wanted);
}

static void every_check_of_the_verdict_is_documented_and_the_thresholds_shown_are_the_defaults(void **state)
{
	char *block = strstr(read_file("observer.yaml"), "\n# readiness:") + 1, text[16384] = ONE("");
	struct readiness_settings defaults;
	struct config *config;

	(void)state;
	for (char *line = strtok(block, "\n"); line; line = strtok(NULL, "\n")) {
		strcat(text, line + 2); /* "# " */
		strcat(text, "\n");
	}
	config = parse(text);
	readiness_defaults(&defaults);
	assert_int_equal(defaults.window_us, 3600000000ull);
	assert_int_equal(config->readiness.window_us, defaults.window_us);
	for (int i = 0; i < READINESS_CHECK_COUNT; i++) {
		assert_true(config->readiness.thresholds[i] == defaults.thresholds[i]);
		assert_contains("observer.yaml", "\n#   %s: ", checks[i]);
		assert_contains("docs/observer.yaml.5", "Cm %s", checks[i]);
		assert_contains("docs/migration-readiness.md", "\n| `%s` | ", checks[i]);
	}
	config_free(&config);
}

static void the_threshold_of_each_check_can_be_set(void **state)
{
	struct readiness_settings defaults;

	(void)state;
	readiness_defaults(&defaults);
	for (int i = 0; i < READINESS_CHECK_COUNT; i++) {
		bool time = i == READINESS_observed || i == READINESS_recent || i == READINESS_lag_p99 ||
			    i == READINESS_mirror_down;
		struct config *config;
		char text[1024];

		snprintf(text, sizeof(text), "readiness: { window: 2h, %s: 7%s }\n" ONE(""), checks[i],
			 time ? "s" : ".5");
		config = parse(text);
		assert_int_equal(config->readiness.window_us, 7200000000ull);
		for (int k = 0; k < READINESS_CHECK_COUNT; k++)
			assert_true(config->readiness.thresholds[k] == (k != i ? defaults.thresholds[k]
									: time ? 7
									       : 7.5));
		config_free(&config);
	}
}

static void what_is_not_given_has_its_default(void **state)
{
	struct config *config = parse(ONE(""));
	const struct config_cluster *c = &config->clusters[0];

	(void)state;
	assert_string_equal(config->listen_host, "127.0.0.1");
	assert_int_equal(config->listen_port, 10432);
	assert_true(config->mirror_metrics_enabled);
	assert_true(isnan(config->failure_threshold));
	assert_int_equal(config->window_us, 300000000);
	assert_int_equal(config->max_clusters, 16);
	assert_int_equal(config->ring_bytes, 16 << 20);
	assert_int_equal(config->log_level, LOG_LEVEL_INFO);
	assert_null(config->user);
	assert_null(c->primary.database);
	assert_true(isnan(c->exposure));
	assert_int_equal(c->queue_limit, 0);
	assert_int_equal(c->request_timeout_us, 30000000);
	assert_int_equal(c->ignore_count, 1);
	config_free(&config);
}

static void an_address_keeps_its_text_kind_and_place(void **state)
{
	struct config *config = parse(PROXY "clusters:\n- name: a\n  primary:\n    address:\n"
					    "    - 10.0.0.0/24:5432\n    - Db.example:6432\n"
					    "    - unix:/run/.s.PGSQL.5432\n"
					    "  mirror: {address: '[2001:db8::1]:5432'}\n");
	const struct config_endpoint *e = &config->clusters[0].primary;

	(void)state;
	assert_int_equal(e->address_count, 3);
	assert_int_equal(e->addresses[0].range.prefix_len, 96 + 24);
	assert_null(e->addresses[0].host);
	assert_string_equal(e->addresses[1].host, "Db.example");
	assert_int_equal(e->addresses[1].range.base.port, 6432);
	assert_string_equal(e->addresses[1].text, "Db.example:6432");
	assert_int_equal(e->addresses[1].line, 7);
	assert_int_equal(e->addresses[1].column, 7);
	assert_int_equal(e->addresses[2].range.family, ADDRESS_UNIX);
	config_free(&config);
}

static void without_mirror_metrics_neither_proxy_nor_clusters_are_needed(void **state)
{
	struct config *config = parse("mirror_metrics_enabled: false\n");

	(void)state;
	assert_false(config->mirror_metrics_enabled);
	assert_int_equal(config->cluster_count, 0);
	config_free(&config);
}

static void what_is_valid_at_the_edge_is_taken(void **state)
{
	static const char *const good[] = {
	    ONE("mirror_failure_threshold: 0\n"),
	    ONE("mirror_failure_threshold: 100\n"),
	    ONE("mirror_failure_threshold: 0.5\n"),
	    ONE("window: 1s\nring_bytes: 65536\nmax_clusters: 1\n"),
	    ONE("window: 24h\nring_bytes: 1GiB\nmax_clusters: 64\nlisten: '[::1]:0'\n"),
	    ONE("  request_timeout: 0\n"),
	    ONE("  request_timeout: 250ms\n  exposure: 0.001\n  ignore_statements: []\n"),
	    "\xef\xbb\xbf" ONE(""),
	    "%YAML 1.1\n---\n" ONE("...\n"),
	    "# comment \xc3\xa4\r\n" ONE(""),
	    "{proxy: {comm:\tp}, mirror_metrics_enabled: false}\n",
	    /* one server for both sides, the databases differ */
	    PROXY "clusters: [{name: a, primary: {address: 'h:1', database: x}, mirror: {address: 'h:1', "
		  "database: y}}]",
	    /* a primary shared by clusters; mirrors on one server in different databases */
	    TWO("{address: '1.0.0.2:1', database: x}", "{address: '1.0.0.2:1', database: y}"),
	    /* equal text, other port */
	    TWO("{address: 'h:1'}", "{address: 'h:2'}"),
	    TWO("{address: 'unix:/a'}", "{address: 'unix:/b'}"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		struct config *config = parse(good[i]);
		config_free(&config);
	}
}

static void statements_to_ignore_are_trimmed_and_replace_the_default(void **state)
{
	struct config *config = parse(ONE("  ignore_statements: [' select 1 ', \"\\tBEGIN;\\n\", '']\n"));
	const struct config_cluster *c = &config->clusters[0];

	(void)state;
	assert_int_equal(c->ignore_count, 3);
	assert_string_equal(c->ignore_statements[0], "select 1");
	assert_string_equal(c->ignore_statements[1], "BEGIN;");
	assert_string_equal(c->ignore_statements[2], "");
	config_free(&config);
}

static void a_reload_may_change_everything_but_what_needs_a_restart(void **state)
{
	static const char *const changes[][2] = {
	    {"listen: 127.0.0.1:1\n", "listen"},
	    {"listen: '[::1]:10432'\n", "listen"},
	    {"pin: /a\n", "pin"},
	    {"max_clusters: 3\n", "max_clusters"},
	    {"ring_bytes: 1MiB\n", "ring_bytes"},
	    {"match_memory: 64MiB\n", "match_memory"},
	    {"attach: kprobe\n", "attach"},
	    {"user: nobody\n", "user"},
	    {"mirror_metrics_enabled: false\n", "mirror_metrics_enabled"},
	    {"window: 1m\n", NULL},
	    {"log_level: debug\n", NULL},
	    {"mirror_failure_threshold: 7\n", NULL},
	    {"- {name: b, primary: {address: 'x:1'}, mirror: {address: 'y:1'}}\n", NULL},
	};
	struct config *old = parse(ONE("")), *new_;
	const char *key, *want;
	char text[1024];

	(void)state;
	for (size_t i = 0; i < sizeof(changes) / sizeof(*changes); i++) {
		snprintf(text, sizeof(text), "%s%s", ONE(""), changes[i][0]);
		new_ = parse(text);
		want = changes[i][1];
		assert_int_equal(config_can_reload(old, new_, &key), want == NULL);
		if (want)
			assert_string_equal(key, want);
		else
			assert_null(key);
		config_free(&new_);
	}
	config_free(&old);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_shipped_file_parses_and_holds_the_documented_values),
	    cmocka_unit_test(every_default_shown_in_the_shipped_file_parses_and_is_the_default),
	    cmocka_unit_test(
		every_check_of_the_verdict_is_documented_and_the_thresholds_shown_are_the_defaults),
	    cmocka_unit_test(the_threshold_of_each_check_can_be_set),
	    cmocka_unit_test(what_is_not_given_has_its_default),
	    cmocka_unit_test(an_address_keeps_its_text_kind_and_place),
	    cmocka_unit_test(without_mirror_metrics_neither_proxy_nor_clusters_are_needed),
	    cmocka_unit_test(what_is_valid_at_the_edge_is_taken),
	    cmocka_unit_test(statements_to_ignore_are_trimmed_and_replace_the_default),
	    cmocka_unit_test(a_reload_may_change_everything_but_what_needs_a_restart),
	};

	return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
