/* SPDX-License-Identifier: MIT */
/* Every transcript played as it was recorded gives the truth that it states. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "support/tally.h"

/* How many figures differ from the truth: each is printed, so none may be left uncompared for another one. */
static unsigned differs(const struct transcript *t, const char *group, const char *key, uint64_t got)
{
	uint64_t truth = transcript_truth(t, group, key, got);

	if (truth != got)
		print_error("%s: %s %s is %llu, truth %llu\n", t->name, group, key, (unsigned long long)got,
			    (unsigned long long)truth);
	return truth != got;
}

static unsigned text_differs(const struct transcript *t, const char *group, const char *key, const char *got)
{
	const struct transcript_fact *fact = transcript_find(t, group, key);

	if (!fact || !strcmp(fact->text, got))
		return 0;
	print_error("%s: %s is \"%s\", truth \"%s\"\n", t->name, key, got, fact->text);
	return 1;
}

static unsigned outcomes_differ(const struct transcript *t, const char *group, const uint64_t got[OUTCOMES])
{
	return differs(t, group, "success", got[OUTCOME_SUCCESS]) +
	       differs(t, group, "failure", got[OUTCOME_FAILURE]) +
	       differs(t, group, "unknown", got[OUTCOME_UNKNOWN]);
}

static unsigned notes_differ(const struct transcript *t, const struct tally *tally)
{
	return differs(t, "notes", "startup_done", tally->notes[NOTE_STARTUP_DONE]) +
	       differs(t, "notes", "startup_error", tally->notes[NOTE_STARTUP_ERROR]) +
	       differs(t, "notes", "cancel_request", tally->notes[NOTE_CANCEL_REQUEST]) +
	       differs(t, "notes", "encrypted", tally->notes[NOTE_ENCRYPTED]) +
	       differs(t, "notes", "replication", tally->notes[NOTE_REPLICATION]);
}

static unsigned play_and_compare(const struct transcript *t)
{
	struct tally tally;
	unsigned wrong;

	tally_open(&tally, &tally_options, true);
	tally_play(&tally, t);
	wrong = text_differs(t, "startup", "user", tally.user) +
		text_differs(t, "startup", "database", tally.database) +
		differs(t, "queries", "sent", tally.sent) +
		outcomes_differ(t, "statements", tally.statements) +
		outcomes_differ(t, "requests", tally.requests) +
		differs(t, "failures", "connection", tally.failures[FAILURE_CONNECTION]) +
		differs(t, "failures", "timeout", tally.failures[FAILURE_TIMEOUT]) +
		differs(t, "failures", "query_execution", tally.failures[FAILURE_QUERY_EXECUTION]) +
		differs(t, "upkeep", "requests", tally.upkeep) +
		differs(t, "ignored", "requests", tally.ignored) + notes_differ(t, &tally);
	if (tally.errors != transcript_total(t, "sqlstate") || tally.answered != tally.sent || tally.broken ||
	    tally.notes[NOTE_RESYNC] || tally.notes[NOTE_DECODE_ERROR]) {
		print_error("%s: errors %llu, sent %llu, answered %llu, broken %d, log %s\n", t->name,
			    (unsigned long long)tally.errors, (unsigned long long)tally.sent,
			    (unsigned long long)tally.answered, tally.broken, tally.log);
		wrong++;
	}
	return wrong;
}

static void every_transcript_played_as_recorded_gives_its_truth(void **state)
{
	struct transcript **transcripts;
	const char *error = "";
	size_t count, wrong = 0;

	(void)state;
	if (transcript_load_all(&transcripts, &count, TRANSCRIPT_DIRECTORY, &error) < 0)
		fail_msg("%s", error);
	assert_true(count > 0);
	for (size_t i = 0; i < count; i++)
		wrong += play_and_compare(transcripts[i]);
	transcript_free_all(&transcripts, count);
	assert_int_equal(wrong, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_transcript_played_as_recorded_gives_its_truth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
