/* SPDX-License-Identifier: MIT */
/*
 * paired_keys - which keys were paired a short while ago: a direct-mapped table of 16384 places, the newer
 * key wins. It may forget, never invent (but for 2^-32 of the looks). 128 KiB.
 */
#ifndef MO_PAIRED_KEYS_H
#define MO_PAIRED_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct paired_keys;

int paired_keys_new(struct paired_keys **out); /* 0 or -ENOMEM */
void paired_keys_free(struct paired_keys **keys);
size_t paired_keys_bytes(void);

void paired_keys_note(struct paired_keys *keys, uint64_t key, uint64_t time_ns);
/* Whether the key was noted at most `within` before or after. */
bool paired_keys_seen(const struct paired_keys *keys, uint64_t key, uint64_t time_ns, uint64_t within_ns);

#endif
