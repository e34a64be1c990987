/* SPDX-License-Identifier: MIT */
#include "verdict/verdict.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define SEEN_ENOUGH 20 /* mirrored executions to be expected before a class counts as never seen */

struct verdict_state {
	struct readiness_settings settings;
	const struct stats_cluster *stats;
	struct twins *twins;
	struct history *history;
	double exposure; /* NaN = not configured */

	/* the mirror's last answer, as far as ticks tell */
	uint64_t answered_ns; /* 0 = none yet */
	uint64_t answers;     /* counted by then */
	uint64_t primary_then;
};

static uint64_t answers(const struct stats_target *target)
{
	return target->statements.success + target->statements.failure;
}

int verdict_new(struct verdict_state **out, const struct readiness_settings *settings,
		const struct stats_cluster *stats, struct twins *twins)
{
	struct verdict_state *state = calloc(1, sizeof(*state));

	if (!state)
		return -ENOMEM;
	state->settings = *settings;
	state->twins = twins;
	state->exposure = NAN;
	if (stats)
		verdict_begin(state, stats);
	if (history_new(&state->history, settings->window_us)) {
		free(state);
		return -ENOMEM;
	}
	*out = state;
	return 0;
}

void verdict_begin(struct verdict_state *state, const struct stats_cluster *stats)
{
	state->stats = stats;
	state->answers = answers(&stats->mirror);
	state->primary_then = answers(&stats->primary);
}

void verdict_free(struct verdict_state **state)
{
	if (!*state)
		return;
	history_free(&(*state)->history);
	free(*state);
	*state = NULL;
}

void verdict_configure(struct verdict_state *state, const struct readiness_settings *settings,
		       double exposure)
{
	state->exposure = exposure;
	if (settings->window_us != state->settings.window_us)
		history_resize(state->history, settings->window_us);
	state->settings = *settings;
}

static void note_answers(struct verdict_state *state, uint64_t now_ns)
{
	uint64_t now = answers(&state->stats->mirror);

	if (now == state->answers)
		return;
	state->answers = now;
	state->answered_ns = now_ns;
	state->primary_then = answers(&state->stats->primary);
}

void verdict_tick(struct verdict_state *state, uint64_t now_ns, const struct verdict_surroundings *around)
{
	note_answers(state, now_ns);
	history_tick(state->history, now_ns, state->stats, &around->losses, around->unclassified,
		     match_depth(twins_match(state->twins), now_ns));
}

void verdict_reset(struct verdict_state *state)
{
	history_reset(state->history);
	state->answered_ns = 0;
	top_reset(twins_top(state->twins));
}

/* How often the primary must have run a class before its absence on the mirror says something. */
static double unseen_classes(const struct verdict_state *state, double share, uint64_t now_ns)
{
	struct match *match = twins_match(state->twins);
	uint64_t settled = 2 * match_median_lag(match) + 10 * 1000000000ull;

	return isnan(share) || share <= 0
		   ? NAN
		   : top_mark_unseen(twins_top(state->twins), SEEN_ENOUGH / share, settled, now_ns);
}

/* Statements that the mirror should have got since it last answered. */
static double missed(const struct verdict_state *state, double share)
{
	uint64_t now = answers(&state->stats->primary);

	return share * (now > state->primary_then ? now - state->primary_then : 0);
}

void verdict_evaluate(struct verdict_state *state, uint64_t now_ns, const struct verdict_surroundings *around,
		      struct readiness *out)
{
	struct match *match = twins_match(state->twins);
	double share = match_share(match);
	struct history_figures figures;
	struct readiness_input input;
	double unclassified;

	history_figures(state->history, now_ns, state->stats, &around->losses, &figures);
	unclassified = fmax(figures.unclassified, around->unclassified);
	input = (struct readiness_input){.observed_s = figures.observed_s,
					 .delta = &figures.delta,
					 .lost_bytes = figures.losses.bytes,
					 .lost_records = figures.losses.records,
					 .encrypted = figures.encrypted,
					 .unclassified = unclassified + figures.losses.unclassified_failures,
					 .silent_s =
					     state->answered_ns ? (now_ns - state->answered_ns) / 1e9 : NAN,
					 .missed = missed(state, share),
					 .queue_depth = match_depth(match, now_ns),
					 .queue_growth = figures.queue_growth,
					 .exposure = state->exposure,
					 .unseen_classes = unseen_classes(state, share, now_ns)};
	readiness_evaluate(&state->settings, &input, out);
}
