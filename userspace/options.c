/* SPDX-License-Identifier: MIT */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "log.h"

#define HINT "; try mirror-observer --help"

enum { OPTION_CONFIG = 1, OPTION_CHECK, OPTION_FRESH, OPTION_LOG_LEVEL, OPTION_VERSION, OPTION_HELP };

static const struct option long_options[] = {
    {"config", required_argument, NULL, OPTION_CONFIG},
    {"check", no_argument, NULL, OPTION_CHECK},
    {"fresh", no_argument, NULL, OPTION_FRESH},
    {"log-level", required_argument, NULL, OPTION_LOG_LEVEL},
    {"version", no_argument, NULL, OPTION_VERSION},
    {"help", no_argument, NULL, OPTION_HELP},
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
	if (optind < argc)
		return fail(error, "%.64s: no such command", argv[optind]);
	return 0;
}

const char *options_help(void)
{
	return "Usage: mirror-observer [--config FILE] [--fresh] [--log-level LEVEL]\n"
	       "       mirror-observer --check [--config FILE]\n"
	       "\n"
	       "Watches the backend connections of a PostgreSQL mirroring proxy from the kernel and serves\n"
	       "how the mirror does.\n"
	       "\n"
	       "  --config FILE      configuration (default " OPTIONS_DEFAULT_CONFIG ")\n"
	       "  --check            check the configuration and this host, then exit\n"
	       "  --fresh            start all counters at zero instead of going on from the pinned ones\n"
	       "  --log-level LEVEL  error, warning, info or debug; overrides the configuration\n"
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
