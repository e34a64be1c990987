/* SPDX-License-Identifier: MIT */
/*
 * locate - where the daemon answers that a command asks: --url, or what the configuration says; without a
 * file of the default name, the default address.
 */
#ifndef MO_LOCATE_H
#define MO_LOCATE_H

#include "config/options.h"

#define LOCATE_URL_MAX 320

/* 0, or -errno after saying why on standard error: exit with EXIT_USAGE. */
int locate(const struct options *options, char url[LOCATE_URL_MAX]);

#endif
