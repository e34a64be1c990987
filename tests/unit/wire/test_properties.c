/* SPDX-License-Identifier: MIT */
/*
 * What must hold however the bytes of a connection reach us: cut anywhere, in any order that TCP allows, with
 * any one call lost. Each outcome equals the truth or is unknown. Seeds are printed when something fails.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "support/tape.h"

#define CUT_MAX    4096 /* bytes of a chunk that are tried as a cut; beyond, some */
#define LONG_TAPES 150
#define SEED_STEP  0x9e3779b97f4a7c15ull /* neighbouring seeds begin far from each other */

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

/* a may lack the tag: CommandComplete was seen, its text was not; or the rows. */
static bool same(const struct tally_result *a, const struct tally_result *b)
{
	bool tagged = *a->tag || a->outcome != OUTCOME_SUCCESS;

	bool known = a->sent_ns && a->sent_ns != a->done_ns; /* else only the answer tells which it is */

	return (known ? a->sent_ns == b->sent_ns : a->done_ns == b->done_ns) && a->outcome == b->outcome &&
	       a->failure == b->failure && !strcmp(a->sqlstate, b->sqlstate) &&
	       (!tagged ||
		((a->rows == b->rows || a->rows == TALLY_ROWS_UNKNOWN) && !strcmp(a->tag, b->tag)));
}

/* Each known outcome is one of the truth's, each of them at most once. */
static bool only_truth(const char *what, const char *name)
{
	static bool used[TALLY_RESULTS_MAX];

	memset(used, 0, sizeof(used));
	for (size_t i = 0; i < tally.result_count; i++) {
		const struct tally_result *result = &tally.results[i];
		size_t j = 0;

		if (result->outcome == OUTCOME_UNKNOWN)
			continue;
		while (j < truth.result_count && (used[j] || !same(result, &truth.results[j])))
			j++;
		if (j == truth.result_count) {
			print_error("%s, %s: %s of %llu (outcome %d %s) is not the truth\n", name, what,
				    result->tag, (unsigned long long)result->done_ns, result->outcome,
				    result->sqlstate);
			print_error("  found %.400s\n  truth %.400s\n", tally.log, truth.log);
			return false;
		}
		used[j] = true;
	}
	return true;
}

static uint64_t total(const uint64_t counts[OUTCOMES])
{
	return counts[OUTCOME_SUCCESS] + counts[OUTCOME_FAILURE] + counts[OUTCOME_UNKNOWN];
}

/* What the metrics promise of any sequence of events. */
static bool consistent(const char *what, const char *name)
{
	uint64_t failures = 0;

	for (int i = 0; i < FAILURE_NONE; i++)
		failures += tally.failures[i];
	if (!tally.broken && failures == tally.requests[OUTCOME_FAILURE] && tally.answered == tally.sent)
		return true;
	print_error("%s, %s: broken %d, %llu failures of %llu requests, %llu of %llu answered; %s\n", name,
		    what, tally.broken, (unsigned long long)failures,
		    (unsigned long long)total(tally.requests), (unsigned long long)tally.answered,
		    (unsigned long long)tally.sent, tally.log);
	return false;
}

/* Nothing was lost: everything is as in the truth. */
static bool all_truth(const char *what, const char *name)
{
	if (!only_truth(what, name) || !consistent(what, name))
		return false;
	if (tally.result_count == truth.result_count && !tally.notes[NOTE_RESYNC])
		return true;
	print_error("%s, %s: %zu results instead of %zu, %llu resyncs\n", name, what, tally.result_count,
		    truth.result_count, (unsigned long long)tally.notes[NOTE_RESYNC]);
	return false;
}

static void find_truth(const struct tape *tape)
{
	tally_open(&truth, &tally_options, true);
	tape_play(tape, &truth, TAPE_LOSE_NONE);
}

/* What may happen to one transcript; its tape is whole and its truth found. False: something is wrong, and
 * printed. */
typedef bool variation(const struct transcript *transcript, const struct tape *tape);

static void for_each_transcript(variation *vary)
{
	bool good = true;

	for (size_t i = 0; i < transcript_count; i++) {
		struct tape tape = {0};

		tape_add_all(&tape, transcripts[i]);
		find_truth(&tape);
		good &= vary(transcripts[i], &tape);
		tape_free(&tape);
	}
	assert_true(good);
}

