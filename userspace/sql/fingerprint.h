/* SPDX-License-Identifier: MIT */
/*
 * fingerprint - what a statement is called outside of the process: a normalised text without literals, and a
 * number (naming.h). A cache by the text's shape (sqlshape.h), so that the parser is asked once for each
 * shape, not for each set of literals.
 *
 * The parser is a process of its own and is not waited for (parser.h). Until it has answered, a class has the
 * hash of its shape as number and its command's tag as text; then the sink hears what it is called for good.
 * Without a parser, or when it does not answer, that is what stays.
 */
#ifndef MO_FINGERPRINT_H
#define MO_FINGERPRINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sql/parser.h"

struct fingerprint {
	uint64_t id;
	char *text; /* owned by the cache; valid until the next fingerprint_of */
};

struct fingerprints;

/* capacity: shapes remembered; past it one that was not used lately goes. parser may be NULL, else it must
 * outlive this. Returns 0 or -ENOMEM. */
int fingerprints_new(struct fingerprints **out, size_t capacity, struct parser *parser);
void fingerprints_free(struct fingerprints **fingerprints);
/* NULL only when out of memory. cut: the text is longer than what is given. */
const struct fingerprint *fingerprint_of(struct fingerprints *fingerprints, const char *text, size_t len,
					 int cut);

/* What was called `before` is called so from now on, and in each fingerprint_of. */
typedef void fingerprint_named(void *ctx, uint64_t before, const struct fingerprint *now);
/* Takes the parser's answers that are there. False once it is gone for good. */
bool fingerprints_collect(struct fingerprints *fingerprints, fingerprint_named *named, void *ctx);

uint64_t fingerprints_evicted(const struct fingerprints *fingerprints);

#endif
