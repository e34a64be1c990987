/* SPDX-License-Identifier: MIT */
#include "truth.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char *const failure_names[] = {"connection", "timeout", "query_execution"};

void truth_sent(struct truth_request *request, bool executes, bool ignored, bool extended)
{
	request->extended = extended;
	request->open = true;
	request->executed |= executes;
	request->beyond_ignored |= !ignored;
}

void truth_success(struct truth *truth, struct truth_request *request, const char *tag)
{
	truth->statements_success++;
	request->portal = request->extended && strncmp(tag, "SELECT", 6) == 0;
	/* pg_stat_statements counts neither these nor function calls */
	if (*tag && strncmp(tag, "PREPARE", 8) != 0 && strncmp(tag, "DEALLOCATE", 10) != 0)
		truth->comparable++;
	truth->deallocates += strncmp(tag, "DEALLOCATE", 10) == 0;
}

static void count_sqlstate(struct truth *truth, const char *sqlstate)
{
	for (int i = 0; i < TRUTH_SQLSTATES; i++) {
		if (!truth->errors[i].count)
			snprintf(truth->errors[i].sqlstate, sizeof(truth->errors[i].sqlstate), "%.5s",
				 sqlstate);
		if (strcmp(truth->errors[i].sqlstate, sqlstate) == 0) {
			truth->errors[i].count++;
			return;
		}
	}
	fprintf(stderr, "more than %d SQLSTATEs\n", TRUTH_SQLSTATES);
	abort();
}

/* The table of the design, in its order. */
static enum truth_failure failure_of(const char *sqlstate, const char *severity)
{
	static const char *const timeouts[] = {"57014", "55P03", "25P03", "25P04"};

	for (size_t i = 0; i < sizeof(timeouts) / sizeof(timeouts[0]); i++)
		if (strcmp(sqlstate, timeouts[i]) == 0)
			return TRUTH_TIMEOUT;
	if (strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0)
		return TRUTH_CONNECTION;
	return TRUTH_QUERY_EXECUTION;
}

static void fail(struct truth_request *request, enum truth_failure failure)
{
	if (!request->failed)
		request->failure = failure;
	request->failed = true;
}

void truth_error(struct truth *truth, struct truth_request *request, const char *sqlstate,
		 const char *severity)
{
	truth->statements_failure++;
	count_sqlstate(truth, sqlstate);
	truth->uncertain += request->portal;
	request->portal = false;
	fail(request, failure_of(sqlstate, severity));
}

static void settle(struct truth *truth, struct truth_request *request)
{
	if (request->failed) {
		truth->requests_failure++;
		truth->failures[request->failure]++;
	} else if (!request->executed && !request->block) {
		truth->upkeep++;
	} else if (!request->beyond_ignored) {
		truth->ignored++;
	} else {
		truth->requests_success++;
	}
	memset(request, 0, sizeof(*request));
}

void truth_ready(struct truth *truth, struct truth_request *request, char status)
{
	if (status == 'I')
		settle(truth, request);
	else
		request->block = true;
}

void truth_left(struct truth *truth, struct truth_request *request)
{
	truth->uncertain += request->portal;
	settle(truth, request);
}

void truth_lost(struct truth *truth, struct truth_request *request)
{
	if (!request->open)
		return;
	fail(request, TRUTH_CONNECTION);
	settle(truth, request);
}

void truth_refused(struct truth *truth, const char *sqlstate, const char *severity)
{
	enum truth_failure failure = failure_of(sqlstate, severity);

	truth->startup_errors++;
	truth->requests_failure++;
	truth->failures[failure]++;
	count_sqlstate(truth, sqlstate);
}

uint64_t truth_statements(const struct truth *truth)
{
	return truth->statements_success + truth->statements_failure;
}

void truth_print_json(const struct truth *truth, FILE *out)
{
	const char *comma = "";

	fprintf(out, "{\"statements\": {\"success\": %" PRIu64 ", \"failure\": %" PRIu64 "},\n",
		truth->statements_success, truth->statements_failure);
	fprintf(out, " \"requests\": {\"success\": %" PRIu64 ", \"failure\": %" PRIu64 "},\n \"failures\": {",
		truth->requests_success, truth->requests_failure);
	for (int i = 0; i < TRUTH_FAILURES; i++, comma = ", ")
		fprintf(out, "%s\"%s\": %" PRIu64, comma, failure_names[i], truth->failures[i]);
	fprintf(out,
		"},\n \"ignored\": %" PRIu64 ", \"upkeep\": %" PRIu64 ", \"connections\": %" PRIu64
		", \"startup_errors\": %" PRIu64 ", \"comparable\": %" PRIu64 ", \"uncertain\": %" PRIu64
		", \"deallocates\": %" PRIu64 ",\n \"errors\": {",
		truth->ignored, truth->upkeep, truth->connections, truth->startup_errors, truth->comparable,
		truth->uncertain, truth->deallocates);
	comma = "";
	for (int i = 0; i < TRUTH_SQLSTATES && truth->errors[i].count; i++, comma = ", ")
		fprintf(out, "%s\"%s\": %" PRIu64, comma, truth->errors[i].sqlstate, truth->errors[i].count);
	fprintf(out, "}}\n");
}
