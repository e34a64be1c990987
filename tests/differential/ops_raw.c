/* SPDX-License-Identifier: MIT */
/* What libpq cannot send. */
#include "ops.h"

#include <stdio.h>
#include <string.h>

static unsigned splits(struct client *c)
{
	return random_chance(c->random, 30) ? 1 + random_below(c->random, 4) : 0;
}

static void cycle(struct client *c, struct wire *wire, bool executes)
{
	wire_sync(wire);
	client_sends_extended(c, executes);
	client_raw_send(c, wire, splits(c));
	client_raw_cycle(c);
}

/*
 * A portal is one statement, also one that is closed before its end, and one that is executed again after it
 * and answered each time. pg_stat_statements counts it when it is dropped, even if it was never executed.
 */
static void count_portal(struct client *c, const struct truth *before)
{
	uint64_t *done = &c->truth->statements_success;
	bool ran = *done != before->statements_success || c->truth->suspended != before->suspended;

	if (c->truth->statements_failure != before->statements_failure)
		return;
	*done = before->statements_success + ran;
	c->truth->comparable = before->comparable + 1;
}

/* Execute with a row limit, several times before one Sync; to the end, past it, or not. */
static void portal(struct client *c)
{
	unsigned rows = 1 + random_below(c->random, 40), limit = 1 + random_below(c->random, 12);
	struct truth before = *c->truth;
	struct wire wire = {0};
	bool executes = false;
	char sql[SQL_MAX];

	snprintf(sql, sizeof(sql), "SELECT i, 'row' FROM generate_series(1, %u) i", rows);
	wire_parse(&wire, sql);
	wire_bind(&wire, "step");
	for (unsigned asked = 0; asked < rows && random_chance(c->random, 90); asked += limit) {
		wire_execute(&wire, "step", (int)limit);
		executes = true;
	}
	if (random_chance(c->random, 50)) {
		wire_execute(&wire, "step", 0);
		executes = true;
	}
	wire_close_portal(&wire, "step");
	cycle(c, &wire, executes);
	count_portal(c, &before);
}

/* The same over several Syncs, which needs a block. */
static void portal_across_syncs(struct client *c)
{
	struct truth before = *c->truth;
	unsigned rounds = 1 + random_below(c->random, 4);
	struct wire wire = {0};

	wire_parse(&wire, "SELECT i FROM generate_series(1, 10) i");
	wire_bind(&wire, "far");
	while (rounds-- > 0) {
		wire_execute(&wire, "far", 4);
		cycle(c, &wire, true);
	}
	wire_close_portal(&wire, "far");
	cycle(c, &wire, false);
	count_portal(c, &before);
}

/* A row limit on a command that changes rows: it runs whole at once, and its rows come in steps. */
static void portal_returning(struct client *c)
{
	struct wire wire = {0};
	char sql[SQL_MAX];

	snprintf(sql, sizeof(sql),
		 "INSERT INTO entry_%d SELECT i, 'r' FROM generate_series(1, 5) i RETURNING id", c->index);
	wire_parse(&wire, sql);
	wire_bind(&wire, "");
	wire_execute(&wire, "", 3);
	wire_execute(&wire, "", 0);
	cycle(c, &wire, true);
}

/* pgcat to its mirror: simple queries without waiting for their answers. */
static void impatient(struct client *c)
{
	unsigned count = 2 + random_below(c->random, 8), sent = 0;
	struct wire wire = {0};
	char sql[SQL_MAX];

	while (sent < count) {
		sql_statement(c, sql, 8);
		wire_query(&wire, sql);
		sent++;
		if (sent == count || random_chance(c->random, 40))
			client_raw_send(c, &wire, splits(c));
	}
	while (sent-- > 0) {
		client_sends(c, true, false);
		client_raw_cycle(c);
	}
}

/* An error that only Sync finds: the command was answered before. */
static void error_at_sync(struct client *c)
{
	struct wire wire = {0};

	wire_parse(&wire, "INSERT INTO booking VALUES (9), (9)");
	wire_bind(&wire, "");
	wire_execute(&wire, "", 0);
	cycle(c, &wire, true);
}

/* A simple Query ends an extended batch; after an error it is skipped up to Sync. */
static void query_in_batch(struct client *c)
{
	bool failing = random_chance(c->random, 50) || c->status == 'E';
	struct wire wire = {0};

	wire_parse(&wire, failing ? "SELECT 1 / 0" : "SELECT 1");
	wire_bind(&wire, "");
	wire_execute(&wire, "", 0);
	wire_query(&wire, "SELECT 2; SELECT 3");
	if (failing)
		wire_sync(&wire);
	client_sends_extended(c, true);
	client_raw_send(c, &wire, splits(c));
	client_raw_cycle(c);
}

/* PgDog's way: Parse+Sync alone, then Bind+Describe+Execute+Sync, both in flight. */
static void parse_then_execute(struct client *c)
{
	struct wire wire = {0};

	wire_parse(&wire, "SELECT count(*) FROM account");
	wire_sync(&wire);
	wire_bind(&wire, "");
	wire_message(&wire, 'D', "P", 2);
	wire_execute(&wire, "", 0);
	wire_sync(&wire);
	client_raw_send(c, &wire, splits(c));
	client_sends_extended(c, false);
	client_raw_cycle(c);
	client_sends_extended(c, true);
	client_raw_cycle(c);
}

const struct op ops_raw[] = {
    {"portal", 25, OP_ANY, portal},
    {"portal across syncs", 15, OP_BLOCK, portal_across_syncs},
    {"portal returning", 10, OP_ANY, portal_returning},
    {"impatient", 25, OP_ANY, impatient},
    {"error at sync", 5, OP_IDLE, error_at_sync},
    {"query in batch", 10, OP_ANY, query_in_batch},
    {"parse then execute", 25, OP_ANY, parse_then_execute},
    {0},
};
