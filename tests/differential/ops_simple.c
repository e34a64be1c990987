/* SPDX-License-Identifier: MIT */
#include "ops.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUICK_FAILING 8 /* per cent */

static void one(struct client *c)
{
	char sql[SQL_MAX];

	sql_statement(c, sql, QUICK_FAILING);
	client_query(c, sql);
}

/* Two to five commands; at times empty ones, or a whole block. */
static void several(struct client *c)
{
	char sql[8 * SQL_MAX] = "", part[SQL_MAX];
	bool block = c->status == 'I' && random_chance(c->random, 15);

	if (block)
		strcat(sql, "BEGIN;");
	for (unsigned n = 2 + random_below(c->random, 4); n > 0; n--) {
		sql_statement(c, part, 4);
		/* a comment to the end of the line would swallow what follows */
		snprintf(sql + strlen(sql), sizeof(sql) - strlen(sql), "%s%s\n;", part,
			 random_chance(c->random, 10) ? ";;" : "");
	}
	if (block && random_chance(c->random, 80))
		strcat(sql, "COMMIT;");
	client_query(c, sql);
}

static void begin(struct client *c)
{
	client_query(c, random_chance(c->random, 80) ? "BEGIN" : "BEGIN ISOLATION LEVEL REPEATABLE READ");
}

static void end(struct client *c)
{
	static const char *const texts[] = {"COMMIT", "COMMIT",           "COMMIT", "ROLLBACK",
					    "END",    "COMMIT; SELECT 1", "ABORT"};

	client_query(c, texts[random_below(c->random, sizeof(texts) / sizeof(texts[0]))]);
}

/* An error between SAVEPOINT and ROLLBACK TO: the block goes on. */
static void savepoint(struct client *c)
{
	char sql[SQL_MAX];

	client_query(c, "SAVEPOINT one");
	sql_statement(c, sql, 50);
	client_query(c, sql);
	client_query(c, random_chance(c->random, 90) ? "ROLLBACK TO SAVEPOINT one" : "RELEASE one");
}

static void sql_prepare(struct client *c)
{
	client_query(c, "PREPARE get (int) AS SELECT id, owner FROM account WHERE id = $1");
	if (random_chance(c->random, 90))
		client_query(c, "EXECUTE get (3)");
	client_query(c, random_chance(c->random, 80) ? "EXECUTE get (4)" : "EXECUTE get ('no number')");
	client_query(c, "DEALLOCATE get");
}

static void empty(struct client *c)
{
	client_query(c, random_chance(c->random, 50) ? "" : " -- nothing\n");
}

static void health_check(struct client *c)
{
	client_sends(c, true, true);
	if (!PQsendQuery(c->conn, random_chance(c->random, 80) ? ";" : " ;\n"))
		client_die(c, "PQsendQuery");
	client_drain(c, NULL);
}

/* A statement of up to 400 KiB. */
static void large_statement(struct client *c)
{
	size_t len = 1000 + random_below(c->random, 400000);
	char *sql = malloc(len + 64);

	if (!sql)
		abort();
	strcpy(sql, "SELECT length('");
	memset(sql + 15, 'x', len);
	strcpy(sql + 15 + len, "')");
	client_query(c, sql);
	free(sql);
}

/* A result of up to 2 MB, in many rows or in one. */
static void large_result(struct client *c)
{
	char sql[SQL_MAX];
	unsigned size = 1000 + random_below(c->random, 2000000);

	if (random_chance(c->random, 50))
		snprintf(sql, sizeof(sql), "SELECT repeat('y', %u)", size);
	else
		snprintf(sql, sizeof(sql), "SELECT i, 'a row' FROM generate_series(1, %u) i", size / 25);
	client_query(c, sql);
}

/* Fastpath: int4pl (177) and int4div (154), now and then by zero. */
static void function_call(struct client *c)
{
	int divisor = (int)random_below(c->random, 4), result, len;
	PQArgBlock args[2] = {{.len = 4, .isint = 1, .u.integer = 12},
			      {.len = 4, .isint = 1, .u.integer = divisor}};
	PGresult *answer;

	client_sends(c, true, false);
	answer = PQfn(c->conn, random_chance(c->random, 50) ? 177 : 154, &result, &len, 1, args, 2);
	client_result(c, answer, true);
	PQclear(answer);
	client_ready(c);
}

/* A constraint that is checked only when the transaction commits. pg_stat_statements has counted the command
 * by then, though the client sees it fail. */
static void deferred(struct client *c)
{
	uint64_t before = c->truth->statements_failure;

	if (random_chance(c->random, 50)) {
		client_query(c, "INSERT INTO booking VALUES (7), (7)");
	} else {
		client_query(c, "BEGIN");
		client_query(c, "INSERT INTO booking VALUES (8), (8)");
		client_query(c, "COMMIT");
	}
	c->truth->comparable += c->truth->statements_failure - before;
}

static void statement_timeout(struct client *c)
{
	client_query(c, "SET statement_timeout = 2");
	client_query(c, "SELECT pg_sleep(5)");
	client_query(c, "RESET statement_timeout");
}

static void listen(struct client *c)
{
	client_query(c, random_chance(c->random, 60) ? "LISTEN news" : "UNLISTEN news");
}

static void discard(struct client *c)
{
	client_query(c, "DISCARD ALL");
	c->prepared = 0;
}

const struct op ops_simple[] = {
    {"one", 300, OP_ANY, one},
    {"several", 60, OP_ANY, several},
    {"begin", 60, OP_IDLE, begin},
    {"begin again", 1, OP_BLOCK, begin},
    {"end", 400, OP_BLOCK, end},
    {"end without begin", 2, OP_IDLE, end},
    {"savepoint", 100, OP_BLOCK, savepoint},
    {"sql prepare", 15, OP_ANY, sql_prepare},
    {"empty", 10, OP_ANY, empty},
    {"health check", 20, OP_ANY, health_check},
    {"large statement", 3, OP_ANY, large_statement},
    {"large result", 2, OP_ANY, large_result},
    {"function call", 15, OP_ANY, function_call},
    {"deferred", 5, OP_IDLE, deferred},
    {"statement timeout", 2, OP_IDLE, statement_timeout},
    {"listen", 4, OP_IDLE, listen},
    {"discard", 4, OP_IDLE, discard},
    {0},
};
