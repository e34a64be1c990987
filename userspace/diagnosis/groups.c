/* SPDX-License-Identifier: MIT */
#include "diagnosis/groups.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FOUND_MAX    65536
#define STARTUPS_MAX 64
#define TITLES_MAX   64 /* read in one survey: connections of a pool go to the same database */

/* The last database that start-up packets to an address named. */
struct startup {
	struct address remote;
	char database[DIAGNOSIS_DATABASE_MAX];
	bool fits; /* one of them did */
};

/* A process and a group that one of its connections is in. */
struct member {
	uint32_t pid, group;
};

struct groups {
	struct startup startups[STARTUPS_MAX];
	size_t startup_count;
	struct survey *found;
	size_t count, capacity;
	struct diagnosis_group groups[DIAGNOSIS_GROUPS_MAX];
	size_t group_count, processes, titles;
	uint64_t listening[65536 / 64];
};

/* ------------------------------------------------------------------------------------------ the database */

bool groups_database(const char *title, char out[DIAGNOSIS_DATABASE_MAX])
{
	char copy[256], *word, *rest, *before = NULL;

	*out = '\0';
	if (strncmp(title, "postgres: ", 10) != 0)
		return false;
	snprintf(copy, sizeof(copy), "%s", title + 10);
	for (word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
		size_t len = strlen(word);

		if (before && (strcmp(word, "[local]") == 0 ||
			       (len > 3 && word[len - 1] == ')' && strchr(word, '(')))) {
			snprintf(out, DIAGNOSIS_DATABASE_MAX, "%.*s", DIAGNOSIS_DATABASE_MAX - 1, before);
			return true;
		}
		before = word;
	}
	return false;
}

static bool database_of_process(uint32_t pid, char out[DIAGNOSIS_DATABASE_MAX])
{
	char path[32], title[256];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%u/cmdline", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, title, sizeof(title) - 1);
	if (fd >= 0)
		close(fd);
	title[n > 0 ? n : 0] = '\0';
	return n > 0 && groups_database(title, out);
}

/* The other end of the same connection, which the survey tells because its address is a target. */
static const struct survey *server_of(const struct groups *groups, const struct survey *client)
{
	for (size_t i = 0; i < groups->count; i++) {
		const struct survey *found = &groups->found[i];

		if (found->local_port == client->remote_port && found->remote_port == client->local_port &&
		    !found->is_unix && memcmp(found->local, client->remote, sizeof(found->local)) == 0)
			return found;
	}
	return NULL;
}

static struct startup *startup_to(struct groups *groups, const uint8_t ip[16], uint16_t port)
{
	for (size_t i = 0; i < groups->startup_count; i++)
		if (groups->startups[i].remote.port == port &&
		    memcmp(groups->startups[i].remote.ip, ip, sizeof(groups->startups[i].remote.ip)) == 0)
			return &groups->startups[i];
	return NULL;
}

void groups_startup(struct groups *groups, const struct address *remote, const char *database, bool fits)
{
	struct startup *startup = startup_to(groups, remote->ip, remote->port);

	if (!startup && groups->startup_count < STARTUPS_MAX) {
		startup = &groups->startups[groups->startup_count++];
		*startup = (struct startup){.remote = *remote};
	}
	if (!startup)
		return;
	startup->fits |= fits;
	snprintf(startup->database, sizeof(startup->database), "%.*s", DIAGNOSIS_DATABASE_MAX - 1, database);
}

static void find_database(struct groups *groups, const struct survey *client,
			  char out[DIAGNOSIS_DATABASE_MAX])
{
	const struct startup *startup;
	const struct survey *server;

	*out = '\0';
	if (client->is_unix || groups->titles == TITLES_MAX)
		return;
	server = server_of(groups, client);
	groups->titles += server != NULL;
	if (server && database_of_process(server->pid, out))
		return;
	startup = startup_to(groups, client->remote, client->remote_port);
	if (startup && !startup->fits)
		memcpy(out, startup->database, sizeof(startup->database));
}

/* ---------------------------------------------------------------------------------------------- grouping */

static bool listens(const struct groups *groups, uint16_t port)
{
	return groups->listening[port / 64] >> (port % 64) & 1;
}

static bool is_outgoing(const struct groups *groups, const struct survey *found)
{
	if (found->state != TCP_ESTABLISHED && found->state != TCP_SYN_SENT)
		return false;
	return found->is_unix || !listens(groups, found->local_port);
}

static bool is_in(const struct diagnosis_group *group, const struct survey *found, const char *database)
{
	const struct survey *one = &group->found;

	return one->of_proxy == found->of_proxy && one->is_unix == found->is_unix &&
	       one->is_mptcp == found->is_mptcp && one->is_redirected == found->is_redirected &&
	       one->remote_port == found->remote_port &&
	       memcmp(one->remote, found->remote, sizeof(one->remote)) == 0 &&
	       memcmp(one->comm, found->comm, sizeof(one->comm)) == 0 &&
	       strcmp(one->path, found->path) == 0 && strcmp(group->database, database) == 0;
}

