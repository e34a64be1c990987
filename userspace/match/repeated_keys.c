/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "match/lag_distribution.h"
#include "match/repeated_keys.h"

#define WAYS       8
#define UNIT_SHIFT 16

#define OBSERVE_PERIOD_NS 100000000ull
#define OBSERVE_MAX       60 /* in a period */

/* The keys stand apart from the rest, so that a look for one that is not there costs one cache line. */
struct repeated_keys {
	uint64_t key[REPEATED_KEYS / WAYS][WAYS]; /* 0 = unused */
	struct repeated_key set[REPEATED_KEYS / WAYS][WAYS];
	double observe_rate; /* keys that repeat faster (per second) are not worth observing */
	uint64_t observe_since;
	uint32_t observed;
};

int repeated_keys_new(struct repeated_keys **out)
{
	*out = calloc(1, sizeof(**out));
	if (!*out)
		return -ENOMEM;
	(*out)->observe_rate = 10;
	return 0;
}

void repeated_keys_free(struct repeated_keys **hot)
{
	free(*hot);
	*hot = NULL;
}

size_t repeated_keys_bytes(void)
{
	return sizeof(struct repeated_keys);
}

static unsigned set_of(uint64_t key)
{
	return (key * 0x9e3779b97f4a7c15ull >> 32) % (REPEATED_KEYS / WAYS);
}

struct repeated_key *repeated_keys_find(struct repeated_keys *hot, uint64_t key)
{
	unsigned set = set_of(key);

	for (unsigned i = 0; i < WAYS; i++)
		if (hot->key[set][i] == key)
			return key ? &hot->set[set][i] : NULL;
	return NULL;
}

struct repeated_key *repeated_keys_add(struct repeated_keys *hot, uint64_t key, uint64_t since,
				       uint64_t *evicted)
{
	struct repeated_key *set = hot->set[set_of(key)], *oldest = set;

	for (unsigned i = 1; i < WAYS; i++)
		if (set[i].used < oldest->used)
			oldest = &set[i];
	hot->key[set_of(key)][oldest - set] = key;
	*evicted += oldest->used > 0;
	oldest->since = since;
	oldest->used = since + 1;
	oldest->count = 0;
	oldest->cursor = 0;
	oldest->ahead = 0;
	memset(oldest->seen, 0, sizeof(oldest->seen));
	return oldest;
}

void repeated_key_sent(struct repeated_key *key, uint64_t time)
{
	key->time[key->count++ % REPEATED_TIMES] = (uint32_t)(time >> UNIT_SHIFT);
	key->used = time;
}

static uint64_t remembered(const struct repeated_key *key)
{
	return key->count < REPEATED_TIMES ? key->count : REPEATED_TIMES;
}

static uint64_t age_of(const struct repeated_key *key, uint64_t place, uint64_t now)
{
	int32_t units = (int32_t)((uint32_t)(now >> UNIT_SHIFT) - key->time[place % REPEATED_TIMES]);

	return units > 0 ? (uint64_t)units << UNIT_SHIFT : 0;
}

/* How far back what is remembered is complete. */
static uint64_t coverage(const struct repeated_key *key, uint64_t now)
{
	uint64_t back = now > key->since ? now - key->since : 0;

	return key->count > REPEATED_TIMES ? age_of(key, key->count, now) : back;
}

/* Times a second, over what is remembered. */
static double rate_of(const struct repeated_key *key, uint64_t now)
{
	uint64_t back = coverage(key, now);

	return (double)remembered(key) * 1e9 / (double)(back ? back : 1);
}

bool repeated_keys_worth_observing(struct repeated_keys *hot, const struct repeated_key *key, uint64_t now)
{
	if (now - hot->observe_since >= OBSERVE_PERIOD_NS) {
		hot->observe_rate *= hot->observed >= OBSERVE_MAX ? 0.8 : 1.25;
		hot->observe_rate = fmin(fmax(hot->observe_rate, 0.01), 1e5);
		hot->observe_since = now;
		hot->observed = 0;
	}
	if (hot->observed >= OBSERVE_MAX || rate_of(key, now) > hot->observe_rate)
		return false;
	hot->observed++;
	return true;
}

void repeated_key_observe(const struct repeated_key *key, uint64_t now, float *out)
{
	uint64_t back = coverage(key, now), n = remembered(key);
	double rate = rate_of(key, now);

	for (unsigned b = 0; b < LAG_BINS; b++)
		out[b] = 0;
	for (uint64_t i = key->count - n; i < key->count; i++)
		out[lag_distribution_bin(age_of(key, i, now))] += 1;
	for (unsigned b = 0; b < LAG_BINS; b++) {
		double from = (double)lag_distribution_edge(b), to = (double)lag_distribution_edge(b + 1);

		if (to > (double)back) /* not known: as by chance */
			out[b] += (float)(rate * 1e-9 * (to - (from > (double)back ? from : (double)back)));
		out[b] = (float)((double)out[b] * 1e9 / (rate * (to - from)));
	}
}
