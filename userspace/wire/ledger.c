/* SPDX-License-Identifier: MIT */
#include "wire/ledger.h"

#include <stdlib.h>
#include <string.h>

#define SIZE_FIRST  16
#define UNSEEN_KEPT 64 /* cycles that may be outstanding after requests were lost as well */
#define RECENT      6 /* ReadyForQuery over which the minimum is taken: a Sync that COPY swallowed has none */

void ledger_clear(struct ledger *ledger)
{
	free(ledger->entries);
	memset(ledger, 0, sizeof(*ledger));
}

static struct ledger_cycle *at(const struct ledger *ledger, uint32_t i)
{
	return &ledger->entries[(ledger->first + i) & (ledger->size - 1)];
}

static bool grow(struct ledger *ledger)
{
	uint32_t size = ledger->size ? ledger->size * 2 : SIZE_FIRST;
	struct ledger_cycle *entries = size <= LEDGER_MAX ? malloc(size * sizeof(*entries)) : NULL;

	if (!entries)
		return false;
	for (uint32_t i = 0; i < ledger->count; i++)
		entries[i] = *at(ledger, i);
	free(ledger->entries);
	ledger->entries = entries;
	ledger->size = size;
	ledger->first = 0;
	return true;
}

static void add(struct ledger_cycle *to, const struct ledger_cycle *cycle)
{
	to->queries += cycle->queries;
	to->requests += cycle->requests;
	to->cycles += cycle->cycles;
}

/* The newest are answered before they matter: what is put together are the newest too. */
static void append(struct ledger *ledger, const struct ledger_cycle *cycle)
{
	if (ledger->count < ledger->size || grow(ledger))
		*at(ledger, ledger->count++) = *cycle;
	else if (ledger->count)
		add(at(ledger, ledger->count - 1), cycle);
}

void ledger_query(struct ledger *ledger)
{
	ledger->open_queries++;
}

void ledger_cycle(struct ledger *ledger, bool ends)
{
	const struct ledger_cycle cycle = {ledger->open_queries, ends, 1};

	ledger->batches |= cycle.queries > 1;
	append(ledger, &cycle);
	ledger->open_queries = 0;
	ledger->outstanding++;
}

void ledger_ready(struct ledger *ledger)
{
	ledger->outstanding--;
	if (ledger->outstanding < ledger->minimum)
		ledger->minimum = ledger->outstanding;
	if (!ledger->readies || ledger->outstanding < ledger->recent)
		ledger->recent = ledger->outstanding;
	if (++ledger->readies < RECENT)
		return;
	ledger->minimum = ledger->recent;
	ledger->readies = 0;
}

/* Of the entries those that were lost, the oldest, and those that are outstanding, the newest, remain. */
static void forget_answered(struct ledger *ledger)
{
	uint32_t lost = ledger->minimum > 0 ? ledger->minimum : 0, to = lost;
	int64_t outstanding = ledger->outstanding - ledger->minimum;

	if (ledger->unseen) /* what was answered is among the last, or is not */
		outstanding = ledger->count - lost < UNSEEN_KEPT ? ledger->count - lost : UNSEEN_KEPT;
	if (ledger->minimum == INT64_MAX || lost + outstanding > ledger->count)
		return;
	for (uint32_t i = ledger->count - outstanding; i < ledger->count; i++)
		*at(ledger, to++) = *at(ledger, i);
	ledger->count = to;
	ledger->outstanding = to;
}

void ledger_forget_minimum(struct ledger *ledger)
{
	forget_answered(ledger);
	ledger->minimum = INT64_MAX;
	ledger->readies = 0;
}

void ledger_drained(struct ledger *ledger)
{
	if (ledger->outstanding < ledger->minimum)
		ledger->minimum = ledger->outstanding;
}

void ledger_idle_now(struct ledger *ledger)
{
	uint32_t kept = 0;
	int64_t lost = 0;

	ledger->unseen = false;
	if (ledger->minimum < 0)
		ledger->minimum = 0;
	ledger->outstanding = ledger->minimum;
	while (kept < ledger->count && lost < ledger->minimum)
		lost += at(ledger, kept++)->cycles;
	ledger->count = kept;
	ledger->recent = INT64_MAX;
	ledger->readies = 0;
}

bool ledger_take(struct ledger *ledger, struct ledger_cycle *out)
{
	struct ledger_cycle *oldest = ledger->count ? at(ledger, 0) : NULL;

	if (!oldest || ledger->minimum <= 0)
		return false;
	*out = *oldest;
	if (oldest->cycles > ledger->minimum) { /* a part of what was put together */
		uint32_t cycles = ledger->minimum;

		out->queries = (uint64_t)oldest->queries * cycles / oldest->cycles;
		out->requests = (uint64_t)oldest->requests * cycles / oldest->cycles;
		out->cycles = cycles;
	}
	ledger->first++;
	ledger->count--;
	ledger->minimum -= out->cycles;
	ledger->outstanding -= out->cycles;
	return true;
}
