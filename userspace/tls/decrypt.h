/* SPDX-License-Identifier: MIT */
/*
 * decrypt - one TLS connection, read along: cipher text and gaps of both directions in, plain text and gaps
 * of plain text out. TLS 1.3 (RFC 8446) and TLS 1.2 (RFC 5246), with the suites of suite.h.
 *
 * No key is believed: a secret that was seen in the proxy counts as this connection's when the authentication
 * tag of a record of ours proves it. So what is handed on is what was sent, or nothing.
 *
 *   - Bytes are held from the first encrypted record on until its secret is seen, of both directions in their
 *     order, bounded by DECRYPT_HOLD_MAX and DECRYPT_PATIENCE_NS; then the connection is given up.
 *   - After a gap the next record and its sequence number are found by trial, within the budget of a tick.
 *     The gap in the plain text has its exact length, unless records of the handshake or with padding were
 *     lost; when the place is not found within DECRYPT_SEARCH_NS, it is one of UINT32_MAX bytes.
 *   - 0-RTT, compression, renegotiation and suites without an AEAD are not read.
 *
 * Pure: no I/O, no clock. Owns its keys, which are overwritten at the end.
 */
#ifndef MO_DECRYPT_H
#define MO_DECRYPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tls/keyring.h"

#define DECRYPT_HOLD_MAX    (1u << 20)    /* bytes of a connection that wait for a secret or a place */
#define DECRYPT_PATIENCE_NS 2000000000ull /* how long for a secret */
#define DECRYPT_SEARCH_NS   500000000ull  /* how long the other direction waits for a place after a gap */
#define DECRYPT_BUDGET      20000000u     /* of all trials between two ticks: bytes, and 1,000 for each */

/* Directions, numbered as enum event_direction. */
enum decrypt_direction { DECRYPT_CLIENT, DECRYPT_SERVER };

/* Why a connection, or a part of it, is not read. */
enum decrypt_reason {
	DECRYPT_NO_KEY, /* its secret was not seen */
	DECRYPT_CIPHER, /* a version, suite or feature that is not read */
	DECRYPT_GAP,    /* bytes were lost, and with them the thread */
	DECRYPT_REASONS,
};

enum decrypt_state {
	DECRYPT_BEGINS, /* nothing is proven yet */
	DECRYPT_READS,  /* a secret is proven: plain text is handed on */
	DECRYPT_BLIND,  /* given up */
};

struct decrypt_sink {
	void *ctx;
	/* Before the first plain byte. */
	void (*proven)(void *ctx);
	/* Instead of it, or later: no more is read. */
	void (*given_up)(void *ctx, enum decrypt_reason reason);
	/* As in struct stream_sink; last: the record ended with the last bytes of a system call. */
	void (*bytes)(void *ctx, enum decrypt_direction direction, const uint8_t *data, size_t len,
		      uint64_t time_ns, bool last);
	void (*gap)(void *ctx, enum decrypt_direction direction, uint64_t len, uint64_t time_ns);
	/* Bytes of cipher text that were captured and are not read. */
	void (*unread)(void *ctx, uint64_t len, enum decrypt_reason reason);
	/* An alert (RFC 8446, 6), close_notify included. */
	void (*alert)(void *ctx, enum decrypt_direction direction, uint8_t description);
};

/* What connections share. */
struct decrypt_room;

/* Returns 0 or -ENOMEM. */
int decrypt_room_new(struct decrypt_room **out);
void decrypt_room_free(struct decrypt_room **room);
/* The secrets that were seen. */
struct keyring *decrypt_keyring(struct decrypt_room *room);
/* A tick begins: a new budget; forgets secrets that are too old. */
void decrypt_room_tick(struct decrypt_room *room, uint64_t now_ns);

struct decrypt;

/* For a connection whose TLS begins with the next byte of each direction. The room must outlive it. Returns 0
 * or -ENOMEM. */
int decrypt_new(struct decrypt **out, struct decrypt_room *room, const struct decrypt_sink *sink);
void decrypt_free(struct decrypt **decrypt);

/* process: as in struct secret. data is read during the call only. */
void decrypt_bytes(struct decrypt *decrypt, enum decrypt_direction direction, const uint8_t *data, size_t len,
		   uint64_t time_ns, bool last, uint32_t process);
void decrypt_gap(struct decrypt *decrypt, enum decrypt_direction direction, uint64_t len, uint64_t time_ns);
/* Time passes, and secrets may have come. Call when decrypt_waits(). */
void decrypt_tick(struct decrypt *decrypt, uint64_t now_ns);
bool decrypt_waits(const struct decrypt *decrypt);
/* Nothing more will come: hands on what can be read. */
void decrypt_flush(struct decrypt *decrypt, uint64_t now_ns);

enum decrypt_state decrypt_state(const struct decrypt *decrypt);
/* Why, of one that is blind. */
enum decrypt_reason decrypt_reason(const struct decrypt *decrypt);
/* In which library the proven secret was seen. */
enum tls_library decrypt_library(const struct decrypt *decrypt);
/* True once both sides have sent encrypted records: what can be seen of a handshake that succeeded. */
bool decrypt_established(const struct decrypt *decrypt);

/* "bad_certificate" and the like; "unknown" for numbers without a name. */
const char *decrypt_alert_name(uint8_t description);

#endif
