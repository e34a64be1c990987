/* SPDX-License-Identifier: MIT */
/*
 * What must hold after any loss: no outcome is ever wrong, every statement whose answer was framed is
 * counted, and 20 statements later (or after a pause, for a client that pipelines) counting is exact again
 * and pairing proven. The losses are generated: each call of each transcript, each pair of calls, and one per
 * cent of the calls of random pipelined connections, in both directions, reported at once or as late as the
 * stream does. The truth is what the same tape says without a loss.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "support/tape.h"

#define SEED_STEP   0x9e3779b97f4a7c15ull
#define FOLLOWERS   200 /* ordinary statements behind the loss */
#define REGAINED_BY 20  /* of them, counting is exact again */
#define PAUSE_NS    120000000ull
#define LOST_MAX    64

static struct transcript **transcripts;
static size_t transcript_count;
static struct tally truth, tally;

static int load(void **state)
{
	const char *error = "";

	(void)state;
	if (transcript_load_all(&transcripts, &transcript_count, TRANSCRIPT_DIRECTORY, &error) < 0) {
		print_error("%s\n", error);
		return -1;
	}
	return transcript_count ? 0 : -1;
}

static int unload(void **state)
{
	(void)state;
	transcript_free_all(&transcripts, transcript_count);
	return 0;
}

static const struct transcript *named(const char *name)
{
	for (size_t i = 0; i < transcript_count; i++)
		if (!strcmp(transcripts[i]->name, name))
			return transcripts[i];
	abort();
}

/* ------------------------------------------------------------------------------------------ the tape */

#define BYTES(literal)                                    \
	{                                                 \
		(uint8_t *)(literal), sizeof(literal) - 1 \
	}

/* What ordinary clients say and hear: a Query, an extended batch, a failing Query. */
static const struct exchange {
	struct {
		uint8_t *data;
		size_t len;
	} asked, answered;
} ordinary[] = {
    {BYTES("Q\0\0\0\x0dSELECT 1\0"), BYTES("T\0\0\0\6\0\0D\0\0\0\6\0\0C\0\0\0\x0dSELECT 1\0Z\0\0\0\5I")},
    {BYTES("P\0\0\0\x11s\0SELECT "
	   "1\0\0\0B\0\0\0\x0d\0s\0\0\0\0\0\0\0D\0\0\0\6P\0E\0\0\0\x09\0\0\0\0\0S\0\0\0\4"),
     BYTES("1\0\0\0\0042\0\0\0\4T\0\0\0\6\0\0D\0\0\0\6\0\0C\0\0\0\x0dSELECT 1\0Z\0\0\0\5I")},
    {BYTES("Q\0\0\0\x0bnonono\0"), BYTES("E\0\0\0\x1aSERROR\0VERROR\0C42601\0\0Z\0\0\0\5I")},
};

static void add_call(struct tape *tape, enum transcript_side side, uint8_t *data, size_t len,
		     uint64_t time_ns)
{
	const struct transcript_chunk chunk = {
	    .side = side, .kind = TRANSCRIPT_BYTES, .time_ns = time_ns, .data = data, .len = len};

	tape_add(tape, &chunk);
}

/* `count` statements one after the other, the first and two more after `pause_ns`; returns where they
 * begin. */
static size_t follow(struct tape *tape, size_t count, uint64_t pause_ns)
{
	uint64_t time_ns = tape_end_ns(tape) + pause_ns;
	size_t from = tape->count;

	for (size_t i = 0; i < count; i++) {
		const struct exchange *exchange = &ordinary[i % 3];

		time_ns += i == 10 || i == 15 ? 3000 + pause_ns : 3000;
		add_call(tape, TRANSCRIPT_CLIENT, exchange->asked.data, exchange->asked.len, time_ns);
		time_ns += 5000;
		add_call(tape, TRANSCRIPT_SERVER, exchange->answered.data, exchange->answered.len, time_ns);
	}
	return from;
}

/* ------------------------------------------------------------------------------------------ losing */

struct losses {
	size_t chunks[LOST_MAX], count;
	bool late; /* a received hole shows with the next received bytes only */
};

static bool is_lost(const struct losses *losses, size_t chunk)
{
	for (size_t i = 0; i < losses->count; i++)
		if (losses->chunks[i] == chunk)
			return true;
	return false;
}

