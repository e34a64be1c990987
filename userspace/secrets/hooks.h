/* SPDX-License-Identifier: MIT */
/*
 * hooks - the BPF programs of bpf/secrets.bpf.c: loaded, attached to functions in files, their records handed
 * on. The only file that knows libbpf for secrets.
 *
 * Owns the programs and the slots of bpf/secret.h. 0 or -errno.
 */
#ifndef MO_HOOKS_H
#define MO_HOOKS_H

#include <stddef.h>
#include <stdint.h>

#include "bpf/event.h"
#include "bpf/secret.h"

/* Where a secret passes: one program each. */
enum hook {
	HOOK_OPENSSL_3_DERIVE, /* EVP_KDF_derive */
	HOOK_OPENSSL_1_CTRL,   /* EVP_PKEY_CTX_ctrl */
	HOOK_AWS_LC_EXPAND,    /* HKDF_expand */
	HOOK_AWS_LC_PRF,       /* CRYPTO_tls1_prf */
	HOOK_RING_HMAC_KEY,    /* ring::hmac::Key::new, ::try_new */
	HOOKS,
};

struct hooks;
struct hooks_link;

/* Loads; nothing is attached, and with the empty filter no process is the proxy. */
int hooks_open(struct hooks **out);
/* Detaches everything that this process has attached. */
void hooks_free(struct hooks **hooks);

/* As probe_set_filter; the targets do not matter. */
void hooks_set_filter(struct hooks *hooks, const struct filter *filter);

/* Attaches a program to the instruction at that offset of the file, in every process that maps it. The link
 * is the caller's. */
int hooks_attach(struct hooks *hooks, enum hook hook, const char *path, uint64_t offset,
		 struct hooks_link **link);
void hooks_detach(struct hooks_link **link);

/* Called for each secret; its memory is overwritten after the call. */
typedef void hooks_handler(void *ctx, const struct secret_event *event);
void hooks_drain(struct hooks *hooks, hooks_handler *handler, void *ctx);

/* From now on the descriptor is readable when a process has become the proxy by exec, until
 * hooks_execs_seen(); -1 while they are not watched. */
int hooks_watch_execs(struct hooks *hooks);
int hooks_execs_fd(const struct hooks *hooks);
void hooks_execs_seen(struct hooks *hooks);

/* One loaded program, as the kernel counts it while sysctl kernel.bpf_stats_enabled is 1. */
struct hooks_program {
	const char *name;
	uint64_t runs, run_ns, recursion_misses;
};
#define HOOKS_PROGRAMS (HOOKS + 1)
size_t hooks_programs(const struct hooks *hooks, struct hooks_program out[HOOKS_PROGRAMS]);

/* In a process that only attaches: the memory in which secrets pass is none of its business. */
void hooks_forget_secrets(struct hooks *hooks);

/* Calls keep with each descriptor that attaching needs, for a process that closes all others. */
void hooks_descriptors(const struct hooks *hooks, void (*keep)(void *ctx, int fd), void *ctx);

#endif
