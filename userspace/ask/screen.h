/* SPDX-License-Identifier: MIT */
/*
 * screen - what `mirror-observer top` shows, as lines of text with an accent. Pure: answers of the API in,
 * lines out; what paints them is terminal.c.
 */
#ifndef MO_SCREEN_H
#define MO_SCREEN_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"

enum accent { ACCENT_NONE, ACCENT_OK, ACCENT_BAD, ACCENT_OPEN, ACCENT_SOFT, ACCENT_HEAD, ACCENT_SELECTED };

struct screen_line {
	enum accent accent;
	struct buffer text; /* UTF-8 */
};

enum screen_sort { SORT_HARM, SORT_CALLS, SORT_ERRORS, SORT_MEAN, SORT_RATIO, SORT_DIFFERENCES, SORT_COUNT };

struct screen {
	/* Answers of /api/v1/status, cluster, series, statements; NULL where there is none. */
	const json_t *status, *cluster, *series, *statements;
	const char *source; /* where the figures come from, or why there are none */
	const char *search; /* statements whose text has it; "" = all */
	bool typing;        /* the search is being typed */
	const char *range;  /* of the series */
	enum screen_sort sort;
	size_t selected,
	    first; /* statements, in the order shown: the marked one and the first on the screen */
	int width, height;
};

/* Fills lines[0..height-1], whose texts are freed by screen_free. Corrects selected and first to what there
 * is. */
void screen_draw(struct screen *screen, struct screen_line *lines);
void screen_free(struct screen_line *lines, int height);
const char *screen_sort_name(enum screen_sort sort);

/* `columns` block characters for the array of numbers, newest at the right; ' ' where nothing is known. *top
 * is the greatest value. Appends. */
void screen_blocks(struct buffer *out, const json_t *values, size_t columns, double *top);

#endif
