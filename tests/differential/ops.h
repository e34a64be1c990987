/* SPDX-License-Identifier: MIT */
/*
 * ops - what a session may do next. Each op is one or more whole cycles on one connection; what it leads to
 * is read from the answers, never foretold.
 */
#ifndef MO_OPS_H
#define MO_OPS_H

#include "client.h"

enum op_when { OP_ANY, OP_IDLE, OP_BLOCK }; /* OP_IDLE: outside of a block; OP_BLOCK: inside of one */

struct op {
	const char *name;
	unsigned weight;
	enum op_when when;
	void (*run)(struct client *client);
};

extern const struct op ops_simple[], ops_extended[], ops_copy[], ops_raw[],
    ops_connection[]; /* end: no name */

#define SQL_MAX 1024

/* A statement that works on this client's own table, or (percent) one that fails. Writes at most SQL_MAX. */
void sql_statement(struct client *client, char *sql, unsigned failing_percent);
/* The same with parameters $1 (int) and, in *text, the value to bind. */
void sql_parametrised(struct client *client, char *sql, char *value, unsigned failing_percent);

#endif
