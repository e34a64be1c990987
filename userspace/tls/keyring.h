/* SPDX-License-Identifier: MIT */
/*
 * keyring - secrets that were seen in the proxy and that no connection has proven to be its own yet.
 *
 * A ring of fixed size: the oldest makes room. One is overwritten as soon as a connection has proven it, when
 * it makes room, and at the latest KEYRING_KEEP_NS after it was seen.
 */
#ifndef MO_KEYRING_H
#define MO_KEYRING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KEYRING_MAX        4096
#define KEYRING_KEEP_NS    5000000000ull
#define KEYRING_SECRET_MAX 48

/* In which library it was seen; the names are label values. */
enum tls_library { TLS_OPENSSL_3, TLS_OPENSSL_1_1_1, TLS_AWS_LC, TLS_RING, TLS_LIBRARIES };

struct secret {
	uint64_t seen_ns; /* CLOCK_MONOTONIC; 0 = not valid (any more) */
	uint32_t process; /* as in struct event.tgid */
	uint8_t library;  /* enum tls_library */
	uint8_t len;      /* 32 or 48 */
	bool traffic;     /* may be a traffic secret of TLS 1.3 */
	bool master;      /* may be the master secret of TLS 1.2 (len 48) */
	bool has_randoms; /* of that connection's hellos, so only the right one need be tried */
	uint8_t bytes[KEYRING_SECRET_MAX];
	uint8_t randoms[2][32]; /* the client's, the server's */
};

struct keyring;

/* Returns 0 or -ENOMEM. */
int keyring_new(struct keyring **out);
void keyring_free(struct keyring **keyring);

/* A copy is kept; lengths other than 32 and 48 are left out. */
void keyring_add(struct keyring *keyring, const struct secret *secret);
/* Overwrites what is older than KEYRING_KEEP_NS. */
void keyring_expire(struct keyring *keyring, uint64_t now_ns);
/* Overwrites one that is proven. */
void keyring_use(struct secret *secret);

/*
 * The next one of a process that was seen at or after since_ns, in the order in which they were added; at: 0
 * to begin with, then left alone: a later call goes on with what has come since. NULL: no more for now.
 */
struct secret *keyring_next(struct keyring *keyring, uint64_t *at, uint32_t process, uint64_t since_ns);

/* Grows with each one that is added. */
uint64_t keyring_added(const struct keyring *keyring);
/* A label value of `library`. */
const char *tls_library_name(enum tls_library library);

#endif
