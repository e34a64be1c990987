/* SPDX-License-Identifier: MIT */
/*
 * schedule - from a secret to the keys of a direction: HKDF-Expand-Label of RFC 8446 (7.1, 7.3, 7.2 for
 * KeyUpdate), and the PRF and key block of RFC 5246 (5, 6.3) with the AEADs of RFC 5288 and RFC 7905. Pure.
 *
 * Whoever gets keys or secrets overwrites them when done.
 */
#ifndef MO_SCHEDULE_H
#define MO_SCHEDULE_H

#include "tls/suite.h"

#define SCHEDULE_MASTER_LEN 48
#define SCHEDULE_RANDOM_LEN 32

struct schedule_keys {
	uint8_t key[CRYPTO_KEY_MAX];
	uint8_t iv[CRYPTO_NONCE_LEN]; /* with AES-GCM in TLS 1.2 the first four bytes: the rest is sent */
};

/* TLS 1.3: of a traffic secret, which has the length of the suite's hash. */
bool schedule_traffic(const struct suite *suite, const uint8_t *secret, struct schedule_keys *out);
/* The traffic secret after a KeyUpdate; next may be secret. */
bool schedule_update(const struct suite *suite, const uint8_t *secret, uint8_t *next);

/* TLS 1.2: of the master secret and both hellos; keys[0] is the client's. */
bool schedule_block(const struct suite *suite, const uint8_t master[SCHEDULE_MASTER_LEN],
		    const uint8_t client_random[SCHEDULE_RANDOM_LEN],
		    const uint8_t server_random[SCHEDULE_RANDOM_LEN], struct schedule_keys keys[2]);

#endif
