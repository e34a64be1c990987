/* SPDX-License-Identifier: MIT */
#include "verdict/history.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* The most at once of what stood open and could not be counted: gone before the next copy, it still was
 * there. */
struct peaks {
	double encrypted, unclassified;
};

struct slot {
	uint64_t time_ns;
	struct history_losses losses;
	double queue_depth;
	struct peaks peaks; /* since the copy before */
	struct stats_cluster stats;
};

struct history {
	uint64_t window_ns;
	unsigned int first, count; /* ring: slots[first] is the oldest */
	struct peaks peaks;        /* since the youngest copy */
	struct slot slots[HISTORY_SLOTS + 1];
};

static const struct slot *slot_at(const struct history *history, unsigned int i)
{
	return &history->slots[(history->first + i) % (HISTORY_SLOTS + 1)];
}

int history_new(struct history **out, uint64_t window_us)
{
	struct history *history = calloc(1, sizeof(*history));

	if (!history)
		return -ENOMEM;
	history->window_ns = window_us * 1000;
	*out = history;
	return 0;
}

void history_free(struct history **history)
{
	free(*history);
	*history = NULL;
}

void history_reset(struct history *history)
{
	history->count = 0;
	history->peaks = (struct peaks){0};
}

void history_resize(struct history *history, uint64_t window_us)
{
	history_reset(history);
	history->window_ns = window_us * 1000;
}

static double encrypted_in(const struct stats_cluster *stats)
{
	return (double)stats->primary.connections.encrypted + stats->mirror.connections.encrypted;
}

static void raise_peaks(struct peaks *peaks, double encrypted, double unclassified)
{
	peaks->encrypted = fmax(peaks->encrypted, encrypted);
	peaks->unclassified = fmax(peaks->unclassified, unclassified);
}

static void drop_old(struct history *history, uint64_t now_ns)
{
	/* One slot at or before the window's start stays: the difference to it covers the whole window. */
	while (history->count > 1 && now_ns - slot_at(history, 1)->time_ns >= history->window_ns) {
		history->first = (history->first + 1) % (HISTORY_SLOTS + 1);
		history->count--;
	}
}

/* -----------------------------------------------------------------------------------------------------
 * differences */

/* Each returns whether a counter has fallen, by which it shows that it counts something else now. */

static bool subtract(__u64 *a, __u64 b)
{
	bool fell = *a < b;

	*a = fell ? 0 : *a - b;
	return fell;
}

#define SUBTRACT_SET(SET)                                                              \
	static bool subtract_##SET(struct stats_##SET *a, const struct stats_##SET *b) \
	{                                                                              \
		bool fell = false;                                                     \
                                                                                       \
		for (size_t i = 0; i < sizeof(*a) / sizeof(__u64); i++)                \
			fell |= subtract((__u64 *)a + i, ((const __u64 *)b)[i]);       \
		return fell;                                                           \
	}
SUBTRACT_SET(NONE)
SUBTRACT_SET(STATUS)
SUBTRACT_SET(ERROR_TYPE)
SUBTRACT_SET(RESULT)
SUBTRACT_SET(UNMATCHED)
SUBTRACT_SET(DIVERGENCE)
SUBTRACT_SET(COMPARABLE)
SUBTRACT_SET(DIRECTION)
SUBTRACT_SET(KIND)
SUBTRACT_SET(histogram)
SUBTRACT_SET(ratio)

#define SUBTRACT_counter(SET, a, b)                   subtract_##SET(a, b)
#define SUBTRACT_gauge(SET, a, b)                     ((void)(a), (void)(b), false)
#define SUBTRACT_timestamp(SET, a, b)                 ((void)(a), (void)(b), false)
#define SUBTRACT_seconds                              SUBTRACT_counter
#define SUBTRACT_histogram(SET, a, b)                 subtract_histogram(a, b)
#define SUBTRACT_ratio(SET, a, b)                     subtract_ratio(a, b)
#define SUBTRACT(field, SET, label, name, type, help) fell |= SUBTRACT_##type(SET, &now->field, &then->field);
#define NOTHING(...)

static bool subtract_target(struct stats_target *now, const struct stats_target *then)
{
	bool fell = false;

#define CLUSTER  NOTHING
#define TARGET   SUBTRACT
#define OBSERVER NOTHING
#include "stats/counters.def"
#undef CLUSTER
#undef TARGET
#undef OBSERVER
	return fell;
}

