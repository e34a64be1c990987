/* SPDX-License-Identifier: MIT */
/*
 * tally - a session's sink that counts, as the cluster stage would, and plays transcripts into sessions.
 *
 * The counts use the words of the transcripts' `truth` lines. A failed start-up is one failed request.
 */
#ifndef MO_TALLY_H
#define MO_TALLY_H

#include "support/transcript.h"
#include "wire/session.h"

#define TALLY_LOG_MAX      4096
#define TALLY_ROWS_UNKNOWN UINT64_MAX
#define TALLY_RESULTS_MAX  4096

/* A statement's or request's outcome, as far as runs of one tape compare. */
struct tally_result {
	uint64_t done_ns; /* tells which it is: chunks differ in time */
	uint64_t sent_ns; /* 0, or of a request done_ns: not known */
	enum outcome outcome;
	enum failure_type failure;
	char sqlstate[6];
	char tag[32]; /* of a request: its kind */
	uint64_t rows;
	bool homeless; /* a statement of no query: the error of a batch without Execute */
};

struct tally {
	struct session *session;
	char user[64], database[64];
	uint64_t deepest; /* most queries outstanding at once */
	uint64_t sent, answered, skipped, keyed;
	uint64_t statements[OUTCOMES], ignored_statements[OUTCOMES];
	uint64_t calls; /* successful statements that pg_stat_statements counts */
	uint64_t requests[OUTCOMES], ignored, upkeep;
	uint64_t failures[FAILURE_NONE];
	uint64_t errors;
	uint64_t blind_ns;
	uint64_t notes[SESSION_NOTES];
	bool broken; /* an outcome without or with the wrong failure type, a query answered twice or unasked
			... */
	struct session_query last_sent, last_answered;
	struct session_statement last_statement;
	struct session_request last_request;
	char last_text[256];
	char
	    log[TALLY_LOG_MAX]; /* one word an outcome: "s+" "s-timeout" "r?" ..., for comparisons in tests */
	size_t log_len;
	uint64_t answers_seen; /* highest serial */
	struct tally_result results[TALLY_RESULTS_MAX];
	size_t result_count;
};

extern const struct session_options tally_options;

/* A new session with tally as its sink. */
void tally_open(struct tally *tally, const struct session_options *options, bool fresh);
/* Closes and frees the session; counts a start-up that never ended as a failed request, as the connect it is.
 */
void tally_close(struct tally *tally, enum session_end how, uint64_t now_ns);
/* One chunk of a transcript; a close or reset ends the session. */
void tally_chunk(struct tally *tally, const struct transcript_chunk *chunk);
/* All of it. */
void tally_play(struct tally *tally, const struct transcript *transcript);

#endif
