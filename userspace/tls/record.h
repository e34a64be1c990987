/* SPDX-License-Identifier: MIT */
/*
 * record - one TLS record: its header, and opening it with the key of its direction (RFC 8446, 5; RFC 5246,
 * 6.2.3.3 with RFC 5288 and RFC 7905). Pure.
 */
#ifndef MO_RECORD_H
#define MO_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tls/suite.h"

#define RECORD_HEADER   5
#define RECORD_BODY_MAX (16384 + 256 + 29) /* TLS 1.3's bound; an AEAD of 1.2 needs less */

enum record_type {
	RECORD_CHANGE_CIPHER_SPEC = 20,
	RECORD_ALERT = 21,
	RECORD_HANDSHAKE = 22,
	RECORD_APPLICATION = 23,
};

struct record {
	const uint8_t *header; /* RECORD_HEADER bytes, the body behind them */
	const uint8_t *body;
	uint8_t type; /* enum record_type */
	uint16_t len; /* of the body */
	size_t total; /* with the header */
};

enum record_progress { RECORD_MORE, RECORD_WHOLE, RECORD_INVALID };

/* The record at the beginning of data. RECORD_MORE: its header or body is not there wholly; of the header
 * alone type, len and total are set then, else total is 0. */
enum record_progress record_parse(const uint8_t *data, size_t len, struct record *out);

/* What opens one direction. All zeros: no key. */
struct record_key {
	struct crypto_opener *opener;
	uint8_t iv[CRYPTO_NONCE_LEN];
	uint8_t secret[CRYPTO_HASH_MAX]; /* TLS 1.3: for a KeyUpdate */
};

void record_key_wipe(struct record_key *key);

/*
 * Opens a record to out (room for its len). True when its tag proves it; then *type is the content type, for
 * TLS 1.3 the one inside, and *out_len the bytes of content.
 */
bool record_unseal(const struct suite *suite, const struct record_key *key, uint64_t sequence,
		   const struct record *record, uint8_t *out, size_t *out_len, uint8_t *type);

#endif
