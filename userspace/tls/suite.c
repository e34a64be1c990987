/* SPDX-License-Identifier: MIT */
#include "tls/suite.h"

#define AES_128 CRYPTO_AES_128_GCM
#define AES_256 CRYPTO_AES_256_GCM
#define CHACHA  CRYPTO_CHACHA20_POLY1305

static const struct suite suites[] = {
    {0x1301, TLS_1_3, AES_128, CRYPTO_SHA256}, {0x1302, TLS_1_3, AES_256, CRYPTO_SHA384},
    {0x1303, TLS_1_3, CHACHA, CRYPTO_SHA256},  {0x009c, TLS_1_2, AES_128, CRYPTO_SHA256}, /* RSA */
    {0x009d, TLS_1_2, AES_256, CRYPTO_SHA384}, {0x009e, TLS_1_2, AES_128, CRYPTO_SHA256}, /* DHE-RSA */
    {0x009f, TLS_1_2, AES_256, CRYPTO_SHA384}, {0xc02b, TLS_1_2, AES_128, CRYPTO_SHA256}, /* ECDHE-ECDSA */
    {0xc02c, TLS_1_2, AES_256, CRYPTO_SHA384}, {0xc02f, TLS_1_2, AES_128, CRYPTO_SHA256}, /* ECDHE-RSA */
    {0xc030, TLS_1_2, AES_256, CRYPTO_SHA384}, {0xcca8, TLS_1_2, CHACHA, CRYPTO_SHA256},  /* ECDHE-RSA */
    {0xcca9, TLS_1_2, CHACHA, CRYPTO_SHA256},                                             /* ECDHE-ECDSA */
    {0xccaa, TLS_1_2, CHACHA, CRYPTO_SHA256},                                             /* DHE-RSA */
};

const struct suite *suite_find(uint16_t version, uint16_t id)
{
	for (size_t i = 0; i < sizeof(suites) / sizeof(*suites); i++)
		if (suites[i].id == id && suites[i].version == version)
			return &suites[i];
	return NULL;
}

size_t suite_sent_nonce(const struct suite *suite)
{
	return suite->version == TLS_1_2 && suite->aead != CHACHA ? 8 : 0;
}

size_t suite_overhead(const struct suite *suite)
{
	return suite_sent_nonce(suite) + CRYPTO_TAG_LEN + (suite->version == TLS_1_3 ? 1 : 0);
}
