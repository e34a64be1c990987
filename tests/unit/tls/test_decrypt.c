/* SPDX-License-Identifier: MIT */
/* Recorded sessions of openssl, read along with the secrets that openssl itself has written down. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/tls_record.h"
#include "tls/decrypt.h"

#define SECOND UINT64_C(1000000000)

/* What came out, at its place in the plain text. */
struct seen {
	const struct tls_record *truth;
	size_t at[2];     /* position in the plain text, gaps counted */
	size_t read[2];   /* bytes that were handed on */
	size_t displaced; /* of those, bytes that the plain text does not have at this place ... */
	size_t wrong;     /* ... or at none */
	uint64_t unread;  /* bytes of cipher text */
	bool proven, given_up;
	uint64_t unknown_gaps;
	enum decrypt_reason reason;
	char alert[2][64]; /* the last one of each side */
};

static void on_proven(void *ctx)
{
	struct seen *seen = ctx;

	assert_false(seen->proven);
	seen->proven = true;
}

static void on_given_up(void *ctx, enum decrypt_reason reason)
{
	struct seen *seen = ctx;

	seen->given_up = true;
	seen->reason = reason;
}

static void on_bytes(void *ctx, enum decrypt_direction direction, const uint8_t *data, size_t len,
		     uint64_t time_ns, bool last)
{
	struct seen *seen = ctx;
	const struct tls_record *truth = seen->truth;

	(void)time_ns, (void)last;
	assert_true(seen->proven);
	if (seen->at[direction] + len > truth->plain_len[direction] ||
	    memcmp(truth->plain[direction] + seen->at[direction], data, len) != 0)
		seen->displaced += len;
	if (!memmem(truth->plain[direction], truth->plain_len[direction], data, len))
		seen->wrong += len;
	seen->at[direction] += len;
	seen->read[direction] += len;
}

static void on_gap(void *ctx, enum decrypt_direction direction, uint64_t len, uint64_t time_ns)
{
	struct seen *seen = ctx;

	(void)time_ns;
	assert_true(len);
	if (len == UINT32_MAX)
		seen->unknown_gaps++;
	else
		seen->at[direction] += len;
}

static void on_unread(void *ctx, uint64_t len, enum decrypt_reason reason)
{
	struct seen *seen = ctx;

	(void)reason;
	seen->unread += len;
}

static void on_alert(void *ctx, enum decrypt_direction direction, uint8_t description)
{
	struct seen *seen = ctx;

	snprintf(seen->alert[direction], sizeof(seen->alert[direction]), "%s",
		 decrypt_alert_name(description));
}

/* ---- playing a recording ---- */

struct play {
	size_t piece;      /* bytes of a call; 0: as recorded */
	bool secrets_late; /* only after everything */
	bool no_secrets;
	int lose_direction; /* and there the bytes from .. from + len are lost */
	size_t lose_from, lose_len;
};

static void add_secrets(struct decrypt_room *room, const struct tls_record *truth)
{
	for (size_t i = 0; i < truth->secret_count; i++)
		keyring_add(decrypt_keyring(room), &truth->secrets[i]);
}

/* One call's bytes, or the gap that they fall into. */
static void give(struct decrypt *decrypt, const struct play *play, int direction, size_t from,
		 const uint8_t *data, size_t len)
{
	while (len) {
		size_t end = play->lose_from + play->lose_len, here = len;
		bool lost = false;

		if (play->lose_len && direction == play->lose_direction) {
			lost = from >= play->lose_from && from < end;
			if (lost && end - from < here)
				here = end - from;
			else if (!lost && from < play->lose_from && play->lose_from - from < here)
				here = play->lose_from - from;
		}
		if (lost)
			decrypt_gap(decrypt, direction, here, 2);
		else
			decrypt_bytes(decrypt, direction, data, here, 2, here == len, 1);
		data += here;
		from += here;
		len -= here;
	}
}

static void play_chunks(struct decrypt *decrypt, const struct tls_record *truth, const struct play *play)
{
	size_t position[2] = {0, 0};

	for (size_t i = 0; i < truth->chunk_count; i++) {
		const struct tls_chunk *chunk = &truth->chunks[i];

		for (size_t done = 0; done < chunk->len;) {
			size_t here = chunk->len - done;

			if (play->piece && play->piece < here)
				here = play->piece;
			give(decrypt, play, chunk->direction, position[chunk->direction], chunk->data + done,
			     here);
			position[chunk->direction] += here;
			done += here;
		}
	}
}

