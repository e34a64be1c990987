/* SPDX-License-Identifier: MIT */
/*
 * Pairing after a loss, of clients that pipeline and do not rest: a queue is simulated, bytes of both
 * directions are lost for a while, and whoever is paired again must be so with the right answers. The truth
 * is the simulation's: when was sent what was answered at that moment?
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support/tally.h"

#define STARTUP     "\0\0\0\x12\0\3\0\0user\0joe\0\0"
#define GREETING    "R\0\0\0\x08\0\0\0\0Z\0\0\0\5I"
#define MILLISECOND 1000000.0
#define CYCLES      1200
#define SEEDS       40

/* A transaction of pgbench's kind, in which no two, three or four statements come again at once. */
static const struct statement {
	const char *sent;
	size_t sent_len;
	const char *answer;
	size_t answer_len;
} statements[] = {
#define STATEMENT(sent, answer)                                    \
	{                                                          \
		sent, sizeof(sent) - 1, answer, sizeof(answer) - 1 \
	}
#define READY "Z\0\0\0\5I"
    STATEMENT("Q\0\0\0\x0dUPDATE a\0", "C\0\0\0\x0dUPDATE 1\0" READY),
    STATEMENT("Q\0\0\0\x0dSELECT 1\0", "C\0\0\0\x0dSELECT 1\0" READY),
    STATEMENT("Q\0\0\0\x0dUPDATE b\0", "C\0\0\0\x0dUPDATE 1\0" READY),
    STATEMENT("Q\0\0\0\x0dUPDATE c\0", "C\0\0\0\x0dUPDATE 1\0" READY),
    STATEMENT("Q\0\0\0\x0fINSERT d f\0", "C\0\0\0\x0fINSERT 0 1\0" READY),
    STATEMENT("Q\0\0\0\x0d"
	      "DELETE e\0",
	      "C\0\0\0\x0d"
	      "DELETE 1\0" READY),
    STATEMENT("Q\0\0\0\x0dSELECT 2\0", "C\0\0\0\x0dSELECT 1\0" READY),
};
#define PERIOD (sizeof(statements) / sizeof(*statements))

/*
 * A client with a window sends as soon as fewer than that are outstanding, after it has thought; without one,
 * when it likes. The server answers one after the other.
 */
struct world {
	uint32_t window;       /* 0: none */
	double pause, service; /* ms, means */
	bool constant;         /* they never vary */
	bool one_text;
	bool prepared; /* before the loss, by name */
	bool replaced; /* and by others within it, which nobody saw */
};

static uint64_t random_state;

static double uniform(void)
{
	random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
	return ((random_state >> 33) + 1) / 2147483649.0;
}

static double duration(const struct world *world, double mean)
{
	return MILLISECOND * mean * (world->constant ? 1 : -log(uniform()));
}

static uint64_t sent_at[CYCLES], done_at[CYCLES];

static void simulate(const struct world *world)
{
	double sent = 1e9, done = 1e9;

	for (size_t i = 0; i < CYCLES; i++) {
		if (world->window && i >= world->window && done_at[i - world->window] > sent)
			sent = done_at[i - world->window];
		sent += duration(world, world->pause) + 1000;
		done = (done > sent ? done : sent) + duration(world, world->service) + 1000;
		sent_at[i] = sent;
		done_at[i] = done;
	}
}

static struct tally tally;

static void gaps(uint64_t now_ns)
{
	session_sent_gap(tally.session, 100, now_ns);
	session_received_gap(tally.session, 100, now_ns);
}

static const uint8_t *bytes(const char *text)
{
	return (const uint8_t *)text;
}

/* The text of a statement, without its frame. */
static const char *text_of(size_t which)
{
	return statements[which].sent + 5;
}

static size_t put(uint8_t *out, char type, const char *body, size_t len)
{
	*out = type;
	out[1] = out[2] = 0;
	out[3] = (len + 4) >> 8;
	out[4] = len + 4;
	memcpy(out + 5, body, len);
	return len + 5;
}

/* Statement n is called by the digit n. */
static size_t put_parse(uint8_t *out, size_t which)
{
	char body[64] = {'0' + which};
	size_t len = strlen(text_of(which));

	memcpy(body + 2, text_of(which), len + 1);
	return put(out, 'P', body, 2 + len + 1 + 2);
}

static size_t put_run(uint8_t *out, size_t which)
{
	const char bind[] = {0, '0' + which, 0, 0, 0, 0, 0, 0, 0}, execute[5] = {0};
	size_t len = put(out, 'B', bind, sizeof(bind));

	len += put(out + len, 'E', execute, sizeof(execute));
	return len + put(out + len, 'S', "", 0);
}

static void ask(const struct world *world, size_t which, uint64_t now_ns)
{
	uint8_t message[128];

	if (world->prepared)
		session_sent(tally.session, message, put_run(message, which), now_ns, true);
	else
		session_sent(tally.session, bytes(statements[which].sent), statements[which].sent_len, now_ns,
			     true);
}

static void answer(const struct world *world, size_t which, uint64_t now_ns)
{
	uint8_t message[128];
	size_t len = world->prepared ? put(message, '2', "", 0) : 0;

	memcpy(message + len, statements[which].answer, statements[which].answer_len);
	session_received(tally.session, message, len + statements[which].answer_len, now_ns, true);
}