static void gap(enum transcript_side side, uint64_t *len, uint64_t time_ns)
{
	if (*len && side == TRANSCRIPT_CLIENT)
		session_sent_gap(tally.session, *len, time_ns);
	else if (*len)
		session_received_gap(tally.session, *len, time_ns);
	*len = 0;
}

/* What is lost of the server shows at once, or with its next bytes; neighbours become one gap. */
static void play(const struct tape *tape, const struct losses *losses)
{
	uint64_t missing = 0;

	tally_open(&tally, &tally_options, true);
	for (size_t i = 0; i < tape->count && tally.session; i++) {
		const struct transcript_chunk *chunk = &tape->chunks[i];
		uint64_t len = chunk->len;

		if (chunk->kind == TRANSCRIPT_BYTES && is_lost(losses, i)) {
			if (chunk->side == TRANSCRIPT_SERVER && losses->late)
				missing += len;
			else
				gap(chunk->side, &len, chunk->time_ns);
			continue;
		}
		if (chunk->side == TRANSCRIPT_SERVER)
			gap(TRANSCRIPT_SERVER, &missing, chunk->time_ns);
		tally_chunk(&tally, chunk);
		if (tally.session && !session_coherent(tally.session)) {
			print_error("chunk %zu: what the session holds does not fit its state, %s\n", i,
				    session_state_name(session_state(tally.session)));
			tally.broken = true;
		}
	}
}

/* ------------------------------------------------------------------------------------------ the truth */

/* A request that failed, of which neither beginning nor end was seen, only its first error. */
static bool failed_then(const struct tally_result *a, const struct tally_result *b)
{
	return a->sent_ns == a->done_ns && a->outcome == OUTCOME_FAILURE && !strcmp(a->tag, "request r") &&
	       a->failure == b->failure && !strcmp(a->sqlstate, b->sqlstate) && !strcmp(a->tag, b->tag);
}

/* A pair is the truth's when it was sent then; an answer without its request when it was answered then. */
static bool same(const struct tally_result *a, const struct tally_result *b)
{
	bool known = a->sent_ns && a->sent_ns != a->done_ns;
	bool tagged = *a->tag || a->outcome != OUTCOME_SUCCESS;

	return (known ? a->sent_ns == b->sent_ns : a->done_ns == b->done_ns) && a->outcome == b->outcome &&
	       a->failure == b->failure && !strcmp(a->sqlstate, b->sqlstate) &&
	       (!tagged ||
		(!strcmp(a->tag, b->tag) && (a->rows == b->rows || a->rows == TALLY_ROWS_UNKNOWN)));
}

/* Which results of the truth were found; false: one was found that is not among them. */
static bool find(bool *found)
{
	size_t from = 0;

	memset(found, 0, truth.result_count);
	for (size_t i = 0; i < tally.result_count; i++) {
		const struct tally_result *result = &tally.results[i];
		size_t j = from;

		if (result->outcome == OUTCOME_UNKNOWN)
			continue;
		while (j < truth.result_count && (found[j] || !same(result, &truth.results[j])))
			j++;
		for (size_t k = from; j == truth.result_count && k < truth.result_count; k++)
			if (!found[k] && failed_then(result, &truth.results[k]))
				j = k;
		if (j == truth.result_count) {
			print_error("%s at %llu (outcome %d %s) is not the truth\n", result->tag,
				    (unsigned long long)result->done_ns, result->outcome, result->sqlstate);
			return false;
		}
		found[j] = true;
		while (from < truth.result_count && found[from])
			from++;
	}
	return true;
}

static bool is_statement(const struct tally_result *result)
{
	return strncmp(result->tag, "request", 7) != 0;
}

/* Of the commands of one Query. */
static bool another_found(const bool *found, size_t i)
{
	uint64_t sent_ns = truth.results[i].sent_ns;

	for (size_t j = i < 8 ? 0 : i - 8; j < truth.result_count && j < i + 8; j++)
		if (found[j] && is_statement(&truth.results[j]) && truth.results[j].sent_ns == sent_ns)
			return true;
	return false;
}

