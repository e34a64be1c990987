/* SPDX-License-Identifier: MIT */
/* tls_record - loads the files of tests/transcripts/tls (made by scripts/record-tls): recorded TLS
 * connections with their secrets and the plain text of each direction. */
#ifndef MO_TLS_RECORD_H
#define MO_TLS_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "tls/keyring.h"

#define TLS_RECORD_DIRECTORY "tests/transcripts/tls"
#define TLS_RECORD_CHUNKS    64
#define TLS_RECORD_SECRETS   16

struct tls_chunk {
	int direction; /* enum decrypt_direction */
	uint8_t *data;
	size_t len;
};

struct tls_record {
	char name[64];
	struct tls_chunk chunks[TLS_RECORD_CHUNKS];
	size_t chunk_count;
	struct secret secrets[TLS_RECORD_SECRETS]; /* seen_ns 2, process 1 */
	size_t secret_count;
	uint8_t *plain[2]; /* by direction */
	size_t plain_len[2];
};

/* Fails the test when the file cannot be read. */
void tls_record_load(struct tls_record *out, const char *name);
void tls_record_free(struct tls_record *record);

#endif
