/* SPDX-License-Identifier: MIT */
#include "tls/schedule.h"

#include <string.h>

#define LABEL_MAX 16
#define SEED_MAX  (sizeof("key expansion") - 1 + 2 * SCHEDULE_RANDOM_LEN)

/* RFC 8446, 7.1, with an empty context, of one hash block at most: HKDF-Expand is then one HMAC. */
static bool expand_label(enum crypto_hash hash, const uint8_t *secret, const char *label, uint8_t *out,
			 size_t len)
{
	uint8_t info[2 + 1 + 6 + LABEL_MAX + 1 + 1], block[CRYPTO_HASH_MAX];
	size_t label_len = strlen(label), n = 0;
	bool ok;

	info[n++] = 0;
	info[n++] = len;
	info[n++] = 6 + label_len;
	memcpy(info + n, "tls13 ", 6);
	memcpy(info + n + 6, label, label_len);
	n += 6 + label_len;
	info[n++] = 0;
	info[n++] = 1; /* HKDF's counter */
	ok = crypto_hmac(hash, secret, crypto_hash_len(hash), info, n, block);
	if (ok)
		memcpy(out, block, len);
	explicit_bzero(block, sizeof(block));
	return ok;
}

bool schedule_traffic(const struct suite *suite, const uint8_t *secret, struct schedule_keys *out)
{
	return expand_label(suite->hash, secret, "key", out->key, crypto_key_len(suite->aead)) &&
	       expand_label(suite->hash, secret, "iv", out->iv, sizeof(out->iv));
}

bool schedule_update(const struct suite *suite, const uint8_t *secret, uint8_t *next)
{
	return expand_label(suite->hash, secret, "traffic upd", next, crypto_hash_len(suite->hash));
}

/* P_hash of RFC 5246, 5. seed is preceded by room for one A(i). */
static bool prf(enum crypto_hash hash, const uint8_t *secret, const uint8_t *seed, size_t seed_len,
		uint8_t *out, size_t len)
{
	uint8_t text[CRYPTO_HASH_MAX + SEED_MAX], block[CRYPTO_HASH_MAX];
	size_t size = crypto_hash_len(hash);
	bool ok = crypto_hmac(hash, secret, SCHEDULE_MASTER_LEN, seed, seed_len, text);

	memcpy(text + size, seed, seed_len);
	while (ok && len) {
		size_t here = len < size ? len : size;

		ok = crypto_hmac(hash, secret, SCHEDULE_MASTER_LEN, text, size + seed_len, block);
		memcpy(out, block, here);
		out += here;
		len -= here;
		ok = ok && crypto_hmac(hash, secret, SCHEDULE_MASTER_LEN, text, size, block);
		memcpy(text, block, size);
	}
	explicit_bzero(text, sizeof(text));
	explicit_bzero(block, sizeof(block));
	return ok;
}

bool schedule_block(const struct suite *suite, const uint8_t master[SCHEDULE_MASTER_LEN],
		    const uint8_t client_random[SCHEDULE_RANDOM_LEN],
		    const uint8_t server_random[SCHEDULE_RANDOM_LEN], struct schedule_keys keys[2])
{
	uint8_t seed[SEED_MAX] = "key expansion", block[2 * (CRYPTO_KEY_MAX + CRYPTO_NONCE_LEN)];
	size_t label = sizeof("key expansion") - 1;
	size_t key = crypto_key_len(suite->aead), iv = CRYPTO_NONCE_LEN - suite_sent_nonce(suite);
	bool ok;

	memcpy(seed + label, server_random, SCHEDULE_RANDOM_LEN);
	memcpy(seed + label + SCHEDULE_RANDOM_LEN, client_random, SCHEDULE_RANDOM_LEN);
	ok = prf(suite->hash, master, seed, sizeof(seed), block, 2 * (key + iv));
	for (int i = 0; i < 2; i++) {
		memset(&keys[i], 0, sizeof(keys[i]));
		memcpy(keys[i].key, block + i * key, key);
		memcpy(keys[i].iv, block + 2 * key + i * iv, iv);
	}
	explicit_bzero(block, sizeof(block));
	return ok;
}
