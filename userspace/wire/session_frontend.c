/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "wire/session_internal.h"

bool session_frontend_rule(uint8_t type, uint32_t body_len, struct framer_interest *interest)
{
	if (!type) {
		interest->keep = body_len;
		return body_len >= 4 && body_len <= PGWIRE_STARTUP_MAX;
	}
	switch (type) {
	case 'Q':
	case 'P':
	case 'B':
	case 'F':
		*interest = (struct framer_interest){.keep = QUERY_HEAD_MAX, .tail = true};
		break;
	case 'E':
	case 'C':
	case 'D':
		interest->keep = body_len;
		break;
	}
	return pgwire_frontend_valid(type, body_len);
}

/* ------------------------------------------------------------------------------------------ the pipeline */

/* Which answer it gets nobody can tell: they are counted by themselves, and it is compared with nothing. */
static void push_unpaired(struct session *session, const struct item *item)
{
	static const struct answer unknown = {.fault = {.outcome = OUTCOME_UNKNOWN}};

	if (item_is_query(item))
		account_query(session, item, &unknown, false);
}

/* While pairing is not certain cycles are counted. */
static void enter_ledger(struct session *session, const struct item *item)
{
	if (session_state_certain(session->state))
		return;
	if (!session->startup_done && session->told.torn) { /* or it would ask nothing */
		session->startup_done = true;
		session_note(session, NOTE_STARTUP_DONE);
	}
	if (item_is_query(item))
		ledger_query(&session->ledger);
	if (item_ends_cycle(item))
		ledger_cycle(&session->ledger, item->flags & ITEM_BOUNDARY);
	session->mid_batch = !item_ends_cycle(item) && item->kind != ITEM_COPY_END;
}

static bool follows_copy(const struct session *session)
{
	const struct pipeline *pipeline = &session->pipeline;

	return pipeline->count && pipeline_at(pipeline, pipeline->count - 1)->kind == ITEM_COPY_END;
}

static void push(struct session *session, struct item *item)
{
	bool ends = item_ends_cycle(item);

	item->sent_ns = session->now_ns;
	if (ends && !session->block_expected) {
		item->flags |= ITEM_BOUNDARY;
		session->block_ids = session->ids;
	}
	if (ends && !follows_copy(session))
		regain_cycle_sent(session);
	if (session_state_pairs(session->state) && pipeline_push(&session->pipeline, item) < 0) {
		session_note(session, NOTE_QUEUE_OVERFLOW);
		session_lose(session, TURN_MISMATCH);
	}
	enter_ledger(session, item);
	if (!session_state_pairs(session->state)) {
		push_unpaired(session, item);
		return;
	}
	if (ends && !session->cycles++)
		session->progress_ns = session->now_ns;
	session->copy_ends += item->kind == ITEM_COPY_END;
	if (session->skipping)
		session_settle_head(session);
}

static void push_kind(struct session *session, enum item_kind kind)
{
	struct item item = {.kind = kind};

	push(session, &item);
}

/* ------------------------------------------------------------------------------------------ queries */

struct seen_text {
	const char *text;
	size_t len;
	bool whole; /* all of it is in text */
	bool keyed;
	struct querytext_key key;
};

/* In place where it is NUL-terminated and short enough, else a cut copy. */
static void emit_sent(struct session *session, const struct item *item, const struct seen_text *seen)
{
	struct session_query query = session_query_of(item);
	char *copy = NULL;

	query.text = seen->text;
	query.text_len = seen->len;
	query.text_cut = !seen->whole;
	context_digest(&session->context, &query.context);
	if (!seen->whole || seen->len > SESSION_TEXT_MAX) {
		query.text_cut = true;
		query.text_len = seen->len > SESSION_TEXT_MAX ? SESSION_TEXT_MAX : seen->len;
		copy = strndup(seen->text, query.text_len);
		query.text = copy ? copy : "";
		query.text_len = copy ? query.text_len : 0;
	}
	session->sink.sent(session->sink.ctx, &query);
	free(copy);
}

