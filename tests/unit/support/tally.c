/* SPDX-License-Identifier: MIT */
#include "support/tally.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_semicolon(void *ctx, const char *text, size_t len)
{
	(void)ctx;
	while (len && (text[len - 1] == ' ' || text[len - 1] == '\n'))
		len--;
	while (len && (*text == ' ' || *text == '\n'))
		text++, len--;
	return len == 1 && *text == ';';
}

/* Only ";" is ignored, which runs no command: a text may be one while no more than that is known of it. */
static bool may_be_semicolon(void *ctx, const char *text, size_t len, const char *tag)
{
	(void)ctx;
	while (len && (*text == ' ' || *text == '\n'))
		text++, len--;
	return !tag && (!len || is_semicolon(ctx, text, len));
}

const struct session_options tally_options = {
    .queue_max = 65536,
    .prepared_max = 1024,
    .prepared_bytes = 1 << 20,
    .provisional_max = 256,
    .request_timeout_ns = 30000000000ull,
    .ignored = is_semicolon,
    .may_ignore = may_be_semicolon,
};

static void write_log(struct tally *tally, const char *what, enum outcome outcome, enum failure_type failure)
{
	static const char *const types[] = {"connection", "timeout", "query_execution", ""};
	int n = snprintf(tally->log + tally->log_len, sizeof(tally->log) - tally->log_len, "%s%c%s ", what,
			 "+-?"[outcome], outcome == OUTCOME_FAILURE ? types[failure] : "");

	if (n > 0 && tally->log_len + n < sizeof(tally->log))
		tally->log_len += n;
}

static void keep(struct tally *tally, const struct tally_result *result)
{
	if (tally->result_count < TALLY_RESULTS_MAX)
		tally->results[tally->result_count++] = *result;
}

static void on_startup(void *ctx, const struct session_startup *startup)
{
	struct tally *tally = ctx;

	snprintf(tally->user, sizeof(tally->user), "%s", startup->user);
	snprintf(tally->database, sizeof(tally->database), "%s", startup->database);
}

static void on_sent(void *ctx, const struct session_query *query)
{
	struct tally *tally = ctx;

	tally->sent++;
	if (tally->sent - tally->answered > tally->deepest)
		tally->deepest = tally->sent - tally->answered;
	tally->keyed += query->keyed;
	tally->broken |= query->serial != tally->sent || strlen(query->text) != query->text_len;
	tally->last_sent = *query;
	snprintf(tally->last_text, sizeof(tally->last_text), "%s", query->text);
}

static void on_answered(void *ctx, const struct session_query *query)
{
	struct tally *tally = ctx;

	tally->answered++;
	tally->skipped += query->skipped;
	tally->broken |= query->serial != tally->answers_seen + 1 || query->serial > tally->sent;
	tally->answers_seen = query->serial;
	tally->last_answered = *query;
}

static void on_statement(void *ctx, const struct session_statement *statement)
{
	struct tally *tally = ctx;

	tally->broken |= (statement->outcome == OUTCOME_FAILURE) != (statement->failure != FAILURE_NONE);
	tally->broken |= statement->done_ns < statement->sent_ns;
	if (statement->ignored)
		tally->ignored_statements[statement->outcome]++;
	else
		tally->statements[statement->outcome]++;
	if (statement->outcome == OUTCOME_SUCCESS && !statement->function_call && !statement->utility_plan)
		tally->calls++;
	tally->last_statement = *statement;
	struct tally_result result = {statement->done_ns,
				      statement->sent_ns,
				      statement->outcome,
				      statement->failure,
				      "",
				      "",
				      statement->has_rows ? statement->rows : TALLY_ROWS_UNKNOWN,
				      !statement->query_serial};

	memcpy(result.sqlstate, statement->sqlstate, sizeof(result.sqlstate));
	memcpy(result.tag, statement->tag, sizeof(result.tag));
	keep(tally, &result);
	write_log(tally, "s", statement->outcome, statement->failure);
}

static void count_request(struct tally *tally, enum outcome outcome, enum failure_type failure)
{
	tally->requests[outcome]++;
	if (outcome == OUTCOME_FAILURE)
		tally->failures[failure]++;
}

static void on_request(void *ctx, const struct session_request *request)
{
	static const char *const kinds[] = {"r", "i", "u"};
	struct tally *tally = ctx;

	tally->broken |= (request->outcome == OUTCOME_FAILURE) != (request->failure != FAILURE_NONE);
	tally->broken |= request->done_ns < request->sent_ns;
	tally->broken |= request->kind == REQUEST_UPKEEP && request->outcome != OUTCOME_SUCCESS;
	tally->last_request = *request;
	struct tally_result result = {
	    request->done_ns, request->sent_ns, request->outcome, request->failure, "", "", 0, false};

	memcpy(result.sqlstate, request->sqlstate, sizeof(result.sqlstate));
	snprintf(result.tag, sizeof(result.tag), "request %s", kinds[request->kind]);
	keep(tally, &result);
	write_log(tally, kinds[request->kind], request->outcome, request->failure);
	if (request->kind == REQUEST_IGNORED)
		tally->ignored++;
	else if (request->kind == REQUEST_UPKEEP)
		tally->upkeep++;
	else
		count_request(tally, request->outcome, request->failure);
}

static void on_error(void *ctx, const struct session_error *error)
{
	struct tally *tally = ctx;

	tally->errors++;
	tally->broken |= error->startup && tally->notes[NOTE_STARTUP_DONE];
}

static void on_note(void *ctx, enum session_note note)
{
	struct tally *tally = ctx;

	tally->notes[note]++;
	if (note == NOTE_STARTUP_ERROR)
		count_request(tally, OUTCOME_FAILURE, FAILURE_CONNECTION);
}

static void on_blind(void *ctx, uint64_t ns)
{
	struct tally *tally = ctx;

	tally->blind_ns += ns;
}

void tally_open(struct tally *tally, const struct session_options *options, bool fresh)
{
	struct session_sink sink = SESSION_SINK(tally);

	memset(tally, 0, sizeof(*tally));
	if (session_new(&tally->session, options, &sink, fresh) < 0)
		abort();
}

void tally_close(struct tally *tally, enum session_end how, uint64_t now_ns)
{
	if (!tally->session)
		return;
	session_close(tally->session, how, now_ns);
	session_free(&tally->session);
}

void tally_chunk(struct tally *tally, const struct transcript_chunk *chunk)
{
	bool server = chunk->side == TRANSCRIPT_SERVER;

	if (!tally->session)
		return;
	if (chunk->kind != TRANSCRIPT_BYTES)
		tally_close(tally, server ? SESSION_END_SERVER : SESSION_END_CLIENT, chunk->time_ns);
	else if (server)
		session_received(tally->session, chunk->data, chunk->len, chunk->time_ns, true);
	else
		session_sent(tally->session, chunk->data, chunk->len, chunk->time_ns, true);
}

void tally_play(struct tally *tally, const struct transcript *transcript)
{
	for (size_t i = 0; i < transcript->chunk_count; i++)
		tally_chunk(tally, &transcript->chunks[i]);
	tally_close(tally, SESSION_END_UNKNOWN, UINT64_MAX / 2);
}
