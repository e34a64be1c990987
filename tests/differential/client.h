/* SPDX-License-Identifier: MIT */
/*
 * client - one connection of the generator: libpq, and where libpq cannot go (portals with row limits, simple
 * queries without waiting) the messages themselves on libpq's socket while libpq is idle.
 *
 * Every answer is reported to struct truth as it is read. A lost connection is reopened by client_ensure.
 */
#ifndef MO_CLIENT_H
#define MO_CLIENT_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>

#include "random.h"
#include "truth.h"

struct client {
	PGconn *conn; /* NULL when closed */
	const char *conninfo;
	int index;    /* its own table is entry_<index>: no waiting for locks */
	char status;  /* of the last ReadyForQuery: 'I', 'T' or 'E' */
	int prepared; /* statements ps1..psN exist */
	struct random *random;
	struct truth *truth;
	struct truth_request request;
};

/* Connects if it is not connected. Exits the program when the server cannot be reached. */
void client_ensure(struct client *client);
/* Terminate, as PQfinish sends it, between two cycles. */
void client_close(struct client *client);
/* A start-up that the server refuses (53300). */
void client_refused_startup(struct client *client);

/* Announces to the truth what the next send holds. */
void client_sends(struct client *client, bool executes, bool ignored);
void client_sends_extended(struct client *client, bool executes);
/* Reads results to the end of the cycle; copy: called for COPY_IN, else CopyDone is sent at once. */
typedef void client_copy(struct client *client);
void client_drain(struct client *client, client_copy *copy);
/* A whole simple Query. */
void client_query(struct client *client, const char *sql);
/* Counts one result; commands: it stands for a command, not for a Parse, Describe or Close. */
void client_result(struct client *client, const PGresult *result, bool commands);
/* After the last result of a cycle: ReadyForQuery, or the connection is gone. */
void client_ready(struct client *client);
/* The status that libpq knows: 'I', 'T', 'E', or '?' while a cycle is under way. */
char client_status(const struct client *client);
bool client_alive(const struct client *client);
_Noreturn void client_die(const struct client *client, const char *what);

/* Raw messages; libpq must be idle. */
struct wire {
	char *data;
	size_t len, size;
};
void wire_message(struct wire *wire, char type, const void *body, size_t len);
void wire_query(struct wire *wire, const char *sql);
void wire_parse(struct wire *wire, const char *sql);
/* Binds the unnamed statement, without parameters. */
void wire_bind(struct wire *wire, const char *portal);
void wire_execute(struct wire *wire, const char *portal, int max_rows);
void wire_close_portal(struct wire *wire, const char *portal);
void wire_sync(struct wire *wire);
/* Sends in 1 + extra_splits writes and frees the messages. */
void client_raw_send(struct client *client, struct wire *wire, unsigned extra_splits);
/* Reads up to and with ReadyForQuery and counts what it reads. */
void client_raw_cycle(struct client *client);

#endif