/* Of a text only its beginning is known. */
static bool may_be_ignored(const struct session *session, const struct seen_text *seen)
{
	return session->options.may_ignore &&
	       session->options.may_ignore(session->sink.ctx, seen->text, seen->len, NULL);
}

static bool is_ignored(const struct session *session, const char *text, size_t len)
{
	return session->options.ignored && session->options.ignored(session->sink.ctx, text, len);
}

/* What it leaves behind for those that follow. */
static void enter_context(struct session *session, const struct seen_text *seen, const struct sqltext *scan)
{
	bool writes = !scan->control && (!scan->tag || strcmp(scan->tag, "SELECT") != 0);

	if (!seen->whole && scan->sets)
		context_gap(&session->context);
	context_sent(&session->context, seen->text, seen->len, seen->key.word[0], scan->sets, writes,
		     session->status == 'E');
}

/* Numbers the query, hands it out, queues it. */
static void push_query(struct session *session, struct item *item, const struct seen_text *seen,
		       const struct sqltext *scan)
{
	if (scan->sets || !seen->whole)
		blocks_sent(session, item, seen->text, seen->len, seen->whole);
	item->serial = ++session->serials;
	item->sent_ns = session->now_ns;
	if (!item->likely)
		item->tag = scan->tag;
	item->flags |= (session->block_expected ? ITEM_IN_BLOCK : 0) | (scan->control ? ITEM_CONTROL : 0) |
		       (seen->keyed ? ITEM_KEYED : 0);
	if (seen->keyed)
		item->key = seen->key;
	if (seen->whole && seen->text && is_ignored(session, seen->text, seen->len))
		item->flags |= ITEM_IGNORED;
	emit_sent(session, item, seen);
	enter_context(session, seen, scan);
	if (scan->block != SQLTEXT_BLOCK_KEPT)
		session->block_expected = scan->block == SQLTEXT_BLOCK_OPENED;
	push(session, item);
}

/* The text of a Query or Parse, from its frame and, where it was long, from the running hash. */
static struct seen_text see_text(struct session *session, const struct frame *frame,
				 const struct pgwire_string *string, bool whole)
{
	struct seen_text seen = {.text = string->text, .len = string->len, .whole = whole};

	if (whole) {
		seen.key = querytext_key(seen.text, seen.len);
		seen.keyed = true;
	} else if (session->hashing && !frame->holed) {
		seen.key = querytext_hash_end(&session->hash);
		seen.keyed = true;
	}
	if (!seen.text)
		seen.text = "";
	return seen;
}

static uint64_t portal_id(struct session *session, const struct querytext_key *name)
{
	struct prepared_entry *portal = prepared_get(&session->portals, name);

	return portal ? portal->id : 0;
}

static void on_query(struct session *session, const struct frame *frame)
{
	struct item item = {.kind = ITEM_QUERY, .portal = portal_id(session, &prepared_unnamed)};
	struct pgwire_string string;
	struct seen_text seen;
	struct sqltext scan;
	bool whole;

	pgwire_query(frame->body, frame->have, &string, &whole);
	seen = see_text(session, frame, &string, whole);
	if (frame->holed && !whole && may_be_ignored(session, &seen))
		item.flags |= ITEM_DOUBTFUL;
	sqltext_scan(seen.text, seen.len, &scan);
	scan.control &= whole;
	push_query(session, &item, &seen, &scan);
	prepared_remove(&session->statements, &prepared_unnamed, 0);
	prepared_remove(&session->portals, &prepared_unnamed, 0);
	if (scan.forgets)
		prepared_clear(&session->statements);
}

static void on_function(struct session *session, const struct frame *frame)
{
	struct item item = {.kind = ITEM_FUNCTION};
	struct seen_text seen = {.text = "", .whole = true};
	struct sqltext scan = {0};

	seen.keyed = frame->have == frame->len || (session->hashing && !frame->holed);
	if (frame->have == frame->len)
		seen.key = querytext_key_raw(frame->body, frame->len);
	else if (seen.keyed)
		seen.key = querytext_hash_end(&session->hash);
	push_query(session, &item, &seen, &scan);
}