/* A statement that was not found and whose request was seen is unknown; of one call's, at least one. */
static bool nothing_vanished(const bool *found, size_t calls_unseen)
{
	uint64_t unseen = truth.sent - tally.sent, expected = 0, last_ns = 0;

	for (size_t i = 0; i < truth.result_count; i++) {
		const struct tally_result *result = &truth.results[i];

		if (found[i] || !is_statement(result) || result->homeless ||
		    result->outcome == OUTCOME_UNKNOWN || result->sent_ns == last_ns ||
		    another_found(found, i))
			continue;
		last_ns = result->sent_ns;
		expected++;
	}
	/* The answer to a call without a statement (Describe, Sync) that was not seen makes up for one that
	 * was lost. */
	unseen += calls_unseen;
	if (unseen + tally.statements[OUTCOME_UNKNOWN] + tally.ignored_statements[OUTCOME_UNKNOWN] >=
	    expected)
		return true;
	print_error("%llu statements are neither known nor unknown\n",
		    (unsigned long long)(expected - tally.statements[OUTCOME_UNKNOWN]));
	return false;
}

/* A portal that was suspended and never run to its end: no answer tells of its end. */
static bool is_abandoned(const struct tally_result *result)
{
	return result->outcome == OUTCOME_SUCCESS && !*result->tag;
}

/* Everything from exact_ns on is known; so is, as long as the server's side is whole, every statement. */
static bool nothing_missing(const bool *found, uint64_t exact_ns, bool back_whole)
{
	for (size_t i = 0; i < truth.result_count; i++) {
		const struct tally_result *result = &truth.results[i];
		if (found[i] || result->outcome == OUTCOME_UNKNOWN)
			continue;
		if (result->sent_ns >= exact_ns ||
		    (back_whole && is_statement(result) && !is_abandoned(result))) {
			print_error("%s at %llu (outcome %d %s) is not counted\n", result->tag,
				    (unsigned long long)result->done_ns, result->outcome, result->sqlstate);
			return false;
		}
	}
	return true;
}

/* A client that pipelines is paired again after pauses only. */
static bool pauses(const struct tape *tape)
{
	size_t count = 0;

	for (size_t i = 1; i < tape->count; i++)
		count += tape->chunks[i].time_ns - tape->chunks[i - 1].time_ns >= PAUSE_NS;
	return count >= 2;
}

static bool check(const struct tape *tape, const struct losses *losses, uint64_t exact_ns)
{
	static bool found[TALLY_RESULTS_MAX];
	bool aligned = tally.session && session_state(tally.session) == SESSION_ALIGNED, back_whole = true;
	size_t calls_unseen = 0;

	for (size_t i = 0; i < losses->count; i++) {
		bool of_client = tape->chunks[losses->chunks[i]].side == TRANSCRIPT_CLIENT;

		back_whole &= of_client;
		calls_unseen += of_client;
	}
	tally_close(&tally, SESSION_END_UNKNOWN, tape_end_ns(tape));
	if (!find(found) || !nothing_missing(found, exact_ns, back_whole) ||
	    !nothing_vanished(found, back_whole ? 0 : calls_unseen))
		return false;
	aligned |= truth.deepest > 1 && !pauses(tape);
	if (tally.broken || tally.answered != tally.sent || !aligned) {
		print_error("broken %d, %llu of %llu answered, %saligned\n", tally.broken,
			    (unsigned long long)tally.answered, (unsigned long long)tally.sent,
			    aligned ? "" : "not ");
		return false;
	}
	return true;
}

static bool lose(const char *name, const struct tape *tape, const struct losses *losses, uint64_t exact_ns)
{
	play(tape, losses);
	if (check(tape, losses, exact_ns))
		return true;
	print_error("%s: %s of %zu lost%s, the first two: %zu, %zu\n  found %.300s\n  truth %.300s\n", name,
		    losses->count == 1 ? "one" : "several", tape->count, losses->late ? ", told late" : "",
		    losses->chunks[0], losses->count > 1 ? losses->chunks[1] : 0, tally.log, truth.log);
	return false;
}

static void find_truth(const struct tape *tape)
{
	tally_open(&truth, &tally_options, true);
	tape_play(tape, &truth, TAPE_LOSE_NONE);
}

/* ------------------------------------------------------------------------------------------ one call, two */

struct plan {
	size_t followers;
	uint64_t pause_ns;
	bool pairs;
};

/* Behind the loss: from which time on all must be exact. */
static uint64_t exact_from(const struct tape *tape, size_t from)
{
	return tape->chunks[from + (size_t)2 * REGAINED_BY].time_ns;
}