static void prepare(void)
{
	uint8_t message[64];

	for (size_t i = 0; i < PERIOD; i++) {
		size_t len = put_parse(message, i);

		len += put(message + len, 'S', "", 0);
		session_sent(tally.session, message, len, 3, true);
		len = put(message, '1', "", 0);
		len += put(message + len, 'Z', "I", 1);
		session_received(tally.session, message, len, 4, true);
	}
}

/* Returns how many answers after the loss it took until pairing was certain, or CYCLES. */
static size_t play(const struct world *world)
{
	const uint64_t lost_from = sent_at[CYCLES / 4], lost_to = lost_from + 20 * MILLISECOND;
	size_t asked = 0, answered = 0, since = 0, regained = CYCLES;
	bool told = false;

	tally_open(&tally, &tally_options, true);
	session_sent(tally.session, bytes(STARTUP), sizeof(STARTUP) - 1, 1, true);
	session_received(tally.session, bytes(GREETING), sizeof(GREETING) - 1, 2, true);
	if (world->prepared)
		prepare();
	while (answered < CYCLES) {
		bool asks = asked < CYCLES && sent_at[asked] <= done_at[answered];
		uint64_t now_ns = asks ? sent_at[asked] : done_at[answered];
		size_t which = world->one_text ? 1 : (asks ? asked : answered) % PERIOD;
		bool lost = now_ns >= lost_from && now_ns < lost_to;

		if (now_ns >= lost_to && !told)
			gaps(now_ns);
		told |= now_ns >= lost_to;
		if (asks && !lost)
			ask(world, world->replaced && told ? PERIOD - 1 - which : which, now_ns);
		else if (!asks && !lost)
			answer(world, which, now_ns);
		since += told && !asks;
		if (told && regained == CYCLES && session_state(tally.session) == SESSION_ALIGNED)
			regained = since;
		*(asks ? &asked : &answered) += 1;
	}
	return regained;
}

/* Every pair that was told is one of the simulation's. */
static void check_pairs(void)
{
	for (size_t i = 0, of = 0; i < tally.result_count; i++) {
		const struct tally_result *result = &tally.results[i];

		if (!strncmp(result->tag, "request", 7) || !result->sent_ns)
			continue;
		while (of < CYCLES && done_at[of] != result->done_ns)
			of++;
		assert_true(of < CYCLES);
		assert_int_equal(result->sent_ns, sent_at[of]);
	}
}

static size_t regained_after(const struct world *world, uint64_t seed)
{
	size_t after;

	random_state = seed * 7919 + 1;
	simulate(world);
	after = play(world);
	check_pairs();
	assert_false(tally.broken);
	tally_close(&tally, SESSION_END_CLIENT, done_at[CYCLES - 1] + 1000);
	return after;
}

static void a_client_that_sends_when_it_likes_is_paired_again_without_a_pause(void **state)
{
	const struct world busy = {.pause = 2, .service = 0.5}, busier = {.pause = 1, .service = 0.5};

	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		assert_in_range(regained_after(&busy, seed), 1, 150);
		assert_in_range(regained_after(&busier, seed), 1, 300);
	}
}

/* Their texts are not known any more, since they may have been prepared anew; their tags tell nevertheless.
 */
static void prepared_statements_tell_by_the_tags_that_they_had(void **state)
{
	const struct world busy = {.pause = 2, .service = 0.5, .prepared = true};

	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++)
		assert_in_range(regained_after(&busy, seed), 1, 150);
}

/* And have been: what they were tells nothing, and what does not fit is no reason to doubt the pairs. */
static void statements_that_were_prepared_anew_are_never_paired_wrongly(void **state)
{
	struct world world = {.pause = 2, .service = 0.5, .prepared = true, .replaced = true};

	(void)state;
	for (world.window = 0; world.window <= PERIOD; world.window++)
		for (uint64_t seed = 1; seed <= SEEDS; seed++) {
			if (world.window)
				world.pause = 0.05 * (seed % 10);
			regained_after(&world, seed);
			assert_int_equal(tally.notes[NOTE_DECODE_ERROR], 0);
		}
}

/* More than one is always outstanding, and nothing tells how many; that it pipelines was seen before the
 * loss. */
static void a_client_that_never_lets_the_server_rest_is_never_paired_wrongly(void **state)
{
	struct world world = {.service = 0.5};

	(void)state;
	for (world.window = 2; world.window <= 2 * PERIOD + 2; world.window++)
		for (uint64_t seed = 1; seed <= SEEDS; seed++) {
			world.pause = 0.05 * (seed % 10);
			/* One that is a whole transaction ahead, and in step to the nanosecond, looks like
			 * one that waits for each answer: nobody could tell. */
			world.constant = seed % 3 == 0 && (world.window - 1) % PERIOD;
			world.one_text = seed % 7 == 0;
			regained_after(&world, seed);
		}
}

/* The mirror is saturated: what is outstanding grows, and is never few. */
static void a_backlog_that_grows_is_never_paired_wrongly(void **state)
{
	const struct world world = {.pause = 0.45, .service = 0.5};

	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++)
		regained_after(&world, seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_client_that_sends_when_it_likes_is_paired_again_without_a_pause),
	    cmocka_unit_test(prepared_statements_tell_by_the_tags_that_they_had),
	    cmocka_unit_test(statements_that_were_prepared_anew_are_never_paired_wrongly),
	    cmocka_unit_test(a_client_that_never_lets_the_server_rest_is_never_paired_wrongly),
	    cmocka_unit_test(a_backlog_that_grows_is_never_paired_wrongly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
