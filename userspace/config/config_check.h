/* SPDX-License-Identifier: MIT */
/*
 * config_check - what must hold between the parts of a configuration: names are unique, and no endpoint is a
 * mirror twice, or primary and mirror at once. Pure.
 */
#ifndef MO_CONFIG_CHECK_H
#define MO_CONFIG_CHECK_H

#include "config/config.h"

struct config_problem {
	unsigned line, column; /* of the address at fault */
	char text[512];        /* "clusters[1].mirror.address: what; what is allowed" */
};

/*
 * Two endpoints clash when an address could be in both and their databases can be the same. Host names
 * compare by text (without case) and port; what they resolve to is classify.h's concern. A primary may be
 * shared by several clusters. Returns 0 or -EINVAL.
 */
int config_check_endpoints(const struct config *config, struct config_problem *out);

#endif
