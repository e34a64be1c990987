/* SPDX-License-Identifier: MIT */
/* suite - the cipher suites that can be read: those of TLS 1.3, and those of TLS 1.2 with an AEAD. Pure. */
#ifndef MO_SUITE_H
#define MO_SUITE_H

#include <stddef.h>
#include <stdint.h>

#include "tls/crypto.h"

#define TLS_1_2 0x0303
#define TLS_1_3 0x0304

struct suite {
	uint16_t id; /* as the ServerHello has it (IANA's registry of TLS parameters) */
	uint16_t version;
	enum crypto_aead aead;
	enum crypto_hash hash; /* of the key schedule */
};

/* NULL: not one that can be read. */
const struct suite *suite_find(uint16_t version, uint16_t id);

/* Of a record's bytes that are neither header nor plain text: the nonce that is sent along, content type and
 * tag. */
size_t suite_overhead(const struct suite *suite);
/* Bytes of the nonce that each record carries: 8 with AES-GCM in TLS 1.2, else none. */
size_t suite_sent_nonce(const struct suite *suite);

#endif
