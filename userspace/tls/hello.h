/* SPDX-License-Identifier: MIT */
/*
 * hello - ClientHello and ServerHello (RFC 8446, 4.1): what the key schedule needs of them. Pure.
 */
#ifndef MO_HELLO_H
#define MO_HELLO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HELLO_MAX 16384 /* longer ones are refused */

struct hello {
	uint8_t random[32];
	uint16_t version; /* the one that holds: supported_versions of a ServerHello, else legacy_version */
	uint16_t suite;   /* of a ServerHello */
	bool early_data;  /* of a ClientHello: 0-RTT may follow */
	bool retry;       /* of a ServerHello: a HelloRetryRequest, after which both hellos come again */
};

/* The first handshake message of a direction, collected over records. */
struct hello_reader {
	uint8_t *data; /* NULL before the first byte and after hello_free */
	size_t len;
};

enum hello_progress { HELLO_MORE, HELLO_DONE, HELLO_INVALID };

/* The body of the next handshake record. What follows the hello in it is not looked at. */
enum hello_progress hello_read(struct hello_reader *reader, bool server, const uint8_t *data, size_t len,
			       struct hello *out);
void hello_free(struct hello_reader *reader);

#endif
