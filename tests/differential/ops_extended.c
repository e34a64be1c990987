/* SPDX-License-Identifier: MIT */
#include "ops.h"

#include <stdio.h>
#include <string.h>

#define FAILING   12 /* per cent */
#define ITEMS_MAX 12
#define BATCHES   5

enum item { ITEM_QUERY, ITEM_PREPARE, ITEM_DESCRIBE, ITEM_EXECUTE, ITEM_CONTROL, ITEMS };

static void send_query_params(struct client *c, unsigned failing)
{
	char sql[SQL_MAX], value[32];
	const char *values[] = {random_chance(c->random, 95) ? value : NULL};

	sql_parametrised(c, sql, value, failing);
	if (!PQsendQueryParams(c->conn, sql, 1, NULL, values, NULL, NULL, (int)random_below(c->random, 2)))
		client_die(c, "PQsendQueryParams");
}

static void exec_params(struct client *c)
{
	client_sends_extended(c, true);
	send_query_params(c, FAILING);
	client_drain(c, NULL);
}

/* Statements without parameters in the extended protocol; an empty text at times. */
static void exec_plain(struct client *c)
{
	char sql[SQL_MAX] = "";

	client_sends_extended(c, true);
	if (random_chance(c->random, 95))
		sql_statement(c, sql, FAILING);
	if (!PQsendQueryParams(c->conn, sql, 0, NULL, NULL, NULL, NULL, 0))
		client_die(c, "PQsendQueryParams");
	client_drain(c, NULL);
}

/* Results of a Parse or Describe: no command was answered. */
static void drain_upkeep(struct client *c)
{
	PGresult *result;

	while ((result = PQgetResult(c->conn))) {
		client_result(c, result, false);
		PQclear(result);
	}
	client_ready(c);
}

/* Parse of a statement whose text may be wrong; ps<N> is the new one. */
static void send_prepare(struct client *c, bool failing)
{
	char sql[SQL_MAX], value[32], name[16];

	snprintf(name, sizeof(name), "ps%d", c->prepared + 1);
	sql_parametrised(c, sql, value, 0);
	if (!PQsendPrepare(c->conn, name, failing ? "SELEKT $1" : sql, 0, NULL))
		client_die(c, "PQsendPrepare");
}

static void prepare(struct client *c)
{
	uint64_t before = c->truth->statements_failure;

	client_sends_extended(c, false);
	send_prepare(c, random_chance(c->random, 5));
	drain_upkeep(c);
	if (c->truth->statements_failure == before)
		c->prepared++;
}

static void pick_prepared(struct client *c, char name[16])
{
	/* one more than there are: 26000 at times */
	snprintf(name, 16, "ps%u", 1 + random_below(c->random, (uint32_t)c->prepared + (c->prepared < 4)));
}

static void send_describe(struct client *c)
{
	char name[16];

	pick_prepared(c, name);
	if (!PQsendDescribePrepared(c->conn, name))
		client_die(c, "PQsendDescribePrepared");
}

static void describe(struct client *c)
{
	client_sends_extended(c, false);
	send_describe(c);
	drain_upkeep(c);
}

static void send_prepared(struct client *c)
{
	const char *values[] = {random_chance(c->random, 95) ? "17" : "no number"};
	char name[16];

	pick_prepared(c, name);
	if (!PQsendQueryPrepared(c->conn, name, 1, values, NULL, NULL, (int)random_below(c->random, 2)))
		client_die(c, "PQsendQueryPrepared");
}

static void exec_prepared(struct client *c)
{
	if (!c->prepared && random_chance(c->random, 90)) {
		prepare(c);
		return;
	}
	client_sends_extended(c, true);
	send_prepared(c);
	client_drain(c, NULL);
}

static void send_control(struct client *c)
{
	static const char *const texts[] = {"BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT one"};

	if (!PQsendQueryParams(c->conn, texts[random_below(c->random, 4)], 0, NULL, NULL, NULL, NULL, 0))
		client_die(c, "PQsendQueryParams");
}