static bool lose_from(const char *name, const struct tape *tape, size_t from, const struct plan *plan)
{
	uint64_t exact_ns = exact_from(tape, from);
	struct losses losses = {.count = 1};

	for (int late = 0; late < 2; late++)
		for (size_t i = 0; i < from + 2; i++) {
			losses = (struct losses){.chunks = {i}, .count = 1, .late = late};
			if (!plan->pairs && !lose(name, tape, &losses, exact_ns))
				return false;
			for (size_t j = i + 1; plan->pairs && j < from + 2 && j < i + 12; j++) {
				losses = (struct losses){.chunks = {i, j}, .count = 2, .late = late};
				if (!lose(name, tape, &losses, exact_ns))
					return false;
			}
		}
	return true;
}

static void in_each_transcript(const struct plan *plan)
{
	size_t tried = 0;
	bool good = true;

	for (size_t i = 0; i < transcript_count; i++) {
		struct tape tape = {0};
		size_t from;

		tape_add_startup(&tape, named("simple_select_insert"));
		if (tape_add_body(&tape, transcripts[i], tape_end_ns(&tape) + 1000)) {
			from = follow(&tape, plan->followers, plan->pause_ns);
			find_truth(&tape);
			good &= lose_from(transcripts[i]->name, &tape, from, plan);
			tried++;
		}
		tape_free(&tape);
	}
	assert_true(tried > 30);
	assert_true(good);
}

static void any_lost_call_is_got_over_in_twenty_statements(void **state)
{
	(void)state;
	in_each_transcript(&(struct plan){.followers = FOLLOWERS});
}

static void any_lost_call_is_got_over_after_a_pause(void **state)
{
	(void)state;
	in_each_transcript(&(struct plan){.followers = FOLLOWERS, .pause_ns = PAUSE_NS});
}

static void any_two_lost_calls_are_got_over(void **state)
{
	(void)state;
	in_each_transcript(&(struct plan){.followers = 60, .pairs = true});
}

/* ------------------------------------------------------------------------------------------ random ones */

static void make_pipelined(struct tape *tape, uint64_t *seed)
{
	size_t kinds = 1 + tape_random(seed, 4), chosen[4];
	struct tape body;

	for (size_t i = 0; i < kinds; i++)
		chosen[i] = tape_random(seed, transcript_count);
	tape_add_startup(tape, named("simple_select_insert"));
	body = (struct tape){.chunks = NULL};
	for (size_t i = 0; i < 40; i++)
		tape_add_body(&body, transcripts[chosen[tape_random(seed, kinds)]],
			      (body.count ? tape_end_ns(&body) : tape_end_ns(tape)) + 1000);
	tape_hurry(&body, seed);
	for (size_t i = 0; i < body.count; i++)
		tape_add(tape, &body.chunks[i]);
	tape_free(&body);
}

static bool lose_one_per_cent(uint64_t seed)
{
	uint64_t random = seed * SEED_STEP;
	struct tape tape = {0};
	struct losses losses = {.late = seed & 1};
	size_t from;
	bool good;

	make_pipelined(&tape, &random);
	for (size_t i = 0; i < tape.count && losses.count < LOST_MAX; i++)
		if (!tape_random(&random, 100))
			losses.chunks[losses.count++] = i;
	from = follow(&tape, FOLLOWERS, 0);
	/* A client that pipelines is paired again after some pauses; counting is exact before. */
	for (size_t i = from + FOLLOWERS; i < tape.count; i++)
		tape.chunks[i].time_ns += (i - from - FOLLOWERS) / 20 * PAUSE_NS;
	find_truth(&tape);
	good = tape.count < 2 * FOLLOWERS + 10 || lose("pipelined", &tape, &losses, exact_from(&tape, from));
	tape_free(&tape);
	if (!good)
		print_error("seed %llu\n", (unsigned long long)seed);
	return good;
}

static void one_per_cent_lost_of_a_pipelined_connection_is_got_over(void **state)
{
	bool good = true;

	(void)state;
	for (uint64_t seed = 1; seed <= 600; seed++)
		good &= lose_one_per_cent(seed);
	assert_true(good);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(any_lost_call_is_got_over_in_twenty_statements),
	    cmocka_unit_test(any_lost_call_is_got_over_after_a_pause),
	    cmocka_unit_test(any_two_lost_calls_are_got_over),
	    cmocka_unit_test(one_per_cent_lost_of_a_pipelined_connection_is_got_over),
	};

	return cmocka_run_group_tests(tests, load, unload);
}
