/* SPDX-License-Identifier: MIT */
#include "tls/crypto.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

/* An opener is libcrypto's own context, which overwrites its key when freed. */
struct crypto_opener;

size_t crypto_hash_len(enum crypto_hash hash)
{
	return hash == CRYPTO_SHA384 ? 48 : 32;
}

size_t crypto_key_len(enum crypto_aead aead)
{
	return aead == CRYPTO_AES_128_GCM ? 16 : 32;
}

bool crypto_hmac(enum crypto_hash hash, const uint8_t *key, size_t key_len, const uint8_t *data, size_t len,
		 uint8_t *out)
{
	const EVP_MD *md = hash == CRYPTO_SHA384 ? EVP_sha384() : EVP_sha256();

	return HMAC(md, key, (int)key_len, data, len, out, NULL) != NULL;
}

static const EVP_CIPHER *cipher_of(enum crypto_aead aead)
{
	switch (aead) {
	case CRYPTO_AES_128_GCM:
		return EVP_aes_128_gcm();
	case CRYPTO_AES_256_GCM:
		return EVP_aes_256_gcm();
	default:
		return EVP_chacha20_poly1305();
	}
}

int crypto_opener_new(struct crypto_opener **out, enum crypto_aead aead, const uint8_t *key)
{
	EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();

	if (!context)
		return -ENOMEM;
	if (EVP_DecryptInit_ex(context, cipher_of(aead), NULL, key, NULL) != 1) {
		EVP_CIPHER_CTX_free(context);
		return -EOPNOTSUPP;
	}
	*out = (struct crypto_opener *)context;
	return 0;
}

void crypto_opener_free(struct crypto_opener **opener)
{
	EVP_CIPHER_CTX_free((EVP_CIPHER_CTX *)*opener);
	*opener = NULL;
}

bool crypto_open(struct crypto_opener *opener, const uint8_t nonce[CRYPTO_NONCE_LEN], const uint8_t *aad,
		 size_t aad_len, const uint8_t *data, size_t len, uint8_t *out)
{
	EVP_CIPHER_CTX *context = (EVP_CIPHER_CTX *)opener;
	size_t body = len - CRYPTO_TAG_LEN;
	int n;

	return EVP_DecryptInit_ex(context, NULL, NULL, NULL, nonce) == 1 &&
	       EVP_DecryptUpdate(context, NULL, &n, aad, (int)aad_len) == 1 &&
	       EVP_DecryptUpdate(context, out, &n, data, (int)body) == 1 &&
	       EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, CRYPTO_TAG_LEN, (void *)(data + body)) ==
		   1 &&
	       EVP_DecryptFinal_ex(context, out + body, &n) == 1;
}
