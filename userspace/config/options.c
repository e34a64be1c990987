/* SPDX-License-Identifier: MIT */
#include "config/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "config/value.h"

#define HINT "; try mirror-observer --help"

enum {
	OPTION_CONFIG = 1,
	OPTION_CHECK,
	OPTION_FRESH,
	OPTION_LOG_LEVEL,
	OPTION_VERSION,
	OPTION_HELP,
	OPTION_CLUSTER,
	OPTION_URL,
	OPTION_PROMETHEUS,
	OPTION_WAIT,
	OPTION_JSON,
	OPTION_OUTPUT,
	OPTION_SECONDS,
};

static const struct option long_options[] = {
    {"config", required_argument, NULL, OPTION_CONFIG},
    {"check", no_argument, NULL, OPTION_CHECK},
    {"fresh", no_argument, NULL, OPTION_FRESH},
    {"log-level", required_argument, NULL, OPTION_LOG_LEVEL},
    {"version", no_argument, NULL, OPTION_VERSION},
    {"help", no_argument, NULL, OPTION_HELP},
    {"cluster", required_argument, NULL, OPTION_CLUSTER},
    {"url", required_argument, NULL, OPTION_URL},
    {"prometheus", required_argument, NULL, OPTION_PROMETHEUS},
    {"wait", required_argument, NULL, OPTION_WAIT},
    {"json", no_argument, NULL, OPTION_JSON},
    {"output", required_argument, NULL, OPTION_OUTPUT},
    {"seconds", required_argument, NULL, OPTION_SECONDS},
    {NULL, 0, NULL, 0},
};

__attribute__((format(printf, 2, 3))) static int fail(const char **error, const char *format, ...)
{
	static char line[256];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line) - sizeof(HINT), format, args);
	va_end(args);
	strcat(line, HINT);
	*error = line;
	return -EINVAL;
}

static int parse_log_level(struct options *out, const char *text, const char **error)
{
	out->log_level = log_level_parse(text);
	if (out->log_level < 0)
		return fail(error, "--log-level %.32s: must be error, warning, info or debug", text);
	return 0;
}

static int parse_wait(struct options *out, const char *text, const char **error)
{
	if (value_duration(text, &out->wait_us) || !out->wait_us)
		return fail(error, "--wait %.32s: must be a duration such as 30s, 5m or 1h", text);
	return 0;
}

static int parse_seconds(struct options *out, const char *text, const char **error)
{
	char *end;
	unsigned long seconds = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || seconds > 3600)
		return fail(error, "--seconds %.32s: must be a number of seconds, at most 3600", text);
	out->seconds = (int)seconds;
	return 0;
}

static int set_command(struct options *out, enum command command, const char **error)
{
	if (out->command != COMMAND_DAEMON && out->command != command)
		return fail(error, "only one of --check, --version and --help can be given");
	out->command = command;
	return 0;
}

static int apply(struct options *out, int option, const char **error)
{
	switch (option) {
	case OPTION_CONFIG:
		out->config_path = optarg;
		out->config_given = true;
		return 0;
	case OPTION_CLUSTER:
		out->cluster = optarg;
		return 0;
	case OPTION_URL:
		out->url = optarg;
		return 0;
	case OPTION_PROMETHEUS:
		out->prometheus = optarg;
		return 0;
	case OPTION_SECONDS:
		return parse_seconds(out, optarg, error);
	case OPTION_WAIT:
		return parse_wait(out, optarg, error);
	case OPTION_JSON:
		out->json = true;
		return 0;
	case OPTION_OUTPUT:
		out->output = optarg;
		return 0;
	case OPTION_FRESH:
		out->fresh = true;
		return 0;
	case OPTION_LOG_LEVEL:
		return parse_log_level(out, optarg, error);
	case OPTION_CHECK:
		return set_command(out, COMMAND_CHECK, error);
	case OPTION_VERSION:
		return set_command(out, COMMAND_VERSION, error);
	default:
		return set_command(out, COMMAND_HELP, error);
	}
}

/* optopt is 0 for an unknown or ambiguous long option, the character of a short one, and the value of an
 * option of ours that got an argument it does not take. */
static int unknown(const char *word, const char **error)
{
	if (optopt > ' ')
		return fail(error, "-%c: no such option", optopt);
	return fail(error, "%.64s: %s", word, optopt ? "takes no value" : "no such option");
}

static int set_word(struct options *out, const char *word, const char **error)
{
	static const struct {
		const char *word;
		enum command command;
	} commands[] = {
	    {"readiness", COMMAND_READINESS}, {"reset", COMMAND_RESET},
	    {"status", COMMAND_STATUS},       {"top", COMMAND_TOP},
	    {"report", COMMAND_REPORT},       {"discover", COMMAND_DISCOVER},
	};
	size_t i = 0;

	while (i < sizeof(commands) / sizeof(*commands) && strcmp(commands[i].word, word) != 0)
		i++;
	if (i == sizeof(commands) / sizeof(*commands))
		return fail(error, "%.64s: no such command", word);
	if (out->command == COMMAND_HELP || out->command == COMMAND_VERSION)
		return 0;
	if (out->command != COMMAND_DAEMON)
		return fail(error, "only one command can be given");
	out->command = commands[i].command;
	return 0;
}

/* Those that ask a running daemon. */
static bool asks(enum command command)
{
	return command == COMMAND_READINESS || command == COMMAND_RESET || command == COMMAND_STATUS ||
	       command == COMMAND_TOP || command == COMMAND_REPORT;
}

