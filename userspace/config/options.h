/* SPDX-License-Identifier: MIT */
/*
 * options - the command line, and what the program's exit status means.
 *
 * Pure: prints nothing, ends nothing. Strings point into argv or are static.
 */
#ifndef MO_OPTIONS_H
#define MO_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

/* Exit status of the program and of all its commands. */
enum exit_code {
	EXIT_OK = 0,          /* done, or the verdict is "ready" */
	EXIT_NOT_OK = 1,      /* the verdict is "not ready", or a failure while running */
	EXIT_USAGE = 2,       /* command line or configuration */
	EXIT_NO_DATA = 3,     /* not enough was seen for a verdict */
	EXIT_HOST = 4,        /* this host cannot be observed (--check, attach) */
	EXIT_UNREACHABLE = 5, /* no daemon answers */
};

enum command {
	COMMAND_DAEMON,    /* no command given: observe and serve */
	COMMAND_CHECK,     /* --check */
	COMMAND_VERSION,   /* --version */
	COMMAND_HELP,      /* --help */
	COMMAND_READINESS, /* readiness: ask a running daemon for its verdict */
	COMMAND_DISCOVER,  /* discover: write a configuration for the proxy that runs */
	COMMAND_RESET,     /* reset: have it start the verdict anew */
	COMMAND_STATUS,    /* status: what the page shows, once */
	COMMAND_TOP,       /* top: the same, live in a terminal */
	COMMAND_REPORT,    /* report: one file to sign off */
};

#define OPTIONS_DEFAULT_CONFIG "/etc/mirror-observer/observer.yaml"

struct options {
	enum command command;
	const char *config_path;
	bool fresh;
	int log_level; /* enum log_level, or -1: as the configuration says */

	/* of the commands that ask a running daemon */
	const char *cluster; /* NULL = all (not with reset) */
	const char *url;     /* NULL = where the configuration says that the daemon listens */
	/* readiness: ask this Prometheus about all observers; NULL = ask one daemon */
	const char *prometheus;
	bool config_given;  /* --config was */
	int seconds;        /* discover: how long to watch; -1 = not given */
	uint64_t wait_us;   /* readiness: how long to wait for it; 0 = not at all */
	bool json;          /* readiness, status: as the daemon's JSON */
	const char *output; /* report: the file to write */
};

/* Returns 0, or -EINVAL with one line in *error (static, without newline), which ends in a hint. */
int options_parse(struct options *out, int argc, char **argv, const char **error);

/* Text of --help and --version, with newline. */
const char *options_help(void);
const char *options_version(void);

#endif
