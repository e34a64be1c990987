/* SPDX-License-Identifier: MIT */
/*
 * groups - what a survey found, put together for the diagnosis: each connection once, without those that were
 * accepted, grouped by where they go; with the database where it can be told.
 *
 * The database of a connection whose start-up packet nobody saw stands in the title of the server's process
 * (update_process_title), when that runs on the same host: "postgres: user database host(port) idle".
 */
#ifndef MO_GROUPS_H
#define MO_GROUPS_H

#include <stdbool.h>
#include <stddef.h>

#include "diagnosis/diagnosis.h"

struct groups;

int groups_new(struct groups **out);
void groups_free(struct groups **groups);

/* A start-up packet named that database; fits: it belongs to a cluster. Where no title tells, and nothing
 * that fits went there, it is taken for the database of all connections to that address. */
void groups_startup(struct groups *groups, const struct address *remote, const char *database, bool fits);

/* Begin, add everything that the survey tells, finish. */
void groups_begin(struct groups *groups);
/* A probe_surveyed; ctx is the struct groups. */
void groups_add(void *ctx, const struct survey *found);
void groups_finish(struct groups *groups);

const struct diagnosis_group *groups_list(const struct groups *groups, size_t *count);
/* Processes of the proxy that hold a socket. */
size_t groups_processes(const struct groups *groups);

/* The database in the title of a server's process; false where it is no such title. */
bool groups_database(const char *title, char out[DIAGNOSIS_DATABASE_MAX]);

#endif