/* One variation for each seed, until something is wrong. */
static bool with_seeds(uint64_t seeds,
		       bool (*vary)(const struct transcript *transcript, const struct tape *tape,
				    uint64_t *random),
		       const struct transcript *transcript, const struct tape *tape)
{
	for (uint64_t seed = 1; seed <= seeds; seed++) {
		uint64_t random = seed * SEED_STEP;

		if (vary(transcript, tape, &random))
			continue;
		print_error("seed %llu\n", (unsigned long long)seed);
		return false;
	}
	return true;
}

/* ------------------------------------------------------------------------------------------ cuts */

static bool cut_at(const struct transcript *transcript, size_t chunk, size_t at)
{
	struct tape tape = {0};

	tape_add_all(&tape, transcript);
	tape_cut(&tape, chunk, at);
	tally_open(&tally, &tally_options, true);
	tape_play(&tape, &tally, TAPE_LOSE_NONE);
	tape_free(&tape);
	return all_truth("cut", transcript->name);
}

static bool cut_everywhere(const struct transcript *transcript, const struct tape *tape)
{
	bool good = true;

	for (size_t chunk = 0; chunk < tape->count; chunk++) {
		size_t len = tape->chunks[chunk].kind == TRANSCRIPT_BYTES ? tape->chunks[chunk].len : 0;
		size_t step = len > CUT_MAX ? len / 997 + 1 : 1;

		for (size_t at = 1; at < len && good; at += at < CUT_MAX ? 1 : step)
			good = cut_at(transcript, chunk, at);
	}
	return good;
}

static void a_cut_at_any_byte_of_either_direction_changes_nothing(void **state)
{
	(void)state;
	for_each_transcript(cut_everywhere);
}

static bool in_single_bytes(const struct transcript *transcript, const struct tape *tape)
{
	const struct tape_faults faults = {.piece = 1, .lost = TAPE_LOSE_NONE};
	uint64_t seed = 1;

	tally_open(&tally, &tally_options, true);
	tape_play_records(tape, &tally, &faults, &seed);
	return all_truth("single bytes", transcript->name);
}

static void single_bytes_change_nothing(void **state)
{
	(void)state;
	for_each_transcript(in_single_bytes);
}

/* ------------------------------------------------------------------------------------------ order */

static bool hurry(const struct transcript *transcript, const struct tape *tape, uint64_t *random)
{
	struct tape hurried = {0};

	(void)tape;
	tape_add_all(&hurried, transcript);
	tape_hurry(&hurried, random);
	tally_open(&tally, &tally_options, true);
	tape_play(&hurried, &tally, TAPE_LOSE_NONE);
	tape_free(&hurried);
	return all_truth("hurried", transcript->name);
}

static bool hurry_often(const struct transcript *transcript, const struct tape *tape)
{
	return with_seeds(200, hurry, transcript, tape);
}

static void a_client_that_does_not_wait_changes_nothing(void **state)
{
	(void)state;
	for_each_transcript(hurry_often);
}

static bool shuffle(const struct transcript *transcript, const struct tape *tape, uint64_t *random)
{
	const struct tape_faults faults = {
	    .piece = 1 + tape_random(random, 4000),
	    .inversions = true,
	    .duplicates = true,
	    .lost = TAPE_LOSE_NONE,
	    .base = UINT32_MAX - tape_random(random, 500), /* positions wrap around */
	};

	tally_open(&tally, &tally_options, true);
	tape_play_records(tape, &tally, &faults, random);
	return all_truth("records", transcript->name);
}

static bool shuffle_often(const struct transcript *transcript, const struct tape *tape)
{
	return with_seeds(100, shuffle, transcript, tape);
}

static void records_out_of_order_twice_and_in_pieces_change_nothing(void **state)
{
	(void)state;
	for_each_transcript(shuffle_often);
}

/* ------------------------------------------------------------------------------------------ loss */

/* Something was lost: what is left is the truth or unknown. */
static bool nothing_wrong(const char *what, const char *name)
{
	return only_truth(what, name) && consistent(what, name);
}

static bool lose_each_call(const struct transcript *transcript, const struct tape *tape)
{
	bool good = true;

	for (size_t lost = 0; lost < tape->count; lost++) {
		tally_open(&tally, &tally_options, true);
		tape_play(tape, &tally, lost);
		good &= nothing_wrong("lost", transcript->name);
	}
	return good;
}

static void any_one_lost_call_leaves_the_truth_or_unknown(void **state)
{
	(void)state;
	for_each_transcript(lose_each_call);
}

