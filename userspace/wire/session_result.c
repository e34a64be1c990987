/* SPDX-License-Identifier: MIT */
/* The checksum of a query's rows: each DataRow is hashed, whole or in pieces, and the hashes are combined in
 * order or as a sum. */
#include <xxhash.h>

#include "wire/session_internal.h"

void result_free(struct session *session)
{
	XXH3_freeState(session->row);
	session->row = NULL;
}

static void add_row(struct session *session, uint64_t hash)
{
	struct answer *answer = &session->answer;

	answer->result_rows++;
	if (session->options.results == RESULTS_SET)
		answer->result += hash;
	else
		answer->result = (answer->result << 7 | answer->result >> 57) * 0x9e3779b185ebca87ull + hash;
}

/* The first piece of a row that comes in several. */
void session_row_head(struct session *session)
{
	if (!session->row)
		session->row = XXH3_createState();
	if (session->row)
		XXH3_64bits_reset(session->row);
}

void session_row_tail(struct session *session, const struct frame *frame)
{
	if (session->row)
		XXH3_64bits_update(session->row, frame->body, frame->have);
}

void session_row(struct session *session, const struct frame *frame)
{
	if (session->options.results == RESULTS_OFF)
		return;
	if (frame->have == frame->len)
		add_row(session, XXH3_64bits(frame->body, frame->len));
	else if (!frame->holed && session->row && session->back.headed)
		add_row(session, XXH3_64bits_digest(session->row));
}

uint32_t result_of(const struct answer *answer)
{
	uint32_t folded = (uint32_t)(answer->result ^ answer->result >> 32);

	if (!answer->data_rows || answer->result_rows != answer->data_rows ||
	    answer->fault.outcome != OUTCOME_SUCCESS)
		return 0;
	return folded ? folded : 1;
}
