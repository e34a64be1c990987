/* SPDX-License-Identifier: MIT */
/*
 * discovery - `discover`: finds the mirroring proxy among what runs, and writes an observer.yaml for it.
 *
 * A process that listens, and whose name has connections to two or more PostgreSQL servers, is taken for a
 * proxy; one of a known name before others. Which of its servers carry the same statements, and which comes
 * first, is watched for a while. What could not be decided stands as a comment in the file. Prints the file
 * to standard output, remarks to standard error; returns an exit_code.
 */
#ifndef MO_DISCOVERY_H
#define MO_DISCOVERY_H

#include <stdint.h>

int discovery_run(uint64_t watch_us);

#endif
