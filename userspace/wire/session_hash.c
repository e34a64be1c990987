/* SPDX-License-Identifier: MIT */
/* The running hash of a client's message that comes in pieces: of its text, or of its parameters. */
#include <string.h>

#include "wire/session_internal.h"

void session_hash_head(struct session *session, const struct frame *frame)
{
	struct pgwire_string name, text;
	bool whole = false; /* stays so when the message is malformed */
	size_t at;

	session->hashing = true;
	session->hash_ended = false;
	querytext_hash_begin(&session->hash);
	switch (frame->type) {
	case 'Q':
		pgwire_query(frame->body, frame->have, &text, &session->hash_ended);
		querytext_hash_text(&session->hash, text.text, text.len);
		break;
	case 'P':
		session->hashing = !pgwire_parse(frame->body, frame->have, &name, &text, &whole);
		session->hash_ended = whole;
		if (session->hashing)
			querytext_hash_text(&session->hash, text.text, text.len);
		break;
	case 'B':
		memset(&session->params, 0, sizeof(session->params));
		session->hashing = !pgwire_bind(frame->body, frame->have, &name, &text, &at);
		if (session->hashing)
			querytext_hash_raw(
			    &session->hash, frame->body + at,
			    pgwire_params_feed(&session->params, frame->body + at, frame->have - at));
		break;
	default:
		querytext_hash_raw(&session->hash, frame->body, frame->have);
	}
}

void session_hash_tail(struct session *session, const struct frame *frame)
{
	const uint8_t *nul;

	if (!session->hashing || session->hash_ended)
		return;
	switch (frame->type) {
	case 'Q':
	case 'P':
		nul = memchr(frame->body, 0, frame->have);
		session->hash_ended = nul;
		querytext_hash_text(&session->hash, frame->body,
				    nul ? (size_t)(nul - frame->body) : frame->have);
		break;
	case 'B':
		querytext_hash_raw(&session->hash, frame->body,
				   pgwire_params_feed(&session->params, frame->body, frame->have));
		break;
	default:
		querytext_hash_raw(&session->hash, frame->body, frame->have);
	}
}