static void on_execute(struct session *session, const struct frame *frame)
{
	struct item item = {.kind = ITEM_EXECUTE};
	struct seen_text seen = {.text = "", .whole = true};
	struct prepared_entry *portal = NULL;
	struct sqltext scan = {0};
	struct pgwire_string string;

	if (frame->holed)
		item.flags |= ITEM_DOUBTFUL; /* it may be any portal */
	else if (!pgwire_execute(frame->body, frame->have, &string)) {
		struct querytext_key name = prepared_name(string.text, string.len);

		portal = blocks_portal(session, &name);
	}
	if (portal) {
		item.id = portal->id;
		item.flags |= portal->executed ? ITEM_RESUMED : 0;
		portal->executed = true;
	}
	if (portal && portal->text) {
		const struct querytext *text = portal->text;

		seen = (struct seen_text){text->text, text->len, !text->cut,
					  text->keyed && portal->params_known, text->key};
		if (portal->params)
			seen.key = querytext_key_with(text->key, portal->params_key);
		scan = text->scan;
	} else {
		seen.whole = false;
		item.tag = portal ? portal->likely_tag : NULL;
		item.likely = item.tag;
		session_note(session, NOTE_TEXT_UNKNOWN);
	}
	push_query(session, &item, &seen, &scan);
	if (scan.forgets)
		prepared_clear(&session->statements);
}

/* ------------------------------------------------------------------------------------------ Parse, Bind,
 * Close */

static void note_evictions(struct session *session)
{
	for (; session->evictions_noted < session->statements.evictions; session->evictions_noted++)
		session_note(session, NOTE_PREPARED_EVICTED);
}

static void on_parse(struct session *session, const struct frame *frame)
{
	struct item item = {.kind = ITEM_PARSE, .id = ++session->ids};
	struct pgwire_string name, string;
	struct querytext *text = NULL;
	struct seen_text seen;
	bool whole;

	if (pgwire_parse(frame->body, frame->have, &name, &string, &whole) < 0) {
		prepared_clear(&session->statements); /* any name may have got a new text */
	} else {
		seen = see_text(session, frame, &string, whole);
		if (whole || seen.keyed)
			text = querytext_new(
			    seen.text, seen.len > SESSION_TEXT_MAX ? SESSION_TEXT_MAX : seen.len,
			    !whole || seen.len > SESSION_TEXT_MAX, seen.keyed ? &seen.key : NULL);
		item.key = prepared_name(name.text, name.len);
		if (text && text->keyed && name.len && session->options.prepared)
			session->options.prepared(session->sink.ctx, name.text, name.len, text);
		prepared_put(&session->statements, &item.key, item.id, text);
		note_evictions(session);
	}
	push(session, &item);
}

/* The parameters' key: at once when the message is there whole, else from the running hash. */
static void key_params(struct session *session, const struct frame *frame, size_t at,
		       struct prepared_entry *portal)
{
	bool whole = frame->have == frame->len;
	size_t len = 0;

	if (whole) {
		memset(&session->params, 0, sizeof(session->params));
		len = pgwire_params_feed(&session->params, frame->body + at, frame->have - at);
	}
	portal->params = session->params.any;
	portal->params_known = session->params.done && (whole || (session->hashing && !frame->holed));
	if (portal->params_known && portal->params)
		portal->params_key =
		    whole ? querytext_key_raw(frame->body + at, len) : querytext_hash_end(&session->hash);
}

/* Else what its own connection knows is all there is: a name that is not known is none, of a Parse that
 * failed. */
static bool names_torn(const struct session *session)
{
	return session->names_torn || session->statements.evictions;
}

