/* SPDX-License-Identifier: MIT */
/*
 * tls - do the bytes of one direction look like TLS records (RFC 8446, 5.1)? For a connection whose beginning
 * nobody saw. Pure: no I/O, no allocation. No PostgreSQL message begins with a record's content type.
 */
#ifndef MO_TLS_H
#define MO_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TLS_CERTAIN 2 /* so many records, each where the one before it ends, are no coincidence */

struct tls {
	uint8_t records; /* in a row, up to TLS_CERTAIN; 0: not in step */
	uint32_t left;   /* bytes of the last one that are still to come */
};

/* Bytes of one call; begins: they are its first. A record is looked for at a call's beginning, and followed
 * over the calls from there (OpenSSL reads its header and its body by two). */
void tls_follow(struct tls *tls, bool begins, const uint8_t *data, size_t len);

static inline bool tls_certain(const struct tls *tls)
{
	return tls->records >= TLS_CERTAIN;
}

#endif
