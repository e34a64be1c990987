/* SPDX-License-Identifier: MIT */
/*
 * secrets - what the proxy's TLS handshakes derive their keys from, taken where it passes in the proxy's own
 * library, once for each handshake.
 *
 * Owns the hooks, the helper that attaches them and the memory in which they hand over. What is taken goes
 * into a keyring, and nowhere else.
 */
#ifndef MO_SECRETS_H
#define MO_SECRETS_H

#include "base/loop.h"
#include "config/config.h"
#include "tls/keyring.h"

struct filter;
struct secrets;

/*
 * Loads the programs and starts the helper. config->tls is auto or on: with `on` the libraries of the proxy's
 * present processes are hooked when this returns, else that waits for secrets_begin. 0 or -errno, with a
 * sentence in secrets_error().
 */
int secrets_new(struct secrets **out, struct loop *loop, const struct config *config,
		struct keyring *keyring);
void secrets_free(struct secrets **secrets);
const char *secrets_error(void);

/* Whose secrets are taken; at once. */
void secrets_set_filter(struct secrets *secrets, const struct filter *filter);
/* A backend connection has begun TLS: look at the proxy's processes now, and from now on. */
void secrets_begin(struct secrets *secrets);
void secrets_reload(struct secrets *secrets, const struct config *config);
/* What the kernel has counted of the programs, as hooks_programs. */
struct hooks_program;
size_t secrets_programs(const struct secrets *secrets, struct hooks_program *out);
/* Puts what was taken since into the keyring. */
void secrets_drain(struct secrets *secrets);

/*
 * For --check: what the proxy's present processes have of TLS libraries, and whether their secrets would be
 * seen, one sentence each. Attaches nothing. Returns how many sentences there were; *readable: of libraries
 * that are read.
 */
size_t secrets_check(const struct config_proxy *proxy, void (*print)(void *ctx, const char *line), void *ctx,
		     size_t *readable);

#endif
