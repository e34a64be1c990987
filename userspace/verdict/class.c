/* SPDX-License-Identifier: MIT */
#include "verdict/class.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/quantity.h"
#include "verdict/chance.h"

#define REPEATS_ENOUGH 10 /* on each side, before noise is believed */
#define BEYOND_REPEATS \
	1.5 /* pairs lie further apart in time than repetitions, and may differ so much more often */
#define ERRORS_MOST  0.1 /* share of pairs that fail on one side, proven: a part of the class is broken */
#define DIFFER_MOST  0.5 /* share of pairs that differ, proven: most of it is */
#define RACES        3   /* pairs, before always differing is more than a race may have done */
#define ONE_WAY      8   /* times the fewer rows, or the more */
#define FAILS_TWICE  2
#define SLOWER       1.5 /* times the primary, before a class is said to be in the way */
#define SLOWER_PAIRS 20
#define EXTRA_US     10000 /* and in all */

uint64_t class_errors(const struct class_record *record)
{
	return record->divergences.mirror_only_error + record->divergences.primary_only_error +
	       record->divergences.sqlstate;
}

static double differing(const struct class_record *record)
{
	return (double)record->divergences.rows + record->divergences.result;
}

static void add_divergences(struct stats_DIVERGENCE *sum, const struct stats_DIVERGENCE *more)
{
	sum->primary_only_error += more->primary_only_error;
	sum->mirror_only_error += more->mirror_only_error;
	sum->sqlstate += more->sqlstate;
	sum->rows += more->rows;
	sum->result += more->result;
}

static void merge_sides(struct class_record *into, const struct class_record *from)
{
	for (int side = 0; side < MATCH_SIDES; side++) {
		into->repeats[side].count += from->repeats[side].count;
		into->repeats[side].differ += from->repeats[side].differ;
		into->failed[side] += from->failed[side];
	}
}

void class_merge(struct class_record *into, const struct class_record *from)
{
	into->primary += from->primary;
	into->mirror += from->mirror;
	into->compared += from->compared;
	into->uncompared += from->uncompared;
	add_divergences(&into->divergences, &from->divergences);
	into->passing += from->passing;
	into->noisy += from->noisy;
	into->more += from->more;
	into->fewer += from->fewer;
	into->excused += from->excused;
	into->primary_us += from->primary_us;
	into->mirror_us += from->mirror_us;
	merge_sides(into, from);
	if (*from->primary_sqlstate || *from->mirror_sqlstate) {
		memcpy(into->primary_sqlstate, from->primary_sqlstate, sizeof(into->primary_sqlstate));
		memcpy(into->mirror_sqlstate, from->mirror_sqlstate, sizeof(into->mirror_sqlstate));
	}
	if (from->first_ns < into->first_ns)
		into->first_ns = from->first_ns;
	if (from->last_ns > into->last_ns)
		into->last_ns = from->last_ns;
}

/* ------------------------------------------------------------------------------------------- noise */

static bool repeated_enough(const struct class_record *record)
{
	return record->repeats[MATCH_PRIMARY].count >= REPEATS_ENOUGH &&
	       record->repeats[MATCH_MIRROR].count >= REPEATS_ENOUGH;
}

/* More pairs differ than repetitions of either side do. */
static bool beyond_repeats(const struct class_record *record, double share, double repeats)
{
	double differ = differing(record) / record->compared;
	double spread =
	    share * (1 - share) * (1.0 / record->compared + BEYOND_REPEATS * BEYOND_REPEATS / repeats);

	return differ - BEYOND_REPEATS * share > CHANCE_RARELY * sqrt(spread);
}

enum class_variation class_variation(const struct class_record *record)
{
	const struct class_repeats *a = &record->repeats[MATCH_PRIMARY], *b = &record->repeats[MATCH_MIRROR];
	double count = (double)a->count + b->count,
	       share = count > 0 ? ((double)a->differ + b->differ) / count : 0;

	if (!chance_even(record->more, record->more + record->fewer))
		return CLASS_DIFFERS;
	if (!repeated_enough(record))
		return CLASS_OPEN;
	if (!a->differ || !b->differ || !chance_alike(a->differ, a->count, b->differ, b->count) ||
	    beyond_repeats(record, share, count))
		return CLASS_DIFFERS;
	return CLASS_VARIES;
}

double class_excess(const struct class_record *record)
{
	return class_variation(record) == CLASS_VARIES ? 0 : differing(record);
}

double class_extra_us(const struct class_record *record)
{
	return (double)record->mirror_us - (double)record->primary_us;
}

/* ------------------------------------------------------------------------------------------- faults */

