/* SPDX-License-Identifier: MIT */
#include "request.h"

#include <stdlib.h>
#include <string.h>

struct cycle *cycle_new(void)
{
	return calloc(1, sizeof(struct cycle));
}

void cycle_free(struct cycle **cycle)
{
	if (!*cycle)
		return;
	buffer_free(&(*cycle)->bytes);
	buffer_free(&(*cycle)->times);
	buffer_free(&(*cycle)->kinds);
	free(*cycle);
	*cycle = NULL;
}

unsigned cycle_sent(const struct cycle *cycle)
{
	return (unsigned)(cycle->times.len / sizeof(uint64_t));
}

uint64_t cycle_time(const struct cycle *cycle, unsigned statement)
{
	uint64_t time = 0;

	if (statement < cycle_sent(cycle))
		memcpy(&time, buffer_at(&cycle->times, statement * sizeof(time)), sizeof(time));
	return time;
}

bool cycle_control(const struct cycle *cycle, unsigned statement)
{
	return statement < cycle->kinds.len && *buffer_at(&cycle->kinds, statement);
}

struct request *request_new(void)
{
	return calloc(1, sizeof(struct request));
}

void request_free(struct request **request)
{
	if (!*request)
		return;
	while ((*request)->first) {
		struct cycle *next = (*request)->first->next;
		cycle_free(&(*request)->first);
		(*request)->first = next;
	}
	free(*request);
	*request = NULL;
}

void request_add(struct request *request, struct cycle *cycle)
{
	cycle->next = NULL;
	*(request->last ? &request->last->next : &request->first) = cycle;
	request->last = cycle;
	for (unsigned i = 0; i < cycle_sent(cycle); i++)
		tally_add(&request->statements, cycle_control(cycle, i), 1);
	request->lost |= cycle->lost;
}