static int check_missing(const struct options *out, const char **error)
{
	if (out->command == COMMAND_RESET && !out->cluster)
		return fail(error, "reset: --cluster is missing");
	if (out->command == COMMAND_REPORT && !out->output)
		return fail(error, "report: -o FILE is missing");
	return 0;
}

/* Each option belongs to some commands only: one that would be without effect is a slip. */
static int check_fit(const struct options *out, const char **error)
{
	if (out->command == COMMAND_HELP || out->command == COMMAND_VERSION)
		return 0;
	if (!asks(out->command) && (out->cluster || out->url))
		return fail(error, "%s: only with the commands that ask a daemon",
			    out->url ? "--url" : "--cluster");
	if (out->wait_us && out->command != COMMAND_READINESS)
		return fail(error, "--wait: only with readiness");
	if (out->json && out->command != COMMAND_READINESS && out->command != COMMAND_STATUS)
		return fail(error, "--json: only with readiness and status");
	if (out->output && out->command != COMMAND_REPORT)
		return fail(error, "--output: only with report");
	if (out->prometheus && out->command != COMMAND_READINESS)
		return fail(error, "--prometheus: only with readiness");
	if (out->prometheus && (out->url || out->config_given))
		return fail(error, "only one of --prometheus, --url and --config can be given");
	if (asks(out->command) && (out->fresh || out->log_level >= 0))
		return fail(error, "%s: only for the daemon", out->fresh ? "--fresh" : "--log-level");
	if (out->url && out->config_given)
		return fail(error, "only one of --url and --config can be given");
	if (out->command == COMMAND_DISCOVER && (out->config_given || out->fresh))
		return fail(error, "discover: writes a configuration and reads none");
	if (out->seconds >= 0 && out->command != COMMAND_DISCOVER)
		return fail(error, "--seconds: only with discover");
	return check_missing(out, error);
}

int options_parse(struct options *out, int argc, char **argv, const char **error)
{
	int option, err;

	*out = (struct options){.config_path = OPTIONS_DEFAULT_CONFIG, .log_level = -1, .seconds = -1};
	optind = 0; /* glibc: start anew */
	opterr = 0;
	while ((option = getopt_long(argc, argv, ":ho:", long_options, NULL)) != -1) {
		if (option == ':')
			return fail(error, "%.64s: a value is missing", argv[optind - 1]);
		if (option == '?')
			return unknown(argv[optind - 1], error);
		err = apply(out, option == 'h' ? OPTION_HELP : option == 'o' ? OPTION_OUTPUT : option, error);
		if (err)
			return err;
	}
	for (; optind < argc; optind++) {
		err = set_word(out, argv[optind], error);
		if (err)
			return err;
	}
	return check_fit(out, error);
}

const char *options_help(void)
{
	return "Usage: mirror-observer [--config FILE] [--fresh] [--log-level LEVEL]\n"
	       "       mirror-observer --check [--config FILE]\n"
	       "       mirror-observer top [--cluster NAME] [--url URL | --config FILE]\n"
	       "       mirror-observer status [--cluster NAME] [--json] [--url URL | --config FILE]\n"
	       "       mirror-observer readiness [--cluster NAME] [--wait TIME] [--json] [--url URL | "
	       "--config FILE]\n"
	       "       mirror-observer report -o FILE [--cluster NAME] [--url URL | --config FILE]\n"
	       "       mirror-observer readiness [--cluster NAME] [--wait TIME] [--json] --prometheus URL\n"
	       "       mirror-observer discover [--seconds N]\n"
	       "       mirror-observer import FILE...\n"
	       "       mirror-observer reset --cluster NAME [--url URL | --config FILE]\n"
	       "\n"
	       "Watches the backend connections of a PostgreSQL mirroring proxy from the kernel and serves\n"
	       "how the mirror does.\n"
	       "\n"
	       "  top                verdict, figures, plots and statements, live in a terminal\n"
	       "  status             verdict and figures, once\n"
	       "  report             write one HTML file with all of it, to sign off a migration\n"
	       "  readiness          ask the running daemon: could I switch over now, and what is in the "
	       "way?\n"
	       "  discover           find the proxy that runs and write an observer.yaml for it to standard\n"
	       "                     output; its traffic is watched for --seconds (5)\n"
	       "  import             write one from pgdog.toml and users.toml, pgcat.toml or pgpool.conf\n"
	       "  reset              have it start the verdict on one cluster anew\n"
	       "\n"
	       "  --config FILE      configuration (default " OPTIONS_DEFAULT_CONFIG ")\n"
	       "  --check            check the configuration and this host, then exit\n"
	       "  --fresh            start all counters at zero instead of going on from the pinned ones\n"
	       "  --log-level LEVEL  error, warning, info or debug; overrides the configuration\n"
	       "  --cluster NAME     this cluster only\n"
	       "  --wait TIME        wait until it is ready, at most so long (30s, 5m, 1h)\n"
	       "  --json             the daemon's own answer\n"
	       "  -o, --output FILE  what report writes\n"
	       "  --url URL          where the daemon answers, such as http://127.0.0.1:10432; by default "
	       "where\n"
	       "                     the configuration says\n"
	       "  --prometheus URL   ask this Prometheus for the verdict of all observers together\n"
	       "  --version          print the version\n"
	       "  -h, --help         print this text\n"
	       "\n"
	       "Exit status: 0 ok; 1 not ready, or a failure while running; 2 usage or configuration;\n"
	       "3 insufficient data; 4 this host cannot be observed; 5 the daemon cannot be reached.\n"
	       "See mirror-observer(8) and observer.yaml(5).\n";
}

const char *options_version(void)
{
	return "mirror-observer " VERSION "\n";
}