static void play(const struct tls_record *truth, const struct play *how, struct seen *seen)
{
	const struct decrypt_sink sink = {.ctx = seen,
					  .proven = on_proven,
					  .given_up = on_given_up,
					  .bytes = on_bytes,
					  .gap = on_gap,
					  .unread = on_unread,
					  .alert = on_alert};
	struct decrypt_room *room;
	struct decrypt *decrypt;

	memset(seen, 0, sizeof(*seen));
	seen->truth = truth;
	assert_int_equal(decrypt_room_new(&room), 0);
	assert_int_equal(decrypt_new(&decrypt, room, &sink), 0);
	if (!how->secrets_late && !how->no_secrets)
		add_secrets(room, truth);
	play_chunks(decrypt, truth, how);
	if (how->secrets_late)
		add_secrets(room, truth);
	decrypt_tick(decrypt, 3);
	if (how->no_secrets)
		decrypt_tick(decrypt, 3 * SECOND);
	decrypt_flush(decrypt, 4 * SECOND);
	decrypt_free(&decrypt);
	decrypt_room_free(&room);
}

static const char *const readable[] = {"tls13_aes_128_gcm", "tls13_aes_256_gcm",
				       "tls13_chacha20",    "tls13_key_update",
				       "tls13_hello_retry", "tls13_client_certificate",
				       "tls13_padded",      "tls12_aes_128_gcm",
				       "tls12_aes_256_gcm", "tls12_chacha20",
				       "tls12_dhe",         "tls12_rsa",
				       "tls12_resumed",     NULL};

static void assert_whole(const struct tls_record *truth, const struct seen *seen)
{
	if (seen->displaced || seen->given_up || seen->read[0] != truth->plain_len[0] ||
	    seen->read[1] != truth->plain_len[1])
		fail_msg("%s: %zu of %zu and %zu of %zu bytes, %zu displaced%s", truth->name, seen->read[0],
			 truth->plain_len[0], seen->read[1], truth->plain_len[1], seen->displaced,
			 seen->given_up ? ", given up" : "");
}

static void every_recorded_session_comes_out_whole(void **state)
{
	(void)state;
	for (int i = 0; readable[i]; i++) {
		struct tls_record truth;
		struct seen seen;

		tls_record_load(&truth, readable[i]);
		play(&truth, &(struct play){0}, &seen);
		assert_whole(&truth, &seen);
		assert_string_equal(seen.alert[DECRYPT_CLIENT], "close_notify");
		tls_record_free(&truth);
	}
}

static void records_may_come_in_pieces_of_any_size(void **state)
{
	(void)state;
	for (int i = 0; readable[i]; i++) {
		struct tls_record truth;
		struct seen seen;

		tls_record_load(&truth, readable[i]);
		for (size_t piece = 1; piece < 3000; piece += piece < 40 ? 1 : 311) {
			play(&truth, &(struct play){.piece = piece}, &seen);
			assert_whole(&truth, &seen);
		}
		tls_record_free(&truth);
	}
}

static void bytes_wait_for_a_secret_that_comes_late(void **state)
{
	(void)state;
	for (int i = 0; readable[i]; i++) {
		struct tls_record truth;
		struct seen seen;

		tls_record_load(&truth, readable[i]);
		play(&truth, &(struct play){.secrets_late = true}, &seen);
		assert_whole(&truth, &seen);
		tls_record_free(&truth);
	}
}

static void without_a_secret_the_connection_is_given_up_and_nothing_is_handed_on(void **state)
{
	struct tls_record truth;
	struct seen seen;

	(void)state;
	tls_record_load(&truth, "tls13_aes_256_gcm");
	play(&truth, &(struct play){.no_secrets = true}, &seen);
	assert_true(seen.given_up && !seen.proven && seen.unread);
	assert_int_equal(seen.reason, DECRYPT_NO_KEY);
	tls_record_free(&truth);
}

