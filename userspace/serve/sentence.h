/* SPDX-License-Identifier: MIT */
/*
 * sentence - the verdict on one cluster in one sentence, for the top of the page, the terminal and the
 * report: "Not ready: SELECT ... fails on the mirror only (42P01), 12 of 12 times". Pure.
 *
 * Names the check that fails, or the statement where the check's reason points to the statements; else the
 * check whose evidence is furthest from enough, with how far it is.
 */
#ifndef MO_SENTENCE_H
#define MO_SENTENCE_H

#include "base/buffer.h"
#include "verdict/readiness.h"
#include "verdict/top.h"

/* diagnosis: a cause that explains why nothing can be judged, in one sentence; NULL = none is known. Appends.
 */
void sentence_write(struct buffer *out, const struct readiness *readiness, const struct top *top,
		    const char *diagnosis);

/* How far the evidence of a check is: "59 s of 30 min", "120 of 3000"; "" and *share 1 where that is not what
 * it lacks. Returns out. */
#define SENTENCE_PROGRESS_MAX 160
const char *sentence_progress(char out[SENTENCE_PROGRESS_MAX], const struct readiness_check *check,
			      double *share);

#endif
