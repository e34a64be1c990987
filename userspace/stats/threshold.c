/* SPDX-License-Identifier: MIT */
#include "stats/threshold.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "stats/window.h"

enum state {
	NO_DATA, /* nothing in the window, or no threshold given */
	BELOW,   /* at most the threshold */
	EXCEEDED,
};

struct entry {
	char name[64];
	struct window window;
	bool exceeded; /* as last reported */
};

struct threshold {
	threshold_report *report;
	void *ctx;
	struct entry *entries;
	size_t count;
	double percent; /* NaN = none */
	uint64_t window_us;
};

int threshold_new(struct threshold **out, threshold_report *report, void *ctx)
{
	struct threshold *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	*t = (struct threshold){.report = report, .ctx = ctx, .percent = NAN};
	*out = t;
	return 0;
}

void threshold_free(struct threshold **threshold)
{
	if (!*threshold)
		return;
	free((*threshold)->entries);
	free(*threshold);
	*threshold = NULL;
}

static struct entry *find(struct threshold *t, const char *name)
{
	for (size_t i = 0; i < t->count; i++)
		if (strcmp(t->entries[i].name, name) == 0)
			return &t->entries[i];
	return NULL;
}

int threshold_configure(struct threshold *t, const char *const *names, size_t count, double percent,
			uint64_t window_us)
{
	struct entry *entries = calloc(count ? count : 1, sizeof(*entries));

	if (!entries)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		const struct entry *old = find(t, names[i]);

		if (old)
			entries[i] = *old;
		else
			strncpy(entries[i].name, names[i], sizeof(entries[i].name) - 1);
		if (!old || window_us != t->window_us)
			window_init(&entries[i].window, window_us);
	}
	free(t->entries);
	t->entries = entries;
	t->count = count;
	t->percent = percent;
	t->window_us = window_us;
	return 0;
}

void threshold_forget(struct threshold *t, const char *cluster)
{
	struct entry *entry = find(t, cluster);

	if (entry)
		window_init(&entry->window, t->window_us);
}

void threshold_request(struct threshold *t, const char *cluster, bool success, uint64_t now_us)
{
	struct entry *entry = find(t, cluster);

	if (entry)
		window_add(&entry->window, now_us, success, !success);
}

/* Strictly above, decided in integers: 5 of 100 is not above 5 %. The threshold counts to 0.0001 %. */
static enum state state_of(double percent, const struct window_bucket *sum)
{
	unsigned __int128 total = (unsigned __int128)sum->success + sum->failure;

	if (isnan(percent) || total == 0)
		return NO_DATA;
	return (unsigned __int128)sum->failure * 1000000 > total * (uint64_t)llround(percent * 1e4) ? EXCEEDED
												    : BELOW;
}

static enum state evaluate(struct threshold *t, struct entry *entry, uint64_t now_us)
{
	struct window_bucket sum = window_sum(&entry->window, now_us);
	enum state state = state_of(t->percent, &sum);
	bool exceeded = state == EXCEEDED;

	if (exceeded != entry->exceeded && t->report)
		t->report(t->ctx, &(struct threshold_crossing){.cluster = entry->name,
							       .exceeded = exceeded,
							       .success = sum.success,
							       .failure = sum.failure,
							       .percent = t->percent,
							       .window_us = t->window_us});
	entry->exceeded = exceeded;
	return state;
}

void threshold_tick(struct threshold *t, uint64_t now_us)
{
	for (size_t i = 0; i < t->count; i++)
		evaluate(t, &t->entries[i], now_us);
}

void threshold_log(void *ctx, const struct threshold_crossing *c)
{
	uint64_t total = c->success + c->failure;

	(void)ctx;
	if (c->exceeded)
		log_warning("cluster %s: %" PRIu64 " of %" PRIu64
			    " requests on the mirror failed within %" PRIu64
			    " s, which is above mirror_failure_threshold (%g %%)",
			    c->cluster, c->failure, total, c->window_us / 1000000, c->percent);
	else
		log_info("cluster %s: %" PRIu64 " of %" PRIu64
			 " requests on the mirror failed within %" PRIu64
			 " s, no longer above mirror_failure_threshold (%g %%)",
			 c->cluster, c->failure, total, c->window_us / 1000000, c->percent);
}

double threshold_exceeded(struct threshold *t, size_t i, const char **cluster)
{
	enum state state = evaluate(t, &t->entries[i], clock_us());

	*cluster = t->entries[i].name;
	return state == NO_DATA ? NAN : state == EXCEEDED;
}

size_t threshold_count(const struct threshold *t)
{
	return t->count;
}
