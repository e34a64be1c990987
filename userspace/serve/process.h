/* SPDX-License-Identifier: MIT */
/*
 * process - the standard process_* families of Prometheus client libraries, read from /proc/self. What cannot
 * be read (after a change of user) is left out rather than zero.
 */
#ifndef MO_PROCESS_H
#define MO_PROCESS_H

#include "serve/exposition.h"

void process_write(struct exposition *x);

#endif
