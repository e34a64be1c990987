/* SPDX-License-Identifier: MIT */
/*
 * marks - what happened to one cluster, for the plots and the report: changes of the verdict, starts,
 * reloads, resets. The last MARKS_MAX; a plain struct, so that it can be saved as it is.
 */
#ifndef MO_MARKS_H
#define MO_MARKS_H

#include <stddef.h>
#include <stdint.h>

#define MARKS_MAX      128
#define MARKS_TEXT_MAX 108

enum mark_kind { MARK_VERDICT, MARK_START, MARK_RELOAD, MARK_RESET, MARK_KINDS };

struct mark {
	uint64_t at_s; /* Unix time */
	uint32_t kind; /* enum mark_kind */
	char text[MARKS_TEXT_MAX];
};

struct marks {
	uint64_t count; /* ever; the newest is at (count - 1) % MARKS_MAX */
	struct mark list[MARKS_MAX];
};

/* text is cut to what fits, at a character's end. */
void marks_add(struct marks *marks, uint64_t at_s, enum mark_kind kind, const char *text);
size_t marks_kept(const struct marks *marks);
/* i = 0 is the oldest that is kept. */
const struct mark *marks_get(const struct marks *marks, size_t i);
/* The newest of that kind; NULL when there is none. */
const struct mark *marks_last(const struct marks *marks, enum mark_kind kind);
/* "verdict", "start", "reload", "reset". */
const char *marks_kind(enum mark_kind kind);

#endif
