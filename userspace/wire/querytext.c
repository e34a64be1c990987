/* SPDX-License-Identifier: MIT */
#include "wire/querytext.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

static bool is_margin(uint8_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r') || c == ';';
}

int querytext_hash_init(struct querytext_hash *hash)
{
	memset(hash, 0, sizeof(*hash));
	hash->state = XXH3_createState();
	if (!hash->state)
		return -ENOMEM;
	querytext_hash_begin(hash);
	return 0;
}

void querytext_hash_done(struct querytext_hash *hash)
{
	XXH3_freeState(hash->state);
	hash->state = NULL;
}

void querytext_hash_begin(struct querytext_hash *hash)
{
	XXH3_128bits_reset(hash->state);
	hash->begun = false;
	hash->run = 0;
}

void querytext_hash_raw(struct querytext_hash *hash, const void *data, size_t len)
{
	if (len)
		XXH3_128bits_update(hash->state, data, len);
}

static void flush_run(struct querytext_hash *hash)
{
	querytext_hash_raw(hash, hash->pending, hash->run);
	hash->run = 0;
}

void querytext_hash_text(struct querytext_hash *hash, const void *text, size_t len)
{
	const uint8_t *at = text, *end = at + len, *tail;

	while (!hash->begun && at < end && is_margin(*at))
		at++;
	if (at == end)
		return;
	hash->begun = true;
	for (tail = end; tail > at && is_margin(tail[-1]);)
		tail--;
	if (tail > at) {
		flush_run(hash);
		querytext_hash_raw(hash, at, tail - at);
	}
	for (; tail < end; tail++) {
		if (hash->run == QUERYTEXT_RUN)
			flush_run(hash);
		hash->pending[hash->run++] = *tail;
	}
}

struct querytext_key querytext_hash_end(const struct querytext_hash *hash)
{
	XXH128_hash_t digest = XXH3_128bits_digest(hash->state);

	return (struct querytext_key){{digest.low64, digest.high64}};
}

/* Agrees with the streaming form: of a trailing run, whole blocks of QUERYTEXT_RUN bytes but the last count.
 */
struct querytext_key querytext_key(const char *text, size_t len)
{
	size_t start = 0, run = 0;

	while (start < len && is_margin(text[start]))
		start++;
	while (run < len - start && is_margin(text[len - 1 - run]))
		run++;
	len -= run ? run - (run - 1) / QUERYTEXT_RUN * QUERYTEXT_RUN : 0;
	return querytext_key_raw(text + start, len - start);
}

struct querytext_key querytext_key_raw(const void *data, size_t len)
{
	XXH128_hash_t digest = XXH3_128bits(data, len);

	return (struct querytext_key){{digest.low64, digest.high64}};
}

struct querytext_key querytext_key_with(struct querytext_key text, struct querytext_key parameters)
{
	const struct querytext_key both[2] = {text, parameters};

	return querytext_key_raw(both, sizeof(both));
}

struct querytext *querytext_new(const char *text, size_t len, bool cut, const struct querytext_key *key)
{
	struct querytext *out = calloc(1, sizeof(*out) + len + 1);

	if (!out)
		return NULL;
	out->references = 1;
	out->cut = cut;
	out->len = len;
	memcpy(out->text, text, len);
	out->keyed = key;
	if (key)
		out->key = *key;
	sqltext_scan(out->text, len, &out->scan);
	return out;
}

struct querytext *querytext_get(struct querytext *text)
{
	if (text)
		text->references++;
	return text;
}

void querytext_put(struct querytext **text)
{
	if (*text && !--(*text)->references)
		free(*text);
	*text = NULL;
}
