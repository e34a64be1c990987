/* SPDX-License-Identifier: MIT */
/*
 * trial - a short observation that serves nothing and keeps nothing: what `--check` says of the running
 * proxy.
 */
#ifndef MO_TRIAL_H
#define MO_TRIAL_H

#include "config/config.h"
#include "observation.h"

/* Asked four times a second; true ends the trial. */
typedef bool trial_look(void *ctx, struct observation *observation);

/* 0, or EXIT_HOST: observation_error() says why. */
int trial_run(const struct config *config, uint64_t max_us, trial_look *look, void *ctx);

#define TRIAL_US 3000000 /* watched for at most so long, less when all is clear before */

/* A check_watch: prints what it finds, one line a call. Returns an exit_code. reads_tls: what is encrypted
 * now is so because it is older than the trial, and is no fault of the configuration. */
int trial_check(const struct config *config, bool reads_tls, void (*print)(void *ctx, const char *line),
		void *ctx);

#endif
