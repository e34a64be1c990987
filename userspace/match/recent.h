/* SPDX-License-Identifier: MIT */
/*
 * recent - which keys were paired a short while ago: a direct-mapped table of 16384 places, the newer key
 * wins. It may forget, never invent (but for 2^-32 of the looks). 128 KiB.
 */
#ifndef MO_RECENT_H
#define MO_RECENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct recent;

int recent_new(struct recent **out); /* 0 or -ENOMEM */
void recent_free(struct recent **recent);
size_t recent_bytes(void);

void recent_note(struct recent *recent, uint64_t key, uint64_t time_ns);
/* Whether the key was noted at most `within` before or after. */
bool recent_seen(const struct recent *recent, uint64_t key, uint64_t time_ns, uint64_t within_ns);

#endif
