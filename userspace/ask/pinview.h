/* SPDX-License-Identifier: MIT */
/*
 * pinview - the pinned map as answers of the API, as far as counters alone can tell: for `top` while no
 * daemon answers. What is not in the map (verdict, queue depth, statements) is missing.
 */
#ifndef MO_PINVIEW_H
#define MO_PINVIEW_H

#include <jansson.h>

struct pinview;

/* 0, or -errno and one sentence from pinview_error(). */
int pinview_open(struct pinview **out, const char *pin);
void pinview_close(struct pinview **view);
const char *pinview_error(void);

/* Like /api/v1/status, with rates since the last call. The caller owns it; NULL without memory. */
json_t *pinview_status(struct pinview *view);

#endif
