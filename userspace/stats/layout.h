/* SPDX-License-Identifier: MIT */
/*
 * layout - what the fields of the statistics are, as one number.
 *
 * The kernel hands out the type information of a pinned map only to CAP_SYS_ADMIN. For a process without it
 * the number in the map tells whether the counters there mean what ours mean.
 */
#ifndef MO_LAYOUT_H
#define MO_LAYOUT_H

#include <stdint.h>

/* Differs when a field, a label's value or a bucket is added, removed, renamed or moved. */
uint64_t layout_fields(void);

#endif