/* preparable: a name is free, that is, none was prepared in this pipeline yet. */
static enum item send_item(struct client *c, bool preparable)
{
	static const enum item chances[] = {ITEM_QUERY,   ITEM_QUERY,    ITEM_QUERY,
					    ITEM_QUERY,   ITEM_EXECUTE,  ITEM_EXECUTE,
					    ITEM_PREPARE, ITEM_DESCRIBE, ITEM_CONTROL};
	enum item item = chances[random_below(c->random, sizeof(chances) / sizeof(chances[0]))];

	if (item == ITEM_PREPARE && !preparable)
		item = ITEM_QUERY;
	if (item == ITEM_EXECUTE)
		send_prepared(c);
	else if (item == ITEM_DESCRIBE)
		send_describe(c);
	else if (item == ITEM_CONTROL)
		send_control(c);
	else if (item == ITEM_PREPARE)
		send_prepare(c, random_chance(c->random, 5));
	else
		send_query_params(c, 4);
	return item;
}

/* libpq does not tell the transaction status while more is in flight: follow the tags instead. */
static void follow_block(struct client *c, const PGresult *result)
{
	const char *tag = PQcmdStatus((PGresult *)result);

	if (PQresultStatus(result) == PGRES_FATAL_ERROR && c->status == 'T')
		c->status = 'E';
	else if (strcmp(tag, "BEGIN") == 0)
		c->status = 'T';
	else if (strcmp(tag, "COMMIT") == 0 || strcmp(tag, "ROLLBACK") == 0)
		c->status = 'I';
}

/* Reads the answers of one item up to the NULL that ends them. */
static void read_item(struct client *c, enum item item)
{
	PGresult *result;

	client_sends_extended(c, item != ITEM_PREPARE && item != ITEM_DESCRIBE);
	while ((result = PQgetResult(c->conn))) {
		client_result(c, result, item != ITEM_PREPARE && item != ITEM_DESCRIBE);
		follow_block(c, result);
		if (item == ITEM_PREPARE && PQresultStatus(result) == PGRES_COMMAND_OK)
			c->prepared++;
		PQclear(result);
	}
}

static void read_sync(struct client *c)
{
	PGresult *result = PQgetResult(c->conn);

	if (PQresultStatus(result) != PGRES_PIPELINE_SYNC)
		client_die(c, "no PIPELINE_SYNC where one was due");
	PQclear(result);
	truth_ready(c->truth, &c->request, c->status);
}

/* libpq's pipeline mode: some batches in flight at once, Flush without Sync in between. */
static void pipeline(struct client *c)
{
	enum item items[BATCHES][ITEMS_MAX];
	unsigned counts[BATCHES], batches = 1 + random_below(c->random, BATCHES);
	bool prepared = false;

	if (!PQenterPipelineMode(c->conn))
		client_die(c, "PQenterPipelineMode");
	for (unsigned b = 0; b < batches; b++) {
		counts[b] = 1 + random_below(c->random, random_chance(c->random, 70) ? 3 : ITEMS_MAX);
		for (unsigned i = 0; i < counts[b]; i++) {
			items[b][i] = send_item(c, !prepared);
			prepared |= items[b][i] == ITEM_PREPARE;
			if (random_chance(c->random, 10))
				PQsendFlushRequest(c->conn);
			if (random_chance(c->random, 10))
				PQflush(c->conn);
		}
		if (!PQpipelineSync(c->conn))
			client_die(c, "PQpipelineSync");
	}
	for (unsigned b = 0; b < batches; b++) {
		for (unsigned i = 0; i < counts[b]; i++)
			read_item(c, items[b][i]);
		read_sync(c);
	}
	if (!PQexitPipelineMode(c->conn))
		client_die(c, "PQexitPipelineMode");
	if (client_status(c) != c->status)
		client_die(c, "the transaction status was followed wrongly");
}

const struct op ops_extended[] = {
    {"exec params", 200, OP_ANY, exec_params},
    {"exec plain", 60, OP_ANY, exec_plain},
    {"prepare", 30, OP_ANY, prepare},
    {"describe", 15, OP_ANY, describe},
    {"exec prepared", 150, OP_ANY, exec_prepared},
    {"pipeline", 60, OP_ANY, pipeline},
    {0},
};
