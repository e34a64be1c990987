/* SPDX-License-Identifier: MIT */
/*
 * fingerprint - what a statement is called outside of the process: a normalised text without literals, and a
 * number.
 *
 * The number is libpg_query's fingerprint where it can parse the text (statements that differ in literals,
 * aliases or list lengths share it), else a hash of the text's shape. The text is shown only of SELECT,
 * INSERT, UPDATE, DELETE and MERGE, with every literal replaced by $n; of other commands the command tag;
 * "<unparsed>" where it cannot be read for certain. Whatever libpg_query returns is scanned once more for
 * literals before it is believed.
 *
 * libpg_query costs about 9 us a call and overflows its stack on deeply nested input: texts are cut off at
 * FINGERPRINT_INPUT_MAX, and the answer is remembered by the text's shape (sqlshape.h), so that it is asked
 * once for each shape, not for each set of literals.
 */
#ifndef MO_FINGERPRINT_H
#define MO_FINGERPRINT_H

#include <stddef.h>
#include <stdint.h>

#define FINGERPRINT_INPUT_MAX \
	16384                     /* bytes of text that libpg_query is given; longer ones are "<unparsed>" */
#define FINGERPRINT_TEXT_MAX 1024 /* of the normalised text, cut there */

struct fingerprint {
	uint64_t id;
	char *text; /* owned by the cache; valid until the next fingerprint_of */
};

struct fingerprints;

/* capacity: shapes remembered; past it one that was not used lately goes. Returns 0 or -ENOMEM. */
int fingerprints_new(struct fingerprints **out, size_t capacity);
void fingerprints_free(struct fingerprints **fingerprints);
/* NULL only when out of memory. cut: the text is longer than what is given. */
const struct fingerprint *fingerprint_of(struct fingerprints *fingerprints, const char *text, size_t len,
					 int cut);
uint64_t fingerprints_evicted(const struct fingerprints *fingerprints);

#endif
