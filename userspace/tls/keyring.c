/* SPDX-License-Identifier: MIT */
#include "tls/keyring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct keyring {
	uint64_t first, added; /* ever; those from first on are in slots[number % KEYRING_MAX] */
	struct secret slots[KEYRING_MAX];
};

static void wipe(struct secret *secret)
{
	explicit_bzero(secret, sizeof(*secret));
}

int keyring_new(struct keyring **out)
{
	*out = calloc(1, sizeof(**out));
	return *out ? 0 : -ENOMEM;
}

void keyring_free(struct keyring **keyring)
{
	if (*keyring)
		explicit_bzero(*keyring, sizeof(**keyring));
	free(*keyring);
	*keyring = NULL;
}

void keyring_add(struct keyring *keyring, const struct secret *secret)
{
	if (secret->len != 32 && secret->len != 48)
		return;
	keyring->slots[keyring->added++ % KEYRING_MAX] = *secret;
	if (keyring->added - keyring->first > KEYRING_MAX)
		keyring->first++;
}

void keyring_expire(struct keyring *keyring, uint64_t now_ns)
{
	for (; keyring->first < keyring->added; keyring->first++) {
		struct secret *oldest = &keyring->slots[keyring->first % KEYRING_MAX];

		if (oldest->seen_ns && oldest->seen_ns + KEYRING_KEEP_NS > now_ns)
			return;
		wipe(oldest);
	}
}

void keyring_use(struct secret *secret)
{
	wipe(secret);
}

struct secret *keyring_next(struct keyring *keyring, uint64_t *at, uint32_t process, uint64_t since_ns)
{
	if (*at < keyring->first)
		*at = keyring->first;
	while (*at < keyring->added) {
		struct secret *secret = &keyring->slots[(*at)++ % KEYRING_MAX];

		if (secret->seen_ns && secret->process == process && secret->seen_ns >= since_ns)
			return secret;
	}
	return NULL;
}

uint64_t keyring_added(const struct keyring *keyring)
{
	return keyring->added;
}

const char *tls_library_name(enum tls_library library)
{
	static const char *const names[TLS_LIBRARIES] = {"openssl-3", "openssl-1.1.1", "aws-lc", "ring"};

	return names[library];
}