static bool subtract_cluster(struct stats_cluster *now, const struct stats_cluster *then)
{
	bool fell = false;

#define CLUSTER  SUBTRACT
#define TARGET   NOTHING
#define OBSERVER NOTHING
#include "stats/counters.def"
#undef CLUSTER
#undef TARGET
#undef OBSERVER
	fell |= subtract_target(&now->primary, &then->primary);
	fell |= subtract_target(&now->mirror, &then->mirror);
	return fell;
}

/* What was copied last is not what these go on from. */
static bool other_count(const struct history *history, const struct stats_cluster *stats,
			const struct history_losses *losses)
{
	struct stats_cluster difference = *stats;
	const struct slot *last;

	if (!history->count)
		return false;
	last = slot_at(history, history->count - 1);
	return subtract_cluster(&difference, &last->stats) || losses->bytes < last->losses.bytes ||
	       losses->records < last->losses.records ||
	       losses->unclassified_failures < last->losses.unclassified_failures;
}

/* ---------------------------------------------------------------------------------------- copies */

void history_tick(struct history *history, uint64_t now_ns, const struct stats_cluster *stats,
		  const struct history_losses *losses, double unclassified, double queue_depth)
{
	uint64_t spacing = history->window_ns / HISTORY_SLOTS;
	struct slot *slot;

	raise_peaks(&history->peaks, encrypted_in(stats), unclassified);
	if (history->count && now_ns - slot_at(history, history->count - 1)->time_ns < spacing)
		return;
	if (other_count(history, stats, losses))
		history_reset(history);
	drop_old(history, now_ns);
	if (history->count == HISTORY_SLOTS + 1) {
		history->first = (history->first + 1) % (HISTORY_SLOTS + 1);
		history->count--;
	}
	slot = (struct slot *)slot_at(history, history->count++);
	slot->time_ns = now_ns;
	slot->losses = *losses;
	slot->queue_depth = queue_depth;
	slot->peaks = history->peaks;
	history->peaks = (struct peaks){0};
	slot->stats = *stats;
}

/* --------------------------------------------------------------------------------------- figures */

/* Least squares over the samples: one spike at either end does not make a trend. */
static double growth(const struct history *history)
{
	double n = 0, sx = 0, sy = 0, sxx = 0, sxy = 0, span;
	uint64_t start = history->count ? slot_at(history, 0)->time_ns : 0;

	for (unsigned int i = 0; i < history->count; i++) {
		const struct slot *slot = slot_at(history, i);
		double x = (slot->time_ns - start) / 1e9, y = slot->queue_depth;

		if (isnan(y))
			continue;
		n++, sx += x, sy += y, sxx += x * x, sxy += x * y;
	}
	if (n < 3 || n * sxx - sx * sx <= 0)
		return NAN;
	span = (slot_at(history, history->count - 1)->time_ns - start) / 1e9;
	return span * (n * sxy - sx * sy) / (n * sxx - sx * sx);
}

static struct peaks highest(const struct history *history, const struct stats_cluster *stats)
{
	struct peaks peaks = history->peaks;

	raise_peaks(&peaks, encrypted_in(stats), 0);
	for (unsigned int i = 0; i < history->count; i++)
		raise_peaks(&peaks, slot_at(history, i)->peaks.encrypted,
			    slot_at(history, i)->peaks.unclassified);
	return peaks;
}

void history_figures(const struct history *history, uint64_t now_ns, const struct stats_cluster *stats,
		     const struct history_losses *losses, struct history_figures *out)
{
	const struct history_losses *then;
	struct peaks peaks = highest(history, stats);

	memset(out, 0, sizeof(*out));
	out->queue_growth = growth(history);
	out->encrypted = peaks.encrypted;
	out->unclassified = peaks.unclassified;
	out->delta = *stats;
	if (!history->count || other_count(history, stats, losses)) {
		subtract_cluster(&out->delta, stats);
		return;
	}
	subtract_cluster(&out->delta, &slot_at(history, 0)->stats);
	out->observed_s = (now_ns - slot_at(history, 0)->time_ns) / 1e9;
	if (out->observed_s * 1e9 > history->window_ns)
		out->observed_s = history->window_ns / 1e9;
	then = &slot_at(history, 0)->losses;
	out->losses.bytes = losses->bytes - then->bytes;
	out->losses.records = losses->records - then->records;
	out->losses.unclassified_failures = losses->unclassified_failures - then->unclassified_failures;
}
