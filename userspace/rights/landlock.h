/* SPDX-License-Identifier: MIT */
/*
 * landlock - no more files than are needed, whoever we run as (landlock(7)).
 *
 * Nothing can be written, made, removed or executed, TCP can be connected to port 53 only and bound to no
 * port, signals reach no other process: each as far as this kernel's Landlock knows it. What is open already
 * stays as it is.
 */
#ifndef MO_LANDLOCK_H
#define MO_LANDLOCK_H

#include <stddef.h>

/* Version of the kernel's Landlock; 0 when it has none or it is switched off. */
int landlock_version(void);

/*
 * From now on, for good, only what is at or below these paths can be opened, and only to be read. A path that
 * does not exist is left out. Needs no_new_privs. Returns 0, -EOPNOTSUPP without Landlock, or -errno.
 */
int landlock_read_only(const char *const *paths, size_t count);

#endif
