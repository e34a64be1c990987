/* SPDX-License-Identifier: MIT */
#include "serve/classlog.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

struct counts {
	uint64_t calls[MATCH_SIDES], errors[MATCH_SIDES], answers[MATCH_SIDES], us[MATCH_SIDES];
};

struct class
{
	UT_hash_handle hh;
	uint64_t id, first, seen; /* minutes since 1970: of its first point, and when it was last there */
	struct counts then;
	float points[CLASSLOG_POINTS][CLASSLOG_COUNT];
};

struct classlog {
	struct class *table;
	uint64_t minute; /* that is under way; 0 = none yet */
	bool whole;      /* observed from its beginning */
};

int classlog_new(struct classlog **out)
{
	*out = calloc(1, sizeof(**out));
	return *out ? 0 : -ENOMEM;
}

void classlog_free(struct classlog **log)
{
	if (!*log)
		return;
	while ((*log)->table) {
		struct class *class = (*log)->table;

		HASH_DEL((*log)->table, class);
		free(class);
	}
	free(*log);
	*log = NULL;
}

static struct counts counts_of(const struct class_record *entry)
{
	struct counts counts = {.calls = {entry->primary, entry->mirror}};

	for (int side = 0; side < MATCH_SIDES; side++) {
		counts.errors[side] = entry->sides[side].errors;
		counts.answers[side] = entry->sides[side].answers;
		counts.us[side] = entry->sides[side].total_us;
	}
	return counts;
}

static struct class *class_of(struct classlog *log, uint64_t id, uint64_t minute)
{
	struct class *class;

	HASH_FIND(hh, log->table, &id, sizeof(id), class);
	if (class)
		return class;
	class = calloc(1, sizeof(*class));
	if (!class)
		return NULL;
	class->id = id;
	class->first = minute;
	HASH_ADD(hh, log->table, id, sizeof(class->id), class);
	return class;
}

static void set_point(struct class *class, uint64_t minute, const struct counts *now)
{
	float *point = class->points[minute % CLASSLOG_POINTS];
	const struct counts *then = &class->then;

	for (int side = 0; side < MATCH_SIDES; side++) {
		uint64_t answers = now->answers[side] - then->answers[side];

		point[CLASSLOG_primary_calls + side] =
		    (float)(now->calls[side] - then->calls[side]) / CLASSLOG_STEP_S;
		point[CLASSLOG_primary_errors + side] =
		    (float)(now->errors[side] - then->errors[side]) / CLASSLOG_STEP_S;
		point[CLASSLOG_primary_mean + side] =
		    answers ? (float)((now->us[side] - then->us[side]) / 1e6 / answers) : NAN;
	}
}

/* A table that was emptied, or is of another cluster of that name, counts from nothing again. */
static bool began_anew(const struct counts *now, const struct counts *then)
{
	for (int side = 0; side < MATCH_SIDES; side++)
		if (now->calls[side] < then->calls[side] || now->errors[side] < then->errors[side] ||
		    now->answers[side] < then->answers[side] || now->us[side] < then->us[side])
			return true;
	return false;
}

static void take(void *ctx, const struct class_record *entry)
{
	struct classlog *log = ctx;
	struct counts now = counts_of(entry);
	struct class *class = class_of(log, entry->id, log->minute);

	if (!class)
		return;
	if (began_anew(&now, &class->then))
		class->then = (struct counts){0};
	if (log->whole)
		set_point(class, log->minute, &now);
	else
		for (int i = 0; i < CLASSLOG_COUNT; i++)
			class->points[log->minute % CLASSLOG_POINTS][i] = NAN;
	class->then = now;
	class->seen = log->minute;
}

static void drop_gone(struct classlog *log)
{
	struct class *class, *next;

	for (class = log->table; class; class = next) {
		next = class->hh.next;
		if (class->seen == log->minute)
			continue;
		HASH_DEL(log->table, class);
		free(class);
	}
}

void classlog_tick(struct classlog *log, const struct top *top, uint64_t now_s)
{
	uint64_t minute = now_s / CLASSLOG_STEP_S;

	if (minute == log->minute)
		return;
	if (log->minute) {
		top_each(top, take, log);
		drop_gone(log);
	}
	log->whole = log->minute && minute == log->minute + 1;
	log->minute = minute;
}

uint64_t classlog_end(const struct classlog *log)
{
	return log->minute * CLASSLOG_STEP_S;
}

float classlog_value(const struct classlog *log, uint64_t id, enum classlog_figure figure, size_t i)
{
	uint64_t minute = log->minute + i - CLASSLOG_POINTS;
	const struct class *class;

	HASH_FIND(hh, log->table, &id, sizeof(id), class);
	if (!class || minute < class->first || minute > class->seen)
		return NAN;
	return class->points[minute % CLASSLOG_POINTS][figure];
}
