/* SPDX-License-Identifier: MIT */
#include "verdict/contexts.h"

#include <string.h>
#include <strings.h>
#include <xxhash.h>

#define PLACE_BITS 20
#define PLACE_MASK ((1u << PLACE_BITS) - 1)
#define UNKNOWN    PLACE_MASK /* a place that was not seen whole */
#define HALF       (CONTEXTS / 2)
#define ENOUGH     20 /* certain pairs before two kinds are taken for the same */
#define EXCEPTIONS 50 /* one in so many may be a wrong pair */

static uint64_t mix(uint64_t a, uint64_t b)
{
	const uint64_t both[2] = {a, b};

	return XXH3_64bits(both, sizeof(both));
}

/* ------------------------------------------------------------------------------------------- how it began */

static uint64_t shared_start(struct contexts *contexts, enum match_side side, uint64_t start)
{
	uint8_t bit = side == MATCH_PRIMARY ? 1 : 2;

	for (uint32_t i = 0; i < contexts->start_count; i++)
		if (contexts->starts[i].start == start) {
			contexts->shared_starts +=
			    (contexts->starts[i].sides | bit) == 3 && contexts->starts[i].sides != 3;
			contexts->starts[i].sides |= bit;
			return contexts->starts[i].sides == 3 ? start : 0;
		}
	if (contexts->start_count < CONTEXT_STARTS) {
		contexts->starts[contexts->start_count].start = start;
		contexts->starts[contexts->start_count++].sides = bit;
	}
	return 0;
}

/* ------------------------------------------------------------------------------------------- kinds */

static bool same_kind(const struct contexts_kind *a, const struct contexts_kind *b)
{
	return a->settings == b->settings && a->start == b->start && a->unseen == b->unseen;
}

/* Its place in the index, or the free one where it belongs. */
static uint16_t *bucket_of(struct contexts *contexts, const struct contexts_kind *kind)
{
	uint32_t at = mix(kind->settings + kind->unseen, kind->start) % (2 * CONTEXTS);

	while (contexts->bucket[at] && !same_kind(&contexts->kind[contexts->bucket[at]], kind))
		at = (at + 1) % (2 * CONTEXTS);
	return &contexts->bucket[at];
}

/* The older half makes room. */
static void turn(struct contexts *contexts)
{
	uint32_t kept = contexts->half * HALF;

	contexts->half = !contexts->half;
	contexts->used = 0;
	memset(contexts->bucket, 0, sizeof(contexts->bucket));
	for (uint32_t i = kept; i < kept + HALF; i++)
		if (i % HALF)
			*bucket_of(contexts, &contexts->kind[i]) = (uint16_t)i;
}

static uint32_t number_of(struct contexts *contexts, const struct contexts_kind *kind)
{
	uint16_t *bucket = bucket_of(contexts, kind);

	if (*bucket)
		return *bucket;
	if (contexts->used + 1 >= HALF) {
		turn(contexts);
		bucket = bucket_of(contexts, kind);
	}
	*bucket = (uint16_t)(contexts->half * HALF + ++contexts->used);
	contexts->kind[*bucket] = *kind;
	return *bucket;
}

/* ------------------------------------------------------------------------------------------- the place */

/* Of transaction control only savepoints decide what is seen; pools add settings of their own. */
static bool moves_place(const struct session_query *query)
{
	static const char *const words[] = {"savepoint", "rollback", "release"};

	if (!query->control)
		return !query->ignored;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (query->text_len >= strlen(words[i]) &&
		    strncasecmp(query->text, words[i], strlen(words[i])) == 0)
			return true;
	return false;
}

static uint32_t enter_place(struct contexts_place *place, const struct session_query *query)
{
	uint32_t here;

	if (!query->in_block && !query->resumed)
		*place = (struct contexts_place){0};
	here = place->unknown ? UNKNOWN : place->hash & PLACE_MASK;
	if (here == UNKNOWN && !place->unknown)
		here = UNKNOWN - 1;
	place->unknown |= !query->keyed && moves_place(query);
	if (moves_place(query))
		place->hash = mix(place->hash, query->key[0]);
	return here;
}

/* ------------------------------------------------------------------------------------------- numbers */

uint32_t contexts_of(struct contexts *contexts, enum match_side side, struct contexts_place *place,
		     const struct session_query *query)
{
	const struct context_digest *digest = &query->context;
	struct contexts_kind kind = {
	    .settings = digest->settings, .names = digest->names, .unseen = digest->unseen};
	uint32_t here = enter_place(place, query);

	if (!query->in_block)
		contexts->lasting |= digest->names;
	kind.start = digest->unseen ? 0 : shared_start(contexts, side, digest->start);
	return number_of(contexts, &kind) << PLACE_BITS | here;
}

static bool go_together(const struct contexts *contexts, uint32_t a, uint32_t b)
{
	const struct contexts_kind *x = &contexts->kind[a], *y = &contexts->kind[b];

	return x->twin == b && y->twin == a && x->with >= ENOUGH && y->with >= ENOUGH &&
	       x->without * EXCEPTIONS <= x->with && y->without * EXCEPTIONS <= y->with;
}

/* What was set before the observer came could matter. */
static bool doubtful(const struct contexts *contexts, const struct contexts_kind *kind)
{
	return kind->unseen && ((contexts->lasting & ~kind->names) || contexts->shared_starts > 1);
}

enum contexts_answer contexts_compare(const struct contexts *contexts, uint32_t primary, uint32_t mirror)
{
	uint32_t a = primary >> PLACE_BITS, b = mirror >> PLACE_BITS;
	const struct contexts_kind *x = &contexts->kind[a], *y = &contexts->kind[b];

	if (!a || !b || (primary & PLACE_MASK) == UNKNOWN || (mirror & PLACE_MASK) == UNKNOWN)
		return CONTEXTS_UNKNOWN;
	if ((primary ^ mirror) & PLACE_MASK)
		return CONTEXTS_DIFFER;
	if (doubtful(contexts, x) || doubtful(contexts, y))
		return CONTEXTS_UNKNOWN;
	if (a == b || go_together(contexts, a, b))
		return CONTEXTS_SAME;
	if (x->settings == y->settings && (contexts->shared_starts <= 1 || x->unseen || y->unseen))
		return CONTEXTS_SAME;
	return CONTEXTS_DIFFER;
}

static void learn(struct contexts_kind *kind, uint32_t twin)
{
	if (!kind->twin)
		kind->twin = (uint16_t)twin;
	if (kind->twin == twin)
		kind->with++;
	else
		kind->without++;
}

void contexts_pair(struct contexts *contexts, uint32_t primary, uint32_t mirror)
{
	uint32_t a = primary >> PLACE_BITS, b = mirror >> PLACE_BITS;

	if (!a || !b || a == b || ((primary ^ mirror) & PLACE_MASK))
		return;
	learn(&contexts->kind[a], b);
	learn(&contexts->kind[b], a);
}