/* Returns the group's place, DIAGNOSIS_GROUPS_MAX where there is none left. */
static size_t put(struct groups *groups, const struct survey *found, const char *database)
{
	struct diagnosis_group *group = groups->groups;

	while (group < groups->groups + groups->group_count && !is_in(group, found, database))
		group++;
	if (group == groups->groups + DIAGNOSIS_GROUPS_MAX)
		return DIAGNOSIS_GROUPS_MAX;
	if (group == groups->groups + groups->group_count) {
		groups->group_count++;
		*group = (struct diagnosis_group){.found = *found};
		snprintf(group->database, sizeof(group->database), "%s", database);
	}
	group->count++;
	return group - groups->groups;
}

static int by_process(const void *a, const void *b)
{
	const struct member *x = a, *y = b;

	return x->pid < y->pid ? -1 : x->pid > y->pid;
}

/* Which groups have a process in common: a bit each. */
static void keep_company(struct groups *groups, struct member *members, size_t count)
{
	size_t end;

	qsort(members, count, sizeof(*members), by_process);
	for (size_t i = 0; i < count; i = end) {
		uint64_t of_process[DIAGNOSIS_GROUPS_MAX / 64] = {0};

		for (end = i; end < count && members[end].pid == members[i].pid; end++)
			of_process[members[end].group / 64] |= 1ull << (members[end].group % 64);
		for (size_t k = i; k < end; k++)
			for (size_t w = 0; w < DIAGNOSIS_GROUPS_MAX / 64; w++)
				groups->groups[members[k].group].company[w] |= of_process[w];
	}
}

/* Several processes may hold one socket: the proxy's own before others'. */
static int by_socket(const void *a, const void *b)
{
	const struct survey *x = a, *y = b;

	if (x->sock != y->sock)
		return x->sock < y->sock ? -1 : 1;
	return (int)y->of_proxy - (int)x->of_proxy;
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static size_t count_processes(const struct groups *groups)
{
	uint32_t *pids = calloc(groups->count + 1, sizeof(*pids));
	size_t n = 0, distinct = 0;

	if (!pids)
		return 0;
	for (size_t i = 0; i < groups->count; i++)
		if (groups->found[i].of_proxy)
			pids[n++] = groups->found[i].pid;
	qsort(pids, n, sizeof(*pids), by_number);
	for (size_t i = 0; i < n; i++)
		distinct += !i || pids[i] != pids[i - 1];
	free(pids);
	return distinct;
}

void groups_begin(struct groups *groups)
{
	groups->count = groups->group_count = groups->processes = groups->titles = 0;
	memset(groups->listening, 0, sizeof(groups->listening));
}

void groups_add(void *ctx, const struct survey *found)
{
	struct groups *groups = ctx;

	if (groups->count == groups->capacity) {
		size_t capacity = groups->capacity ? 2 * groups->capacity : 256;
		struct survey *grown =
		    capacity > FOUND_MAX ? NULL : realloc(groups->found, capacity * sizeof(*grown));

		if (!grown)
			return;
		groups->found = grown;
		groups->capacity = capacity;
	}
	groups->found[groups->count++] = *found;
	if (found->state == TCP_LISTEN && !found->is_unix)
		groups->listening[found->local_port / 64] |= 1ull << (found->local_port % 64);
}

void groups_finish(struct groups *groups)
{
	struct member *members = calloc(groups->count + 1, sizeof(*members));
	char database[DIAGNOSIS_DATABASE_MAX];
	size_t count = 0, group;

	groups->processes = count_processes(groups);
	qsort(groups->found, groups->count, sizeof(*groups->found), by_socket);
	for (size_t i = 0; i < groups->count; i++) {
		const struct survey *found = &groups->found[i];

		if ((i && found->sock == found[-1].sock) || !is_outgoing(groups, found))
			continue;
		find_database(groups, found, database);
		group = put(groups, found, database);
		if (members && group < DIAGNOSIS_GROUPS_MAX)
			members[count++] = (struct member){.pid = found->pid, .group = group};
	}
	if (members)
		keep_company(groups, members, count);
	free(members);
}

const struct diagnosis_group *groups_list(const struct groups *groups, size_t *count)
{
	*count = groups->group_count;
	return groups->groups;
}

size_t groups_processes(const struct groups *groups)
{
	return groups->processes;
}

int groups_new(struct groups **out)
{
	*out = calloc(1, sizeof(**out));
	return *out ? 0 : -ENOMEM;
}

void groups_free(struct groups **groups)
{
	if (!*groups)
		return;
	free((*groups)->found);
	free(*groups);
	*groups = NULL;
}
