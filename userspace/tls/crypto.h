/* SPDX-License-Identifier: MIT */
/*
 * crypto - the cryptography that reading TLS needs, done by libcrypto: the only file that includes it.
 *
 * Nothing here keeps a secret longer than its owner: what is freed is overwritten first.
 */
#ifndef MO_CRYPTO_H
#define MO_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CRYPTO_HASH_MAX  48 /* bytes of SHA-384 */
#define CRYPTO_KEY_MAX   32
#define CRYPTO_NONCE_LEN 12
#define CRYPTO_TAG_LEN   16

enum crypto_hash { CRYPTO_SHA256, CRYPTO_SHA384 };

enum crypto_aead { CRYPTO_AES_128_GCM, CRYPTO_AES_256_GCM, CRYPTO_CHACHA20_POLY1305, CRYPTO_AEADS };

struct crypto_opener;

size_t crypto_hash_len(enum crypto_hash hash);
size_t crypto_key_len(enum crypto_aead aead);

/* HMAC of RFC 2104; out has room for crypto_hash_len bytes. False when libcrypto has no memory. */
bool crypto_hmac(enum crypto_hash hash, const uint8_t *key, size_t key_len, const uint8_t *data, size_t len,
		 uint8_t *out);

/* 0, -ENOMEM, or -EOPNOTSUPP where libcrypto does not offer the cipher (a FIPS provider). */
int crypto_opener_new(struct crypto_opener **out, enum crypto_aead aead, const uint8_t *key);
void crypto_opener_free(struct crypto_opener **opener);

/*
 * Decrypts len bytes, of which the last CRYPTO_TAG_LEN are the tag, to out (len - CRYPTO_TAG_LEN bytes, not
 * overlapping). True when the tag proves key, nonce, associated data and every byte; else out is worthless.
 */
bool crypto_open(struct crypto_opener *opener, const uint8_t nonce[CRYPTO_NONCE_LEN], const uint8_t *aad,
		 size_t aad_len, const uint8_t *data, size_t len, uint8_t *out);

#endif
