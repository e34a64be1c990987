/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "match/packed_answer.h"

#define STATUS_SKIPPED 3u /* in entry.status, else enum outcome */

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

void packed_answer_write(struct entry *entry, const struct session_query *query, uint32_t result)
{
	uint64_t begun = query->begun_ns > query->sent_ns ? query->begun_ns : query->sent_ns;
	uint64_t ns = query->done_ns > begun ? query->done_ns - begun : 0;

	entry->status = (query->skipped ? STATUS_SKIPPED : (uint32_t)query->outcome) & 3;
	entry->sqlstate = pack_sqlstate(query->sqlstate) & 0x3ffffff;
	entry->rows = saturate(query->rows);
	entry->duration_us = saturate(ns / 1000 + (ns < 1000));
	entry->result = result;
}

void packed_answer_read(const struct entry *entry, struct match_answer *out)
{
	memset(out, 0, sizeof(*out));
	out->tag = entry->tag;
	out->context = entry->context;
	out->sent_ns = entry->time;
	out->answered = entry->duration_us > 0;
	out->outcome = OUTCOME_UNKNOWN;
	if (!out->answered)
		return;
	out->skipped = entry->status == STATUS_SKIPPED;
	if (!out->skipped)
		out->outcome = (enum outcome)entry->status;
	unpack_sqlstate(entry->sqlstate, out->sqlstate);
	out->duration_ns = (uint64_t)entry->duration_us * 1000;
	out->rows = entry->rows;
	out->result = entry->result;
}
