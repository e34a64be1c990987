/* SPDX-License-Identifier: MIT */
/*
 * check - `--check`: would this configuration run on this host, and does it see a proxy?
 *
 * Prints a report to standard output and changes nothing that stays. Returns an exit_code: 0, or EXIT_HOST
 * when the programs cannot be loaded and attached. A proxy that does not run is a warning only.
 */
#ifndef MO_CHECK_H
#define MO_CHECK_H

#include "config/config.h"

int check_run(const struct config *config);

#endif
