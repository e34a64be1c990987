/* SPDX-License-Identifier: MIT */
/*
 * classlog - the statement classes of one cluster over the last hour, a point a minute, for the page of a
 * class.
 *
 * Bounded by the table of classes itself (top.h): a class that left it leaves here. CLASSLOG_POINTS points of
 * CLASSLOG_COUNT figures for each class.
 */
#ifndef MO_CLASSLOG_H
#define MO_CLASSLOG_H

#include <stddef.h>
#include <stdint.h>

#include "verdict/top.h"

#define CLASSLOG_POINTS 60
#define CLASSLOG_STEP_S 60

/* CLASSLOG(name, unit, plot, title) */
#define CLASSLOG_FIGURES(CLASSLOG)                                    \
	CLASSLOG(primary_calls, "/s", "calls", "primary")             \
	CLASSLOG(mirror_calls, "/s", "calls", "mirror")               \
	CLASSLOG(primary_errors, "/s", "errors", "primary, of pairs") \
	CLASSLOG(mirror_errors, "/s", "errors", "mirror, of pairs")   \
	CLASSLOG(primary_mean, "s", "time", "primary, mean of pairs") \
	CLASSLOG(mirror_mean, "s", "time", "mirror, mean of pairs")

enum classlog_figure {
#define CLASSLOG_ENUM(name, unit, plot, title) CLASSLOG_##name,
	CLASSLOG_FIGURES(CLASSLOG_ENUM)
#undef CLASSLOG_ENUM
	    CLASSLOG_COUNT,
};

struct classlog;

int classlog_new(struct classlog **out);
void classlog_free(struct classlog **log);
/* Once a second, or more often; takes a point when the minute (Unix time) is over. */
void classlog_tick(struct classlog *log, const struct top *top, uint64_t now_s);
/* Unix time at which the newest point ends; 0 = none yet. */
uint64_t classlog_end(const struct classlog *log);
/* i = 0 is the oldest of CLASSLOG_POINTS; NaN where nothing is known. id is that of the class's record. */
float classlog_value(const struct classlog *log, uint64_t id, enum classlog_figure figure, size_t i);

#endif
