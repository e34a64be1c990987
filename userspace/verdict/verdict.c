/* SPDX-License-Identifier: MIT */
#include "verdict/verdict.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define SEEN_ENOUGH   20 /* mirrored executions to be expected before a class counts as never seen */
#define SEEN_LEAST    3  /* ... or so many, where its absence is no chance any more */
#define ABSENT_CHANCE 0.001
#define MISSED_ENOUGH 20 /* statements that should have arrived, before silence means anything */
#define REFUSED_LEAST 3  /* connects that failed in a row, before the mirror is said to be down */

struct verdict_state {
	struct readiness_settings settings;
	const struct stats_cluster *stats;
	struct twins *twins;
	struct history *history;
	double exposure; /* NaN = not configured */
	uint64_t now_ns; /* at the last tick */

	/* the mirror's last answer, as far as ticks tell */
	uint64_t answered_ns; /* 0 = none yet */
	uint64_t answers;     /* counted by then */
	uint64_t primary_then;
	uint64_t refused, refused_ns; /* failed connects since it answered, and when the first was noticed */
	uint64_t attempts_failed, attempts_ok;
};

static uint64_t answers(const struct stats_target *target)
{
	return target->statements.success + target->statements.failure;
}

static uint64_t failed_attempts(const struct stats_target *target)
{
	const struct stats_RESULT *a = &target->attempts;

	return a->refused + a->timeout + a->unreachable + a->reset + a->abandoned + a->startup_error;
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
	state->attempts_failed = failed_attempts(&stats->mirror);
	state->attempts_ok = stats->mirror.attempts.ok;
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
	if (settings->window_us != state->settings.window_us) {
		history_resize(state->history, settings->window_us);
		match_set_window(twins_match(state->twins), settings->window_us * 1000, state->now_ns);
	}
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

/* Connects that fail while nothing is answered and none succeeds. */
static void note_attempts(struct verdict_state *state, uint64_t now_ns)
{
	const struct stats_target *mirror = &state->stats->mirror;
	uint64_t failed = failed_attempts(mirror) - state->attempts_failed;
	bool alive = mirror->attempts.ok != state->attempts_ok || state->answered_ns == now_ns;

	if (alive)
		state->refused = 0;
	else if (failed && !state->refused)
		state->refused_ns = now_ns;
	if (!alive)
		state->refused += failed;
	state->attempts_failed += failed;
	state->attempts_ok = mirror->attempts.ok;
}

/* What is behind: on its way, or sent and not answered. */
static double unanswered(const struct verdict_state *state, uint64_t now_ns)
{
	return twins_unanswered(state->twins, MATCH_MIRROR, now_ns).statements;
}

void verdict_tick(struct verdict_state *state, uint64_t now_ns, const struct verdict_surroundings *around)
{
	state->now_ns = now_ns;
	note_answers(state, now_ns);
	note_attempts(state, now_ns);
	history_tick(state->history, now_ns, state->stats, &around->losses, around->unclassified,
		     match_depth(twins_match(state->twins), now_ns) + unanswered(state, now_ns));
}

void verdict_reset(struct verdict_state *state)
{
	history_reset(state->history);
	state->answered_ns = 0;
	state->answers = answers(&state->stats->mirror);
	state->primary_then = answers(&state->stats->primary);
	twins_reset(state->twins, state->now_ns);
}

/* How often the primary must have run a class before its absence on the mirror says something: where nearly
 * all is mirrored a few times are no chance any more. */
static double seen_enough(double share)
{
	double few = share < 1 ? log(ABSENT_CHANCE) / log(1 - share) : 0;

	return fmin(SEEN_ENOUGH / share, fmax(SEEN_LEAST, ceil(few)));
}

static double unseen_classes(const struct verdict_state *state, double share, uint64_t now_ns)
{
	struct match *match = twins_match(state->twins);
	uint64_t settled = 2 * match_median_lag(match) + 10 * 1000000000ull;

	return isnan(share) || share <= 0
		   ? NAN
		   : top_mark_unseen(twins_top(state->twins), seen_enough(share), settled, now_ns);
}

/* Statements that the mirror should have got since it last answered. */
static double missed(const struct verdict_state *state, double share)
{
	uint64_t now = answers(&state->stats->primary);

	return share * (now > state->primary_then ? now - state->primary_then : 0);
}

static double down_s(const struct verdict_state *state, double share, uint64_t now_ns)
{
	double refused = 0, silent = 0;

	if (state->refused >= REFUSED_LEAST)
		refused = (now_ns - state->refused_ns) / 1e9;
	if (state->answered_ns && missed(state, share) >= MISSED_ENOUGH)
		silent = (now_ns - state->answered_ns) / 1e9;
	return fmax(refused, silent);
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
	input.down_s = down_s(state, isnan(share) ? 0 : share, now_ns);
	input.unanswered = unanswered(state, now_ns);
	input.faults = top_faults(twins_top(state->twins));
	match_arrivals(match, now_ns, &input.arrivals);
	readiness_evaluate(&state->settings, &input, out);
}
