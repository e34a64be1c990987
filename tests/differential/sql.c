/* SPDX-License-Identifier: MIT */
#include "ops.h"

#include <stdio.h>
#include <string.h>

/* %1$d: number of the client's table, %2$u: a random number, %3$.*4$s: padding. Few utility texts: in
 * pg_stat_statements each is an entry of its own. */
static const char *const good[] = {
    "SELECT id, note FROM entry_%1$d WHERE id < %2$u %3$s LIMIT 20",
    "SELECT i, md5(i::text) FROM generate_series(1, %2$u %% 300) i %3$s",
    "INSERT INTO entry_%1$d VALUES (%2$u, 'a %3$s')",
    "INSERT INTO entry_%1$d SELECT i, 'many' FROM generate_series(1, %2$u %% 7) i RETURNING id",
    "UPDATE entry_%1$d SET note = 'changed %3$s' WHERE id = %2$u",
    "DELETE FROM entry_%1$d WHERE id <= %2$u %3$s",
    "SELECT",
    "VALUES (%2$u, '%3$s'), (2, 'two')",
    "WITH gone AS (DELETE FROM entry_%1$d WHERE id = %2$u RETURNING *) SELECT count(*) FROM gone",
    "TABLE account %3$s",
    "/* a comment; with a semicolon */ SELECT %2$u -- and one more %3$s",
    "DROP TABLE IF EXISTS nothing",
    "DO $$ BEGIN RAISE NOTICE 'one'; RAISE WARNING 'two %%', 3; END $$",
    "SET application_name = 'differential'",
    "SHOW server_version",
    "NOTIFY news",
    "EXPLAIN SELECT 1",
    "SELECT repeat('wide', %2$u * 20)",
};
static const char *const failing[] = {
    "SELECT * FROM nowhere %3$s",
    "SELECT 1 / (%2$u - %2$u)",
    "SELECT 100 / (50 - i) FROM generate_series(1, 100) i",
    "INSERT INTO account VALUES (1, 'taken %3$s')",
    "INSERT INTO account VALUES (%2$u + 1000000, NULL)",
    "SELECT 'no number %3$s'::int",
    "SELEKT %2$u",
    "DO $$ BEGIN RAISE EXCEPTION 'on purpose' USING ERRCODE = 'P0099'; END $$",
    "SELECT no_such_function(%2$u)",
    "CREATE TABLE account (id int)",
    "SET statement_timeout = 'nonsense'",
    "ROLLBACK TO SAVEPOINT unheard_of",
    "DEALLOCATE unheard_of",
};
static const char *const good_parametrised[] = {
    "SELECT id, note FROM entry_%d WHERE id = $1",
    "INSERT INTO entry_%d VALUES ($1, 'bound')",
    "UPDATE entry_%d SET note = 'bound' WHERE id = $1",
    "SELECT i FROM generate_series(1, $1::int %% 50) i",
    "DELETE FROM entry_%d WHERE id = $1",
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#pragma GCC diagnostic ignored "-Wformat-nonliteral"

void sql_statement(struct client *client, char *sql, unsigned failing_percent)
{
	static const char padding[] =
	    "/* ................................................................ */";
	char pad[sizeof(padding) + 8] = "";
	const char *format;

	if (random_chance(client->random, 30))
		snprintf(pad, sizeof(pad), "/* %.*s */", (int)random_below(client->random, 60), padding + 3);
	if (random_chance(client->random, failing_percent))
		format = failing[random_below(client->random, COUNT(failing))];
	else
		format = good[random_below(client->random, COUNT(good))];
	snprintf(sql, SQL_MAX, format, client->index, random_below(client->random, 1000), pad);
}

void sql_parametrised(struct client *client, char *sql, char *value, unsigned failing_percent)
{
	const char *format = good_parametrised[random_below(client->random, COUNT(good_parametrised))];

	snprintf(sql, SQL_MAX, format, client->index);
	snprintf(value, 32, "%u", random_below(client->random, 1000));
	if (!random_chance(client->random, failing_percent))
		return;
	switch (random_below(client->random, 3)) {
	case 0: /* at Parse */
		snprintf(sql, SQL_MAX, "SELECT * FROM nowhere WHERE id = $1");
		break;
	case 1: /* at Bind */
		snprintf(value, 32, "no number");
		break;
	default: /* at Execute, after rows where $1 is larger than 1 */
		snprintf(sql, SQL_MAX, "SELECT 10 / (i - $1::int) FROM generate_series(1, $1::int + 1) i");
		break;
	}
}
