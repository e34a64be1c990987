/* SPDX-License-Identifier: MIT */
/*
 * signoff - `mirror-observer report -o FILE.html`: one self-contained file about what was observed, to sign
 * off a migration. Its last line holds a checksum (XXH3, 128 bits) of all lines before it: `head -n -1 FILE |
 * xxh128sum`. It shows that a copy is whole, not who wrote it.
 */
#ifndef MO_SIGNOFF_H
#define MO_SIGNOFF_H

#include <jansson.h>

#include "base/buffer.h"
#include "config/options.h"

/* Returns the program's exit status. The file is written whole or not at all. */
int signoff_run(const struct options *options);

/* The pieces, pure: answers in, HTML out; what a server sent is escaped. */
void signoff_begin(struct buffer *out, const json_t *status);
struct signoff_cluster {
	const json_t *cluster, *series, *statements; /* answers of /api/v1/cluster, series, statements */
};
void signoff_cluster(struct buffer *out, const struct signoff_cluster *answers);
void signoff_end(struct buffer *out);

#endif
