/* SPDX-License-Identifier: MIT */
/*
 * hotkeys - when the keys that repeat were last sent to the primary, whether or not those statements have
 * found a twin since: the evidence from which lagdist locates the lag when no statement is unique.
 *
 * A set-associative cache of HOTKEYS keys with HOTKEYS_TIMES times each; the least recently used key leaves.
 * About 600 KiB, no allocation after hotkeys_new().
 */
#ifndef MO_HOTKEYS_H
#define MO_HOTKEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HOTKEYS       512
#define HOTKEYS_TIMES 256

struct hotkey {
	uint64_t since;   /* times after this are complete */
	uint64_t used;    /* time of the last access */
	uint64_t count;   /* times ever noted */
	uint32_t ahead;   /* the caller's: distinct statements of this key that the mirror has got */
	uint32_t seen[8]; /* the caller's: copies that each of its servers has got */
	uint32_t cursor;  /* the caller's: the waiting entry that was chosen last, or 0 */
	uint32_t time[HOTKEYS_TIMES]; /* ring, in units of 2^16 ns, modulo 2^32 */
};

struct hotkeys;

int hotkeys_new(struct hotkeys **out); /* 0 or -ENOMEM */
void hotkeys_free(struct hotkeys **hot);
size_t hotkeys_bytes(void);

/* NULL if it is not among them. */
struct hotkey *hotkeys_find(struct hotkeys *hot, uint64_t key);
/* The key becomes one of them; everything sent after `since` will be noted. `evicted` counts displaced ones.
 */
struct hotkey *hotkeys_add(struct hotkeys *hot, uint64_t key, uint64_t since, uint64_t *evicted);

void hotkey_sent(struct hotkey *key, uint64_t time);
/* Keys that repeat too fast tell little at a high price; the limit follows what comes. Each yes is counted.
 */
bool hotkeys_worth_observing(struct hotkeys *hot, const struct hotkey *key, uint64_t now);
/* Fills LAGDIST_BINS values as lagdist_ambiguous() wants them. */
void hotkey_observe(const struct hotkey *key, uint64_t now, float *out);

#endif
