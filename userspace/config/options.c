/* SPDX-License-Identifier: MIT */
#include "config/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
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
	OPTION_WAIT,
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
    {"wait", required_argument, NULL, OPTION_WAIT},
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
	case OPTION_WAIT:
		return parse_wait(out, optarg, error);
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
	enum command command;

	if (strcmp(word, "readiness") == 0)
		command = COMMAND_READINESS;
	else if (strcmp(word, "reset") == 0)
		command = COMMAND_RESET;
	else
		return fail(error, "%.64s: no such command", word);
	if (out->command == COMMAND_HELP || out->command == COMMAND_VERSION)
		return 0;
	if (out->command != COMMAND_DAEMON)
		return fail(error, "only one of --check, readiness and reset can be given");
	out->command = command;
	return 0;
}

/* Each option belongs to some commands only: one that would be without effect is a slip. */
static int check_fit(const struct options *out, const char **error)
{
	bool asks = out->command == COMMAND_READINESS || out->command == COMMAND_RESET;

	if (out->command == COMMAND_HELP || out->command == COMMAND_VERSION)
		return 0;
	if (!asks && (out->cluster || out->url))
		return fail(error, "%s: only with readiness and reset", out->url ? "--url" : "--cluster");
	if (out->wait_us && out->command != COMMAND_READINESS)
		return fail(error, "--wait: only with readiness");
	if (asks && (out->fresh || out->log_level >= 0))
		return fail(error, "%s: only for the daemon", out->fresh ? "--fresh" : "--log-level");
	if (out->url && out->config_given)
		return fail(error, "only one of --url and --config can be given");
	if (out->command == COMMAND_RESET && !out->cluster)
		return fail(error, "reset: --cluster is missing");
	return 0;
}

int options_parse(struct options *out, int argc, char **argv, const char **error)
{
	int option, err;

	*out = (struct options){.config_path = OPTIONS_DEFAULT_CONFIG, .log_level = -1};
	optind = 0; /* glibc: start anew */
	opterr = 0;
	while ((option = getopt_long(argc, argv, ":h", long_options, NULL)) != -1) {
		if (option == ':')
			return fail(error, "%.64s: a value is missing", argv[optind - 1]);
		if (option == '?')
			return unknown(argv[optind - 1], error);
		err = apply(out, option == 'h' ? OPTION_HELP : option, error);
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
	       "       mirror-observer readiness [--cluster NAME] [--wait TIME] [--url URL | --config FILE]\n"
	       "       mirror-observer reset --cluster NAME [--url URL | --config FILE]\n"
	       "\n"
	       "Watches the backend connections of a PostgreSQL mirroring proxy from the kernel and serves\n"
	       "how the mirror does.\n"
	       "\n"
	       "  readiness          ask the running daemon: could I switch over now, and what is in the "
	       "way?\n"
	       "  reset              have it start the verdict on one cluster anew\n"
	       "\n"
	       "  --config FILE      configuration (default " OPTIONS_DEFAULT_CONFIG ")\n"
	       "  --check            check the configuration and this host, then exit\n"
	       "  --fresh            start all counters at zero instead of going on from the pinned ones\n"
	       "  --log-level LEVEL  error, warning, info or debug; overrides the configuration\n"
	       "  --cluster NAME     this cluster only\n"
	       "  --wait TIME        wait until it is ready, at most so long (30s, 5m, 1h)\n"
	       "  --url URL          where the daemon answers, such as http://127.0.0.1:10432; by default "
	       "where\n"
	       "                     the configuration says\n"
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
