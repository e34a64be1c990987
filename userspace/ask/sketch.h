/* SPDX-License-Identifier: MIT */
/* sketch - a plot as SVG text, for the report: the figures of /api/v1/series that share a plot, marks, two
 * axes. Pure; the page's own plots are serve/web/plot.js. */
#ifndef MO_SKETCH_H
#define MO_SKETCH_H

#include <jansson.h>

#include "base/buffer.h"

/* plot: the name that the series share. Nothing when there is none of that name. Appends. */
void sketch_write(struct buffer *out, const json_t *series, const char *plot, const char *title);

#endif