bool class_passes(const char *sqlstate)
{
	static const char *const prefixes[] = {"40", "08", "53", "57", "25P", "55P03"};

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++)
		if (strncmp(sqlstate, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	return false;
}

/* Which of two racing clients fails is chance: then either side fails alone alike. */
static bool fails_either_way(const struct class_record *record)
{
	const struct stats_DIVERGENCE *d = &record->divergences;

	return d->primary_only_error && d->mirror_only_error && !d->sqlstate &&
	       chance_even(d->mirror_only_error, (double)d->mirror_only_error + d->primary_only_error);
}

static bool errors_break(const struct class_record *record)
{
	double errors = (double)class_errors(record) - record->passing;

	if (errors <= 0 || (fails_either_way(record) && errors < record->compared))
		return false;
	if (errors == record->compared)
		return true;
	return errors >= FAILS_TWICE && chance_share_at_least(errors, record->compared) > ERRORS_MOST;
}

static bool always_differs(const struct class_record *record)
{
	return record->compared && differing(record) == record->compared;
}

/* Always, or proven to be most of the time. */
static bool mostly_differs(const struct class_record *record)
{
	return always_differs(record) ||
	       chance_share_at_least(differing(record), record->compared) > DIFFER_MOST;
}

/* So often that chance would hardly have done it. */
static bool one_way(const struct class_record *record)
{
	return record->divergences.rows >= ONE_WAY && (!record->more || !record->fewer);
}

enum class_fault class_fault(const struct class_record *record)
{
	if (record->ignored)
		return CLASS_FINE;
	if (errors_break(record))
		return CLASS_BROKEN;
	if (!mostly_differs(record) || class_variation(record) == CLASS_VARIES)
		return CLASS_FINE;
	if (record->compared < RACES)
		return CLASS_DOUBTFUL;
	return class_variation(record) == CLASS_DIFFERS || one_way(record) ? CLASS_BROKEN : CLASS_DOUBTFUL;
}

void class_settle_unpaired(struct class_record *record)
{
	uint64_t alone = record->failed[MATCH_MIRROR], here = record->failed[MATCH_PRIMARY];

	if (!record->unpaired)
		return;
	if (strcmp(record->failed_sqlstate[MATCH_PRIMARY], record->failed_sqlstate[MATCH_MIRROR]) == 0)
		alone -= here < alone ? here : alone;
	if (alone <= record->divergences.mirror_only_error)
		return;
	if (class_passes(record->failed_sqlstate[MATCH_MIRROR]))
		record->passing += alone - record->divergences.mirror_only_error;
	record->divergences.mirror_only_error = alone;
	memcpy(record->mirror_sqlstate, record->failed_sqlstate[MATCH_MIRROR],
	       sizeof(record->mirror_sqlstate));
}

/* ------------------------------------------------------------------------------------------- reasons */

/* The kind of error divergence that is most frequent names the class. */
static void explain_errors(const struct class_record *record, char *out)
{
	const struct stats_DIVERGENCE *d = &record->divergences;
	unsigned long long compared = record->compared;

	if (d->mirror_only_error >= d->primary_only_error && d->mirror_only_error >= d->sqlstate)
		snprintf(out, CLASS_REASON_MAX, "fails on the mirror only (%s), %llu of %llu times",
			 record->mirror_sqlstate, (unsigned long long)d->mirror_only_error, compared);
	else if (d->sqlstate >= d->primary_only_error)
		snprintf(out, CLASS_REASON_MAX, "other SQLSTATE (%s, on the primary %s), %llu of %llu times",
			 record->mirror_sqlstate, record->primary_sqlstate, (unsigned long long)d->sqlstate,
			 compared);
	else
		snprintf(out, CLASS_REASON_MAX, "fails on the primary only (%s), %llu of %llu times",
			 record->primary_sqlstate, (unsigned long long)d->primary_only_error, compared);
}

static void explain_slowness(const struct class_record *record, double slower, char *out)
{
	char times[QUANTITY_MAX], extra[QUANTITY_MAX];

	snprintf(out, CLASS_REASON_MAX, "slower: %s, %s more in %llu times", quantity(times, slower, "x"),
		 quantity(extra, class_extra_us(record) / 1e6, "s"), (unsigned long long)record->compared);
}

const char *class_reason(const struct class_record *record, char out[CLASS_REASON_MAX])
{
	const struct stats_DIVERGENCE *d = &record->divergences;
	double slower = record->primary_us ? (double)record->mirror_us / record->primary_us : 0;

	*out = 0;
	if (class_errors(record))
		explain_errors(record, out);
	else if (class_excess(record) >= 1)
		snprintf(out, CLASS_REASON_MAX, "%s differ, %llu of %llu times",
			 d->rows ? "row counts" : "results", (unsigned long long)(d->rows + d->result),
			 (unsigned long long)record->compared);
	else if (record->unseen)
		snprintf(out, CLASS_REASON_MAX, "never seen on the mirror, %llu times on the primary",
			 (unsigned long long)record->primary);
	else if (record->compared >= SLOWER_PAIRS && slower >= SLOWER && class_extra_us(record) >= EXTRA_US)
		explain_slowness(record, slower, out);
	return out;
}
