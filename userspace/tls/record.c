/* SPDX-License-Identifier: MIT */
#include "tls/record.h"

#include <string.h>

#include "wire/cursor.h"

enum record_progress record_parse(const uint8_t *data, size_t len, struct record *out)
{
	struct cursor cursor = cursor_of(data, len);
	uint16_t version;

	*out = (struct record){.header = data};
	if (len < RECORD_HEADER)
		return RECORD_MORE;
	out->type = cursor_u8(&cursor);
	version = cursor_u16(&cursor);
	out->len = cursor_u16(&cursor);
	out->total = RECORD_HEADER + out->len;
	out->body = cursor.at;
	if (out->type < RECORD_CHANGE_CIPHER_SPEC || out->type > RECORD_APPLICATION || version >> 8 != 3 ||
	    !out->len || out->len > RECORD_BODY_MAX)
		return RECORD_INVALID;
	return cursor_left(&cursor) < out->len ? RECORD_MORE : RECORD_WHOLE;
}

void record_key_wipe(struct record_key *key)
{
	if (key->opener)
		crypto_opener_free(&key->opener);
	explicit_bzero(key, sizeof(*key));
}

static void put_sequence(uint64_t sequence, uint8_t out[8])
{
	for (int i = 7; i >= 0; i--, sequence >>= 8)
		out[i] = sequence;
}

/* TLS 1.2 with AES-GCM sends eight bytes of it; everywhere else it is the IV XOR the sequence number. */
static void nonce_of(const struct suite *suite, const struct record_key *key, uint64_t sequence,
		     const uint8_t *sent, uint8_t nonce[CRYPTO_NONCE_LEN])
{
	size_t len = suite_sent_nonce(suite);
	uint8_t number[8];

	memcpy(nonce, key->iv, CRYPTO_NONCE_LEN);
	if (len) {
		memcpy(nonce + CRYPTO_NONCE_LEN - len, sent, len);
		return;
	}
	put_sequence(sequence, number);
	for (int i = 0; i < 8; i++)
		nonce[CRYPTO_NONCE_LEN - 8 + i] ^= number[i];
}

/* What is authenticated beside the content; returns its length. */
static size_t additional(const struct suite *suite, uint64_t sequence, const struct record *record,
			 size_t content, uint8_t out[13])
{
	if (suite->version == TLS_1_3) {
		memcpy(out, record->header, RECORD_HEADER);
		return RECORD_HEADER;
	}
	put_sequence(sequence, out);
	memcpy(out + 8, record->header, 3);
	out[11] = content >> 8;
	out[12] = content;
	return 13;
}

/* TLSInnerPlaintext: content, its type, zeros. */
static bool unpad(const uint8_t *out, size_t *len, uint8_t *type)
{
	while (*len && !out[*len - 1])
		--*len;
	if (!*len)
		return false;
	*type = out[--*len];
	return true;
}

bool record_unseal(const struct suite *suite, const struct record_key *key, uint64_t sequence,
		   const struct record *record, uint8_t *out, size_t *out_len, uint8_t *type)
{
	size_t sent = suite_sent_nonce(suite), content, len;
	uint8_t nonce[CRYPTO_NONCE_LEN], aad[13];

	if (record->len < sent + CRYPTO_TAG_LEN)
		return false;
	content = record->len - sent - CRYPTO_TAG_LEN;
	nonce_of(suite, key, sequence, record->body, nonce);
	len = additional(suite, sequence, record, content, aad);
	if (!crypto_open(key->opener, nonce, aad, len, record->body + sent, content + CRYPTO_TAG_LEN, out))
		return false;
	*out_len = content;
	*type = record->type;
	return suite->version != TLS_1_3 || unpad(out, out_len, type);
}
