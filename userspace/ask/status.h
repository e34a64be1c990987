/* SPDX-License-Identifier: MIT */
/* status - `mirror-observer status`: verdict and main figures of each cluster, once. Returns the program's
 * exit status: 0 when the daemon answered. */
#ifndef MO_STATUS_H
#define MO_STATUS_H

#include "config/options.h"

int status_run(const struct options *options);

#endif