static void a_suite_that_is_not_read_is_given_up_as_such(void **state)
{
	struct tls_record truth;
	struct seen seen;

	(void)state;
	tls_record_load(&truth, "tls12_cbc");
	play(&truth, &(struct play){0}, &seen);
	assert_true(seen.given_up && !seen.proven);
	assert_int_equal(seen.reason, DECRYPT_CIPHER);
	tls_record_free(&truth);
}

static void a_refused_certificate_shows_by_the_name_of_its_alert(void **state)
{
	static const char *const names[] = {"tls13_refused_by_client", "tls12_refused_by_client"};

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct tls_record truth;
		struct seen seen;

		tls_record_load(&truth, names[i]);
		play(&truth, &(struct play){0}, &seen);
		assert_string_equal(seen.alert[DECRYPT_CLIENT], "unknown_ca");
		assert_false(seen.proven);
		tls_record_free(&truth);
	}
}

/* ---- losses ---- */

static size_t stream_len(const struct tls_record *truth, int direction)
{
	size_t len = 0;

	for (size_t i = 0; i < truth->chunk_count; i++)
		len += truth->chunks[i].direction == direction ? truth->chunks[i].len : 0;
	return len;
}

/* Where the plain text begins, roughly: before that a gap costs the connection. */
static size_t handshake_len(const struct tls_record *truth, int direction)
{
	size_t len = 0;

	for (size_t i = 0; i < truth->chunk_count && truth->chunks[i].len != 0; i++) {
		if (i > 5)
			break;
		len += truth->chunks[i].direction == direction ? truth->chunks[i].len : 0;
	}
	return len;
}

static void wherever_bytes_are_lost_no_wrong_byte_comes_out(void **state)
{
	(void)state;
	for (int i = 0; readable[i]; i++) {
		struct tls_record truth;
		struct seen seen;

		tls_record_load(&truth, readable[i]);
		for (int direction = 0; direction < 2; direction++)
			for (size_t from = 0; from < stream_len(&truth, direction); from += 97)
				for (size_t len = 1; len < 8000; len = len * 4 + 1) {
					play(&truth,
					     &(struct play){.piece = 1400,
							    .lose_direction = direction,
							    .lose_from = from,
							    .lose_len = len},
					     &seen);
					assert_int_equal(seen.wrong, 0);
				}
		tls_record_free(&truth);
	}
}

/* The last answer is short: a gap before it that costs not more than a few records leaves it readable. */
static void after_a_gap_the_thread_is_found_again(void **state)
{
	static const char *const names[] = {"tls13_aes_128_gcm", "tls12_aes_256_gcm", "tls12_chacha20", NULL};

	(void)state;
	for (int i = 0; names[i]; i++) {
		struct tls_record truth;
		struct seen seen;

		tls_record_load(&truth, names[i]);
		for (int direction = 0; direction < 2; direction++) {
			size_t begin = handshake_len(&truth, direction) + 200;

			for (size_t from = begin; from < begin + 2500; from += 61) {
				play(&truth,
				     &(struct play){.piece = 1400,
						    .lose_direction = direction,
						    .lose_from = from,
						    .lose_len = 700},
				     &seen);
				assert_false(seen.given_up);
				assert_int_equal(seen.unknown_gaps, 0);
				assert_int_equal(seen.displaced, 0);
				assert_int_equal(seen.at[direction], truth.plain_len[direction]);
				assert_true(seen.read[direction] < truth.plain_len[direction]);
				assert_int_equal(seen.read[!direction], truth.plain_len[!direction]);
			}
		}
		tls_record_free(&truth);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_recorded_session_comes_out_whole),
	    cmocka_unit_test(records_may_come_in_pieces_of_any_size),
	    cmocka_unit_test(bytes_wait_for_a_secret_that_comes_late),
	    cmocka_unit_test(without_a_secret_the_connection_is_given_up_and_nothing_is_handed_on),
	    cmocka_unit_test(a_suite_that_is_not_read_is_given_up_as_such),
	    cmocka_unit_test(a_refused_certificate_shows_by_the_name_of_its_alert),
	    cmocka_unit_test(wherever_bytes_are_lost_no_wrong_byte_comes_out),
	    cmocka_unit_test(after_a_gap_the_thread_is_found_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
