/* SPDX-License-Identifier: MIT */
/*
 * truth - what the client library was told, added up by the definitions of the metrics. Shares no code with
 * the observer.
 *
 * A cycle is what one ReadyForQuery ends; a request goes from idle to the ReadyForQuery that reports idle.
 */
#ifndef MO_TRUTH_H
#define MO_TRUTH_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define TRUTH_SQLSTATES 64

enum truth_failure { TRUTH_CONNECTION, TRUTH_TIMEOUT, TRUTH_QUERY_EXECUTION, TRUTH_FAILURES };

struct truth {
	uint64_t statements_success, statements_failure;
	uint64_t requests_success, requests_failure;
	uint64_t failures[TRUTH_FAILURES];
	uint64_t ignored, upkeep; /* requests */
	uint64_t connections, startup_errors;
	uint64_t suspended; /* PortalSuspended, answered like a command, but not the end of one */
	/* Calls that pg_stat_statements must have counted; of these it may lack `uncertain`: it counts a
	 * SELECT of the extended protocol when its portal is dropped, and never if an error drops it. */
	uint64_t comparable, uncertain;
	uint64_t deallocates; /* not in comparable: counted by PostgreSQL 17 and later only */
	struct {
		char sqlstate[6];
		uint64_t count;
	} errors[TRUTH_SQLSTATES];
};

/* Of one connection: the request under way. */
struct truth_request {
	bool open;           /* something was sent since idle */
	bool block;          /* a ReadyForQuery within it reported an open block */
	bool executed;       /* more than Parse, Describe, Close */
	bool beyond_ignored; /* something that is not in ignore_statements */
	bool extended;       /* the cycle under way is of the extended protocol */
	bool portal;         /* a SELECT was answered whose portal may still be there */
	bool failed;
	enum truth_failure failure; /* of its first error */
};

/* A cycle is about to begin; executes: it holds a Query, Execute or FunctionCall. */
void truth_sent(struct truth_request *request, bool executes, bool ignored, bool extended);
/* One command was answered. tag: its CommandComplete tag, "" for a function call. */
void truth_success(struct truth *truth, struct truth_request *request, const char *tag);
/* One ErrorResponse that answered a command. */
void truth_error(struct truth *truth, struct truth_request *request, const char *sqlstate,
		 const char *severity);
/* ReadyForQuery with status 'I', 'T' or 'E'. */
void truth_ready(struct truth *truth, struct truth_request *request, char status);
/* The client ends an idle connection, an open block with it: a rollback, no failure of its own. */
void truth_left(struct truth *truth, struct truth_request *request);
/* The connection is gone. */
void truth_lost(struct truth *truth, struct truth_request *request);
/* A start-up that the server refused. */
void truth_refused(struct truth *truth, const char *sqlstate, const char *severity);

uint64_t truth_statements(const struct truth *truth);
void truth_print_json(const struct truth *truth, FILE *out);

#endif
