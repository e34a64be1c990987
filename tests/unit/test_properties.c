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

#include "tape.h"

#define CUT_MAX    4096 /* bytes of a chunk that are tried as a cut; beyond, some */
#define LONG_TAPES 150

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

/* a may lack the tag: CommandComplete was seen, its text was not. */
static bool same(const struct tally_result *a, const struct tally_result *b)
{
	bool tagged = *a->tag || a->rows || a->outcome != OUTCOME_SUCCESS;

	return a->sent_ns == b->sent_ns && a->outcome == b->outcome && a->failure == b->failure &&
	       !strcmp(a->sqlstate, b->sqlstate) &&
	       (!tagged || (a->rows == b->rows && !strcmp(a->tag, b->tag)));
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
				    result->tag, (unsigned long long)result->sent_ns, result->outcome,
				    result->sqlstate);
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

/* ------------------------------------------------------------------------------------------ cuts */

static bool cut_everywhere(const struct transcript *transcript, size_t chunk)
{
	size_t len = transcript->chunks[chunk].len, step = len > CUT_MAX ? len / 997 + 1 : 1;

	for (size_t at = 1; at < len; at += at < CUT_MAX ? 1 : step) {
		struct tape tape = {0};

		tape_add_all(&tape, transcript);
		tape_cut(&tape, chunk, at);
		tally_open(&tally, &tally_options, true);
		tape_play(&tape, &tally, TAPE_LOSE_NONE);
		tape_free(&tape);
		if (!all_truth("cut", transcript->name))
			return false;
	}
	return true;
}

static void a_cut_at_any_byte_of_either_direction_changes_nothing(void **state)
{
	bool good = true;

	(void)state;
	for (size_t i = 0; i < transcript_count; i++) {
		struct tape tape = {0};

		tape_add_all(&tape, transcripts[i]);
		find_truth(&tape);
		for (size_t j = 0; j < tape.count; j++)
			if (tape.chunks[j].kind == TRANSCRIPT_BYTES)
				good &= cut_everywhere(transcripts[i], j);
		tape_free(&tape);
	}
	assert_true(good);
}

static void single_bytes_change_nothing(void **state)
{
	bool good = true;

	(void)state;
	for (size_t i = 0; i < transcript_count; i++) {
		struct tape tape = {0};
		uint64_t seed = 1;

		tape_add_all(&tape, transcripts[i]);
		find_truth(&tape);
		tally_open(&tally, &tally_options, true);
		tape_play_records(&tape, &tally, &(struct tape_faults){.piece = 1, .lost = TAPE_LOSE_NONE},
				  &seed);
		good &= all_truth("single bytes", transcripts[i]->name);
		tape_free(&tape);
	}
	assert_true(good);
}

/* ------------------------------------------------------------------------------------------ order */

static void a_client_that_does_not_wait_changes_nothing(void **state)
{
	bool good = true;

	(void)state;
	for (size_t i = 0; i < transcript_count; i++) {
		struct tape tape = {0};

		tape_add_all(&tape, transcripts[i]);
		find_truth(&tape);
		for (uint64_t seed = 1; seed <= 200; seed++) {
			struct tape hurried = {0};
			uint64_t random = seed * 0x9e3779b97f4a7c15ull;

			tape_add_all(&hurried, transcripts[i]);
			tape_hurry(&hurried, &random);
			tally_open(&tally, &tally_options, true);
			tape_play(&hurried, &tally, TAPE_LOSE_NONE);
			tape_free(&hurried);
			if (!all_truth("hurried", transcripts[i]->name)) {
				print_error("seed %llu\n", (unsigned long long)seed);
				good = false;
				break;
			}
		}
		tape_free(&tape);
	}
	assert_true(good);
}

static void records_out_of_order_twice_and_in_pieces_change_nothing(void **state)
{
	bool good = true;

	(void)state;
	for (size_t i = 0; i < transcript_count; i++) {
		struct tape tape = {0};

		tape_add_all(&tape, transcripts[i]);
		find_truth(&tape);
		for (uint64_t seed = 1; seed <= 100; seed++) {
			uint64_t random = seed * 0x9e3779b97f4a7c15ull;
			struct tape_faults faults = {
			    .piece = 1 + tape_random(&random, 4000),
			    .inversions = true,
			    .duplicates = true,
			    .lost = TAPE_LOSE_NONE,
			    .base = UINT32_MAX - tape_random(&random, 500), /* positions wrap around */
			};

			tally_open(&tally, &tally_options, true);
			tape_play_records(&tape, &tally, &faults, &random);
			if (!all_truth("records", transcripts[i]->name)) {
				print_error("seed %llu\n", (unsigned long long)seed);
				good = false;
				break;
			}
		}
		tape_free(&tape);
	}
	assert_true(good);
}

