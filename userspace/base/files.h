/* SPDX-License-Identifier: MIT */
/*
 * files - how many descriptors the process has open and may open (RLIMIT_NOFILE).
 */
#ifndef MO_FILES_H
#define MO_FILES_H

/* Open descriptors by /proc/self/fd, without the one that counts; -1 where that cannot be read. */
int files_open(void);

/* Raises the soft limit towards `wanted`, as far as the hard one lets it. Returns what may be open, at most
 * `wanted`. */
unsigned int files_allow(unsigned int wanted);

#endif
