/* SPDX-License-Identifier: MIT */
/* The loader itself, and what must hold of every transcript whatever the decoder says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/transcript.h"

/* Loads text as if it were a file. */
static int load_text(struct transcript **out, const char *text, const char **error)
{
	char path[] = "/tmp/transcript-XXXXXX";
	int fd = mkstemp(path), err;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	err = transcript_load(out, path, error);
	unlink(path);
	return err;
}

static void a_transcript_gives_its_chunks_in_order_with_escapes_and_repeats(void **state)
{
	struct transcript *t = NULL;

	(void)state;
	assert_int_equal(load_text(&t,
				   "# title\n\nC \"Q\\x00\\\"\\\\\"\n  repeat 3 \"ab\"\n  \"c\"\nS @7 "
				   "\"Z\"\nC reset\nS close\n",
				   NULL),
			 0);
	assert_int_equal(t->chunk_count, 4);
	assert_int_equal(t->chunks[0].side, TRANSCRIPT_CLIENT);
	assert_int_equal(t->chunks[0].len, 11);
	assert_memory_equal(t->chunks[0].data, "Q\0\"\\abababc", 11);
	assert_int_equal(t->chunks[1].side, TRANSCRIPT_SERVER);
	assert_int_equal(t->chunks[1].time_ns, 7000000);
	assert_int_equal(t->chunks[2].kind, TRANSCRIPT_RESET);
	assert_true(t->chunks[2].time_ns > t->chunks[1].time_ns);
	assert_int_equal(t->chunks[3].kind, TRANSCRIPT_CLOSE);
	transcript_free(&t);
}

static void the_truth_is_found_by_group_and_key(void **state)
{
	struct transcript *t = NULL;

	(void)state;
	assert_int_equal(load_text(&t,
				   "truth statements success=3 failure=1\ntruth sqlstate 42P01=2 22012=1\n"
				   "truth startup user=app\n",
				   NULL),
			 0);
	assert_int_equal(transcript_truth(t, "statements", "success", 9), 3);
	assert_int_equal(transcript_truth(t, "statements", "unknown", 9), 9);
	assert_int_equal(transcript_truth(t, "sqlstate", "42P01", 0), 2);
	assert_int_equal(transcript_total(t, "sqlstate"), 3);
	assert_string_equal(transcript_find(t, "startup", "user")->text, "app");
	assert_null(transcript_find(t, "startup", "success"));
	transcript_free(&t);
}

static void a_bad_line_is_refused_and_named(void **state)
{
	const char *const bad[] = {
	    "C \"open\n",    "C \"\\q\"\n",     "X \"\"\n",        "  \"no chunk\"\n", "C repeat x \"a\"\n",
	    "truth \n",      "truth a b\n",     "C \"a\" \"b\"\n", "S @ \n",           "C\n",
	    "C \"\\x0g\"\n", "repeat 1 \"a\"\n"};
	struct transcript *t = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const char *error = NULL;

		assert_int_equal(load_text(&t, bad[i], &error), -EINVAL);
		assert_non_null(strstr(error, ":1: "));
		assert_null(t);
	}
}

/* Of every file: it has bytes, the bytes are PostgreSQL messages up to an end, and the identities hold. */
static void check_identities(const struct transcript *t)
{
	uint64_t failed = transcript_truth(t, "requests", "failure", 0);

	if (transcript_total(t, "failures") != failed)
		fail_msg("%s: the failures by type are not the failed requests", t->name);
	if (transcript_truth(t, "statements", "failure", 0) > transcript_total(t, "sqlstate") + 1)
		fail_msg("%s: more failed statements than errors and one broken connection", t->name);
	if (transcript_truth(t, "statements", "unknown", 0) || transcript_truth(t, "requests", "unknown", 0))
		fail_msg("%s: nothing is unknown to the client", t->name);
}

static void every_transcript_loads_and_its_truth_is_consistent(void **state)
{
	struct transcript **all = NULL;
	const char *error = "";
	size_t count = 0;

	(void)state;
	if (transcript_load_all(&all, &count, TRANSCRIPT_DIRECTORY, &error))
		fail_msg("%s", error);
	assert_true(count >= 90);
	for (size_t i = 0; i < count; i++) {
		assert_true(all[i]->chunk_count > 0);
		assert_int_equal(all[i]->chunks[0].side, TRANSCRIPT_CLIENT);
		assert_true(all[i]->fact_count > 0);
		check_identities(all[i]);
	}
	transcript_free_all(&all, count);
}

static void a_directory_without_transcripts_is_an_error(void **state)
{
	struct transcript **all = NULL;
	const char *error = "";
	size_t count = 0;

	(void)state;
	assert_int_equal(transcript_load_all(&all, &count, "/nonexistent", &error), -EINVAL);
	assert_non_null(strstr(error, "/nonexistent"));
	assert_int_equal(transcript_load(&(struct transcript *){NULL}, "/nonexistent/a.txt", NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_transcript_gives_its_chunks_in_order_with_escapes_and_repeats),
	    cmocka_unit_test(the_truth_is_found_by_group_and_key),
	    cmocka_unit_test(a_bad_line_is_refused_and_named),
	    cmocka_unit_test(every_transcript_loads_and_its_truth_is_consistent),
	    cmocka_unit_test(a_directory_without_transcripts_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
