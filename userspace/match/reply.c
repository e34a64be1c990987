/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "match/reply.h"

/*
 * packed: flags (4 bits), status (2), SQLSTATE (26: 36^5 < 2^26). A reply that was never written has
 * duration_us 0; a written one at least 1.
 */
#define STATUS_SHIFT   4
#define SQLSTATE_SHIFT 6
#define STATUS_SKIPPED 3u

static uint32_t pack_sqlstate(const char *text)
{
	uint32_t number = 0;

	for (unsigned i = 0; i < 5; i++) {
		char c = text[i];
		uint32_t digit = c >= '0' && c <= '9' ? (uint32_t)(c - '0') : (uint32_t)(c - 'A') + 10;

		if (digit > 35)
			return 0; /* no SQLSTATE; 00000 is not an error either */
		number = number * 36 + digit;
	}
	return number;
}

static void unpack_sqlstate(uint32_t number, char *out)
{
	memset(out, 0, 6);
	for (int i = 4; i >= 0 && (number || out[i + 1]); i--) {
		out[i] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[number % 36];
		number /= 36;
	}
}

static uint32_t saturate(uint64_t value)
{
	return value < UINT32_MAX ? (uint32_t)value : UINT32_MAX;
}

void reply_write(struct entry *entry, const struct session_query *query, uint32_t result)
{
	uint64_t ns = query->done_ns > query->sent_ns ? query->done_ns - query->sent_ns : 0;
	uint32_t status = query->skipped ? STATUS_SKIPPED : (uint32_t)query->outcome;

	entry->packed &= (1u << STATUS_SHIFT) - 1;
	entry->packed |= status << STATUS_SHIFT | pack_sqlstate(query->sqlstate) << SQLSTATE_SHIFT;
	entry->rows = saturate(query->rows);
	entry->duration_us = saturate(ns / 1000 + (ns < 1000));
	entry->result = result;
}

void reply_read(const struct entry *entry, struct match_answer *out)
{
	uint32_t status = entry->packed >> STATUS_SHIFT & 3;

	memset(out, 0, sizeof(*out));
	out->tag = entry->tag;
	out->sent_ns = entry->time;
	out->answered = entry->duration_us > 0;
	out->outcome = OUTCOME_UNKNOWN;
	if (!out->answered)
		return;
	out->skipped = status == STATUS_SKIPPED;
	if (!out->skipped)
		out->outcome = (enum outcome)status;
	unpack_sqlstate(entry->packed >> SQLSTATE_SHIFT, out->sqlstate);
	out->duration_ns = (uint64_t)entry->duration_us * 1000;
	out->rows = entry->rows;
	out->result = entry->result;
}
