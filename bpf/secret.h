/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * secret.h - the ABI between the uprobes in the proxy's TLS library and user space: a ring of slots in memory
 * that both map, one slot for each secret that may be one of a handshake.
 *
 * Not a ring buffer of the kernel's: that user space cannot overwrite what it has read. The memory is not
 * pinned; the secrets go to the daemon and nowhere else.
 */
#ifndef MO_SECRET_H
#define MO_SECRET_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#define SECRET_MAX    48 /* bytes: SHA-384, and the master secret of TLS 1.2 */
#define SECRET_RANDOM 32

enum secret_library {
	SECRET_OPENSSL_3, /* EVP_KDF_derive */
	SECRET_OPENSSL_1, /* EVP_PKEY_CTX_ctrl of 1.1.1 */
	SECRET_AWS_LC,    /* HKDF_expand, CRYPTO_tls1_prf */
	SECRET_RING,      /* ring::hmac::Key::new */
};

#define SECRET_TRAFFIC 0x1u /* may be a traffic secret of TLS 1.3 */
#define SECRET_MASTER  0x2u /* may be the master secret of TLS 1.2 */
#define SECRET_RANDOMS 0x4u /* with the randoms of both hellos */

struct secret_event {
	__u64 time;   /* CLOCK_MONOTONIC, ns */
	__u32 tgid;   /* process, in the initial pid namespace */
	__u8 library; /* enum secret_library */
	__u8 flags;   /* SECRET_* */
	__u8 len;     /* 32 or 48 */
	__u8 pad;
	__u8 secret[SECRET_MAX];
	__u8 randoms[2][SECRET_RANDOM]; /* the client's, the server's */
};

#define SECRET_SLOTS 2048 /* a power of two; what comes before user space has read the last round is lost */

struct secret_slot {
	__u64 number; /* of the secret, from 1 on, once it is written; 0 while it is */
	struct secret_event event;
};

_Static_assert(sizeof(struct secret_event) == 128, "ABI");

#endif
