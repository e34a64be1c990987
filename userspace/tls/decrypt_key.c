/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "tls/decrypt_internal.h"
#include "tls/schedule.h"

static bool try_keys(struct decrypt *decrypt, const struct schedule_keys *keys, const struct record *record,
		     struct record_key *out, size_t *len, uint8_t *type)
{
	memset(out, 0, sizeof(*out));
	memcpy(out->iv, keys->iv, sizeof(out->iv));
	if (crypto_opener_new(&out->opener, decrypt->suite->aead, keys->key))
		return false;
	if (record_unseal(decrypt->suite, out, 0, record, decrypt->room->plain, len, type))
		return true;
	record_key_wipe(out);
	return false;
}

static bool try_traffic(struct decrypt *decrypt, struct side *side, const struct secret *secret,
			const struct record *record, size_t *len, uint8_t *type)
{
	struct schedule_keys keys;
	struct record_key key;
	bool proven;

	if (!secret->traffic || secret->len != crypto_hash_len(decrypt->suite->hash))
		return false;
	proven = schedule_traffic(decrypt->suite, secret->bytes, &keys) &&
		 try_keys(decrypt, &keys, record, &key, len, type);
	explicit_bzero(&keys, sizeof(keys));
	if (!proven)
		return false;
	memcpy(key.secret, secret->bytes, secret->len);
	record_key_wipe(&side->key);
	side->key = key;
	explicit_bzero(&key, sizeof(key));
	return true;
}

/* The other direction's key comes from the same block: no second trial. */
static void install_other(struct decrypt *decrypt, const struct side *side, const struct schedule_keys *keys)
{
	struct side *other = &decrypt->sides[!decrypt_direction(decrypt, side)];

	if (other->key.opener)
		return;
	memcpy(other->key.iv, keys->iv, sizeof(other->key.iv));
	crypto_opener_new(&other->key.opener, decrypt->suite->aead, keys->key);
}

static bool is_of_other_hellos(const struct decrypt *decrypt, const struct secret *secret)
{
	return secret->has_randoms &&
	       (memcmp(secret->randoms[0], decrypt->sides[DECRYPT_CLIENT].hello.random, 32) != 0 ||
		memcmp(secret->randoms[1], decrypt->sides[DECRYPT_SERVER].hello.random, 32) != 0);
}

static bool try_master(struct decrypt *decrypt, struct side *side, const struct secret *secret,
		       const struct record *record, size_t *len, uint8_t *type)
{
	enum decrypt_direction direction = decrypt_direction(decrypt, side);
	struct schedule_keys keys[2];
	bool proven;

	if (!secret->master || secret->len != SCHEDULE_MASTER_LEN || is_of_other_hellos(decrypt, secret))
		return false;
	proven = schedule_block(decrypt->suite, secret->bytes, decrypt->sides[DECRYPT_CLIENT].hello.random,
				decrypt->sides[DECRYPT_SERVER].hello.random, keys) &&
		 try_keys(decrypt, &keys[direction], record, &side->key, len, type);
	if (proven)
		install_other(decrypt, side, &keys[!direction]);
	explicit_bzero(keys, sizeof(keys));
	return proven;
}

bool decrypt_find_key(struct decrypt *decrypt, struct side *side, const struct record *record, size_t *len,
		      uint8_t *type)
{
	struct keyring *keyring = decrypt->room->keyring;
	struct secret *secret;
	bool traffic = decrypt->suite->version == TLS_1_3;

	while (decrypt_spend(decrypt, 2 * record->len) &&
	       (secret = keyring_next(keyring, &side->tried, decrypt->process, decrypt->greeted_ns))) {
		if (!(traffic ? try_traffic : try_master)(decrypt, side, secret, record, len, type))
			continue;
		decrypt->library = secret->library;
		keyring_use(secret);
		side->tried = 0;
		side->sequence = 0;
		return true;
	}
	return false;
}
