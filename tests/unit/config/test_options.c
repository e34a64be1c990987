/* SPDX-License-Identifier: MIT */
#include "config/options.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"

static int parse(struct options *out, const char *line, const char **error)
{
	static char copy[256];
	char *argv[16] = {"mirror-observer"}, *save;
	int argc = 1;

	strcpy(copy, line);
	for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save))
		argv[argc++] = word;
	return options_parse(out, argc, argv, error);
}

static void without_options_the_daemon_runs_with_the_default_file(void **state)
{
	struct options options;
	const char *error;

	(void)state;
	assert_int_equal(parse(&options, "", &error), 0);
	assert_int_equal(options.command, COMMAND_DAEMON);
	assert_string_equal(options.config_path, "/etc/mirror-observer/observer.yaml");
	assert_false(options.fresh);
	assert_int_equal(options.log_level, -1);
}

static void every_option_is_understood(void **state)
{
	struct options options;
	const char *error;

	(void)state;
	assert_int_equal(parse(&options, "--config a.yaml --check --fresh --log-level=debug", &error), 0);
	assert_int_equal(options.command, COMMAND_CHECK);
	assert_string_equal(options.config_path, "a.yaml");
	assert_true(options.fresh);
	assert_int_equal(options.log_level, LOG_LEVEL_DEBUG);
	assert_int_equal(parse(&options, "--version", &error), 0);
	assert_int_equal(options.command, COMMAND_VERSION);
	assert_int_equal(parse(&options, "-h", &error), 0);
	assert_int_equal(options.command, COMMAND_HELP);
}

static void the_commands_that_ask_a_daemon_take_their_options_in_any_order(void **state)
{
	struct options options;
	const char *error;

	(void)state;
	assert_int_equal(parse(&options, "readiness --cluster app --wait 5m --url http://[::1]:1", &error),
			 0);
	assert_int_equal(options.command, COMMAND_READINESS);
	assert_string_equal(options.cluster, "app");
	assert_string_equal(options.url, "http://[::1]:1");
	assert_int_equal(options.wait_us, 300000000);
	assert_int_equal(parse(&options, "--cluster=app --config x.yaml reset", &error), 0);
	assert_int_equal(options.command, COMMAND_RESET);
	assert_true(options.config_given);
	assert_int_equal(parse(&options, "readiness --help", &error), 0);
	assert_int_equal(options.command, COMMAND_HELP);
}

static void a_wrong_command_line_is_one_line_with_a_hint(void **state)
{
	static const char *const bad[][2] = {
	    {"--confg x", "--confg: no such option; try mirror-observer --help"},
	    {"-x", "-x: no such option; try mirror-observer --help"},
	    {"--config", "--config: a value is missing; try mirror-observer --help"},
	    {"--check=yes", "--check=yes: takes no value; try mirror-observer --help"},
	    {"--c x", "--c: no such option; try mirror-observer --help"},
	    {"--log-level loud",
	     "--log-level loud: must be error, warning, info or debug; try mirror-observer --help"},
	    {"--check --version",
	     "only one of --check, --version and --help can be given; try mirror-observer --help"},
	    {"start", "start: no such command; try mirror-observer --help"},
	    {"readiness reset", "only one command can be given; try mirror-observer --help"},
	    {"--cluster app",
	     "--cluster: only with the commands that ask a daemon; try mirror-observer --help"},
	    {"--url http://x --check",
	     "--url: only with the commands that ask a daemon; try mirror-observer --help"},
	    {"report", "report: -o FILE is missing; try mirror-observer --help"},
	    {"status -o x", "--output: only with report; try mirror-observer --help"},
	    {"top --json", "--json: only with readiness and status; try mirror-observer --help"},
	    {"status top", "only one command can be given; try mirror-observer --help"},
	    {"--prometheus http://x", "--prometheus: only with readiness; try mirror-observer --help"},
	    {"reset --cluster app --prometheus http://x",
	     "--prometheus: only with readiness; try mirror-observer --help"},
	    {"readiness --prometheus http://x --url http://y",
	     "only one of --prometheus, --url and --config can be given; try mirror-observer --help"},
	    {"reset --cluster app --wait 5s", "--wait: only with readiness; try mirror-observer --help"},
	    {"reset", "reset: --cluster is missing; try mirror-observer --help"},
	    {"readiness --wait soon",
	     "--wait soon: must be a duration such as 30s, 5m or 1h; try mirror-observer --help"},
	    {"readiness --url http://x --config y",
	     "only one of --url and --config can be given; try mirror-observer --help"},
	    {"readiness --fresh", "--fresh: only for the daemon; try mirror-observer --help"},
	};
	struct options options;
	const char *error;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_int_equal(parse(&options, bad[i][0], &error), -EINVAL);
		assert_string_equal(error, bad[i][1]);
	}
}

static void help_names_every_option_and_exit_status(void **state)
{
	static const char *const words[] = {
	    "--config",     "--check",   "--fresh", "--log-level", "--version", "--help", "0 ok",
	    "5 the daemon", "readiness", "reset",   "--cluster",   "--wait",    "--url"};

	(void)state;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		assert_non_null(strstr(options_help(), words[i]));
	assert_non_null(strstr(options_version(), VERSION));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(without_options_the_daemon_runs_with_the_default_file),
	    cmocka_unit_test(every_option_is_understood),
	    cmocka_unit_test(the_commands_that_ask_a_daemon_take_their_options_in_any_order),
	    cmocka_unit_test(a_wrong_command_line_is_one_line_with_a_hint),
	    cmocka_unit_test(help_names_every_option_and_exit_status),
	};

	return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
