/* SPDX-License-Identifier: MIT */
/*
 * transcript - loads the files of tests/transcripts (format: tests/transcripts/README.md) for unit tests and
 * fuzzers.
 *
 * A transcript owns all that hangs on it until transcript_free. Functions return 0 or -errno; on -EINVAL the
 * file and line are in *error_text, a static buffer.
 */
#ifndef MO_TRANSCRIPT_H
#define MO_TRANSCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRANSCRIPT_DIRECTORY "tests/transcripts" /* seen from the top of the repository */

enum transcript_side { TRANSCRIPT_CLIENT, TRANSCRIPT_SERVER };

enum transcript_kind {
	TRANSCRIPT_BYTES,
	TRANSCRIPT_CLOSE, /* FIN from that side */
	TRANSCRIPT_RESET, /* RST from that side */
};

/* What one call moved, in the order in which it was seen. */
struct transcript_chunk {
	enum transcript_side side;
	enum transcript_kind kind;
	uint64_t time_ns; /* since the connection began; each chunk at least 100 us after the one before */
	uint8_t *data;
	size_t len;
};

/* One key=value of a `truth` line; value is 0 where text is no number. */
struct transcript_fact {
	char group[24];
	char key[32];
	char text[64];
	uint64_t value;
};

struct transcript {
	char *name; /* of the file, without directory and .txt */
	struct transcript_chunk *chunks;
	size_t chunk_count;
	struct transcript_fact *facts;
	size_t fact_count;
};

int transcript_load(struct transcript **out, const char *path, const char **error_text);
void transcript_free(struct transcript **transcript);

/* All .txt files of a directory in the order of their names; *out is an array that transcript_free_all frees.
 */
int transcript_load_all(struct transcript ***out, size_t *count, const char *directory,
			const char **error_text);
void transcript_free_all(struct transcript ***transcripts, size_t count);

/* NULL where the transcript does not state it. */
const struct transcript_fact *transcript_find(const struct transcript *transcript, const char *group,
					      const char *key);
/* The stated value, or `unstated` where there is none. */
uint64_t transcript_truth(const struct transcript *transcript, const char *group, const char *key,
			  uint64_t unstated);
/* Sum of the values of a group: of `sqlstate`, the ErrorResponses in all. */
uint64_t transcript_total(const struct transcript *transcript, const char *group);

#endif
