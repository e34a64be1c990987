/* SPDX-License-Identifier: MIT */
/*
 * config_data - the life of a struct config: its defaults. What else there is to do with one is in config.h.
 */
#ifndef MO_CONFIG_DATA_H
#define MO_CONFIG_DATA_H

#include "config/config.h"

/* Every key at its default, no clusters. The caller frees it with config_free. */
int config_new(struct config **out, const char *path);
/* The defaults of one cluster; strings in it belong to the cluster. */
int config_cluster_init(struct config_cluster *cluster);

#endif
