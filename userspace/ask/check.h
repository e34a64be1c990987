/* SPDX-License-Identifier: MIT */
/*
 * check - `--check`: would this configuration run on this host, and does it fit the proxy that runs?
 *
 * Prints a report to standard output and changes nothing that stays. Returns an exit_code: 0; EXIT_HOST when
 * the programs cannot be loaded and attached; EXIT_NOT_OK when a proxy runs and the configuration does not
 * fit it. A proxy that does not run is a warning only.
 */
#ifndef MO_CHECK_H
#define MO_CHECK_H

#include <stdbool.h>

#include "config/config.h"

/* Watches the proxy for a moment and prints what it finds; an exit_code. */
typedef int check_watch(const struct config *config, bool reads_tls,
			void (*print)(void *ctx, const char *line), void *ctx);

int check_run(const struct config *config, check_watch *watch);

#endif