static bool lose_part(const struct transcript *transcript, const struct tape *whole, uint64_t *random)
{
	struct tape tape = {0};
	size_t chunk = tape_random(random, whole->count), len = whole->chunks[chunk].len;

	tape_add_all(&tape, transcript);
	if (len > 1)
		tape_cut(&tape, chunk, 1 + tape_random(random, len - 1));
	if (tape.chunks[chunk].len > 2)
		tape_cut(&tape, chunk, 1 + tape_random(random, tape.chunks[chunk].len - 1));
	tally_open(&tally, &tally_options, true);
	tape_play(&tape, &tally, chunk + tape_random(random, tape.count - whole->count + 1));
	tape_free(&tape);
	return nothing_wrong("part lost", transcript->name);
}

static bool lose_parts(const struct transcript *transcript, const struct tape *tape)
{
	return with_seeds(1000, lose_part, transcript, tape);
}

static void any_lost_part_of_a_call_leaves_the_truth_or_unknown(void **state)
{
	(void)state;
	for_each_transcript(lose_parts);
}

/* A long connection made of the bodies of transcripts, some of whose client does not wait. */
static void make_long(struct tape *tape, uint64_t *seed)
{
	size_t kinds = 1 + tape_random(seed, 4), chosen[4];

	for (size_t i = 0; i < kinds; i++)
		chosen[i] = tape_random(seed, transcript_count);
	for (size_t i = 0; i < transcript_count && !tape->count; i++)
		if (!strcmp(transcripts[i]->name, "simple_select_insert"))
			tape_add_startup(tape, transcripts[i]);
	for (size_t i = 0; i < 40; i++)
		tape_add_body(tape, transcripts[chosen[tape_random(seed, kinds)]], tape_end_ns(tape) + 1000);
	if (!tape_random(seed, 3))
		tape_hurry(tape, seed);
}

/* Plays each long tape some times, with one place in it chosen by chance; returns how often pairing was
 * regained. */
static size_t for_each_long_tape(int times, bool (*play)(const struct tape *tape, size_t at))
{
	size_t regained = 0;
	bool good = true;

	for (uint64_t seed = 1; seed <= LONG_TAPES; seed++) {
		uint64_t random = seed * SEED_STEP;
		struct tape tape = {0};

		make_long(&tape, &random);
		find_truth(&tape);
		for (int i = 0; i < times && tape.count > 4; i++) {
			size_t at = tape_random(&random, tape.count);

			if (!play(&tape, at)) {
				print_error("seed %llu, chunk %zu of %zu\n", (unsigned long long)seed, at,
					    tape.count);
				good = false;
				break;
			}
			regained += tally.notes[NOTE_RESYNC_CERTAIN];
		}
		tape_free(&tape);
	}
	assert_true(good);
	return regained;
}

static bool lose_one(const struct tape *tape, size_t lost)
{
	tally_open(&tally, &tally_options, true);
	tape_play(tape, &tally, lost);
	return nothing_wrong("long", "long");
}

static void a_loss_in_a_long_connection_never_shifts_outcomes(void **state)
{
	(void)state;
	assert_true(for_each_long_tape(30, lose_one) > LONG_TAPES); /* or this proves nothing */
}

static bool attach_late(const struct tape *tape, size_t from)
{
	const struct tape late = {tape->chunks + from, tape->count - from, 0};

	tally_open(&tally, &tally_options, false);
	tape_play(&late, &tally, TAPE_LOSE_NONE);
	return nothing_wrong("late", "late");
}

static void attaching_in_mid_stream_never_guesses(void **state)
{
	(void)state;
	assert_true(for_each_long_tape(10, attach_late) > LONG_TAPES / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_cut_at_any_byte_of_either_direction_changes_nothing),
	    cmocka_unit_test(single_bytes_change_nothing),
	    cmocka_unit_test(a_client_that_does_not_wait_changes_nothing),
	    cmocka_unit_test(records_out_of_order_twice_and_in_pieces_change_nothing),
	    cmocka_unit_test(any_one_lost_call_leaves_the_truth_or_unknown),
	    cmocka_unit_test(any_lost_part_of_a_call_leaves_the_truth_or_unknown),
	    cmocka_unit_test(a_loss_in_a_long_connection_never_shifts_outcomes),
	    cmocka_unit_test(attaching_in_mid_stream_never_guesses),
	};

	return cmocka_run_group_tests(tests, load, unload);
}