/* ------------------------------------------------------------------------------------------ loss */

static void any_one_lost_call_leaves_the_truth_or_unknown(void **state)
{
	bool good = true;

	(void)state;
	for (size_t i = 0; i < transcript_count; i++) {
		struct tape tape = {0};

		tape_add_all(&tape, transcripts[i]);
		find_truth(&tape);
		for (size_t lost = 0; lost < tape.count; lost++) {
			tally_open(&tally, &tally_options, true);
			tape_play(&tape, &tally, lost);
			good &= only_truth("lost", transcripts[i]->name) &&
				consistent("lost", transcripts[i]->name);
		}
		tape_free(&tape);
	}
	assert_true(good);
}

static void any_lost_part_of_a_call_leaves_the_truth_or_unknown(void **state)
{
	bool good = true;

	(void)state;
	for (size_t i = 0; i < transcript_count; i++) {
		struct tape whole = {0};

		tape_add_all(&whole, transcripts[i]);
		find_truth(&whole);
		for (uint64_t seed = 1; seed <= 1000; seed++) {
			uint64_t random = seed * 0x9e3779b97f4a7c15ull;
			struct tape tape = {0};
			size_t chunk = tape_random(&random, whole.count), len = whole.chunks[chunk].len;

			tape_add_all(&tape, transcripts[i]);
			if (len > 1)
				tape_cut(&tape, chunk, 1 + tape_random(&random, len - 1));
			if (tape.chunks[chunk].len > 2)
				tape_cut(&tape, chunk, 1 + tape_random(&random, tape.chunks[chunk].len - 1));
			tally_open(&tally, &tally_options, true);
			tape_play(&tape, &tally, chunk + tape_random(&random, tape.count - whole.count + 1));
			tape_free(&tape);
			if (!only_truth("part lost", transcripts[i]->name) ||
			    !consistent("part lost", transcripts[i]->name)) {
				print_error("seed %llu\n", (unsigned long long)seed);
				good = false;
				break;
			}
		}
		tape_free(&whole);
	}
	assert_true(good);
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

static void a_loss_in_a_long_connection_never_shifts_outcomes(void **state)
{
	size_t regained = 0;
	bool good = true;

	(void)state;
	for (uint64_t seed = 1; seed <= LONG_TAPES; seed++) {
		uint64_t random = seed * 0x9e3779b97f4a7c15ull;
		struct tape tape = {0};

		make_long(&tape, &random);
		find_truth(&tape);
		for (int i = 0; i < 30 && tape.count > 4; i++) {
			size_t lost = tape_random(&random, tape.count);

			tally_open(&tally, &tally_options, true);
			tape_play(&tape, &tally, lost);
			regained += tally.notes[NOTE_RESYNC_CERTAIN];
			if (!only_truth("long", "long") || !consistent("long", "long")) {
				print_error("seed %llu, chunk %zu of %zu\n", (unsigned long long)seed, lost,
					    tape.count);
				good = false;
				break;
			}
		}
		tape_free(&tape);
	}
	assert_true(good);
	assert_true(regained > LONG_TAPES); /* or this proves nothing */
}

static void attaching_in_mid_stream_never_guesses(void **state)
{
	size_t regained = 0;
	bool good = true;

	(void)state;
	for (uint64_t seed = 1; seed <= LONG_TAPES; seed++) {
		uint64_t random = seed * 0x9e3779b97f4a7c15ull;
		struct tape tape = {0};

		make_long(&tape, &random);
		find_truth(&tape);
		for (int i = 0; i < 10 && tape.count > 4; i++) {
			size_t from = tape_random(&random, tape.count);
			struct tape late = {tape.chunks + from, tape.count - from, 0};

			tally_open(&tally, &tally_options, false);
			tape_play(&late, &tally, TAPE_LOSE_NONE);
			regained += tally.notes[NOTE_RESYNC_CERTAIN];
			if (!only_truth("late", "late") || !consistent("late", "late")) {
				print_error("seed %llu, from %zu of %zu\n", (unsigned long long)seed, from,
					    tape.count);
				good = false;
				break;
			}
		}
		tape_free(&tape);
	}
	assert_true(good);
	assert_true(regained > LONG_TAPES / 2);
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