static void on_bind(struct session *session, const struct frame *frame)
{
	struct item item = {.kind = ITEM_BIND, .id = ++session->ids};
	struct pgwire_string portal, statement;
	struct prepared_entry *entry;
	struct querytext_key portal_name, statement_name;
	struct querytext *text = NULL;
	const char *likely_tag = NULL;
	size_t at;

	if (pgwire_bind(frame->body, frame->have, &portal, &statement, &at) < 0) {
		prepared_clear(&session->portals);
		session->portals_torn = true;
		push(session, &item);
		return;
	}
	portal_name = prepared_name(portal.text, portal.len);
	statement_name = prepared_name(statement.text, statement.len);
	if (!portal.len)
		item.portal = portal_id(session, &portal_name);
	entry = prepared_get(&session->statements, &statement_name);
	if (entry && entry->text)
		text = querytext_get(entry->text);
	else if (statement.len && names_torn(session) && session->options.text_of)
		text = session->options.text_of(session->sink.ctx, statement.text, statement.len);
	if (entry)
		likely_tag = entry->likely_tag;
	entry = prepared_put(&session->portals, &portal_name, item.id, text);
	if (entry) {
		entry->likely_tag = likely_tag;
		key_params(session, frame, at, entry);
	}
	push(session, &item);
}

static void on_close(struct session *session, const struct frame *frame)
{
	struct item item = {.kind = ITEM_CLOSE};
	struct pgwire_string string;
	struct querytext_key name;
	char kind;

	if (!frame->holed && !pgwire_target(frame->body, frame->have, &kind, &string)) {
		name = prepared_name(string.text, string.len);
		if (kind == 'P')
			item.portal = portal_id(session, &name);
		prepared_remove(kind == 'P' ? &session->portals : &session->statements, &name, 0);
	}
	push(session, &item);
}

/* ------------------------------------------------------------------------------------------ start-up */

static void on_startup(struct session *session, const struct frame *frame)
{
	struct pgwire_startup startup;
	struct session_startup out;

	if (frame->holed || pgwire_startup(frame->body, frame->have, &startup) < 0) {
		session_note(session, NOTE_DECODE_ERROR);
		session_stop(session, TURN_ENDED);
		return;
	}
	switch (startup.first) {
	case PGWIRE_FIRST_SSL:
	case PGWIRE_FIRST_GSSENC:
		session->encryption_asked = true;
		session->front.untyped = true;
		return;
	case PGWIRE_FIRST_CANCEL:
		session_note(session, NOTE_CANCEL_REQUEST);
		session_stop(session, TURN_CANCEL);
		return;
	case PGWIRE_FIRST_STARTUP:
		break;
	}
	session->startup_seen = true;
	out = (struct session_startup){startup.database, startup.user, startup.replication};
	context_startup(&session->context, (const char *)frame->body + 4, frame->have - 4);
	session->sink.startup(session->sink.ctx, &out);
	if (startup.replication) {
		session_note(session, NOTE_REPLICATION);
		session_stop(session, TURN_REPLICATION);
		return;
	}
	push_kind(session, ITEM_STARTUP);
}

/* ------------------------------------------------------------------------------------------ messages */

void session_frontend_message(struct session *session, const struct frame *frame)
{
	regain_drained(session, frame->type);
	if (session->back_idle && session->asked_ns <= session->ready_ns)
		session->asked_ns = session->now_ns;
	switch (frame->type) {
	case 0:
		on_startup(session, frame);
		break;
	case 'Q':
		on_query(session, frame);
		break;
	case 'F':
		on_function(session, frame);
		break;
	case 'P':
		on_parse(session, frame);
		break;
	case 'B':
		on_bind(session, frame);
		break;
	case 'E':
		on_execute(session, frame);
		break;
	case 'C':
		on_close(session, frame);
		break;
	case 'D':
		push_kind(session, ITEM_DESCRIBE);
		break;
	case 'S':
		push_kind(session, ITEM_SYNC);
		break;
	case 'c':
	case 'f':
		/* With nothing outstanding it ends a COPY that has failed: the server ignores it. */
		if (session->pipeline.count || !session_state_pairs(session->state))
			push_kind(session, ITEM_COPY_END);
		break;
	case 'X':
		session->terminated = true;
		break;
	}
	session->hashing = false;
}
