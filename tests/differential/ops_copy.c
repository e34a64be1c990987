/* SPDX-License-Identifier: MIT */
#include "ops.h"

#include <stdio.h>
#include <string.h>

static void put(struct client *c, const char *data)
{
	if (PQputCopyData(c->conn, data, (int)strlen(data)) != 1)
		client_die(c, "PQputCopyData");
}

static void put_rows(struct client *c)
{
	unsigned rows = random_below(c->random, random_chance(c->random, 5) ? 5000 : 20);

	for (unsigned i = 0; i < rows; i++)
		put(c, random_chance(c->random, 90) ? "1\tone line\n" : "2\ttwo\n3\tthree lines\n");
}

static void put_end(struct client *c, const char *error)
{
	if (PQputCopyEnd(c->conn, error) != 1)
		client_die(c, "PQputCopyEnd");
}

static void copy_good(struct client *c)
{
	put_rows(c);
	put_end(c, NULL);
}

/* The server complains at the bad line and throws the rest away. */
static void copy_bad(struct client *c)
{
	put_rows(c);
	put(c, "no number\tbad\n");
	put_rows(c);
	put_end(c, NULL);
}

static void copy_fail(struct client *c)
{
	put_rows(c);
	put_end(c, "changed my mind");
}

static client_copy *any_copy(struct client *c)
{
	unsigned chance = random_below(c->random, 100);

	if (chance < 80)
		return copy_good;
	return chance < 92 ? copy_bad : copy_fail;
}

static void copy_in(struct client *c)
{
	char sql[SQL_MAX];

	snprintf(sql, sizeof(sql), "COPY entry_%d FROM STDIN", c->index);
	client_sends(c, true, false);
	if (!PQsendQuery(c->conn, sql))
		client_die(c, "PQsendQuery");
	client_drain(c, any_copy(c));
}

/* libpq sends Sync right after Execute, and another one after CopyDone: the server ignores the first. */
static void copy_in_extended(struct client *c)
{
	char sql[SQL_MAX];

	snprintf(sql, sizeof(sql), "COPY %s_%d FROM STDIN",
		 random_chance(c->random, 95) ? "entry" : "nowhere", c->index);
	client_sends(c, true, false);
	if (!PQsendQueryParams(c->conn, sql, 0, NULL, NULL, NULL, NULL, 0))
		client_die(c, "PQsendQueryParams");
	client_drain(c, any_copy(c));
}

static void copy_in_several(struct client *c)
{
	char sql[SQL_MAX];

	snprintf(sql, sizeof(sql),
		 "SELECT 1; COPY entry_%d FROM STDIN; COPY account TO STDOUT; COPY entry_%d FROM STDIN; "
		 "DELETE FROM entry_%d",
		 c->index, c->index, c->index);
	client_sends(c, true, false);
	if (!PQsendQuery(c->conn, sql))
		client_die(c, "PQsendQuery");
	client_drain(c, any_copy(c));
}

static void copy_out(struct client *c)
{
	char sql[SQL_MAX];
	bool extended = random_chance(c->random, 50);

	snprintf(sql, sizeof(sql), "COPY (SELECT 100 / (%u - i) FROM generate_series(1, 200) i) TO STDOUT",
		 random_chance(c->random, 80) ? 500 : 150);
	client_sends(c, true, false);
	if (!(extended ? PQsendQueryParams(c->conn, sql, 0, NULL, NULL, NULL, NULL, 0)
		       : PQsendQuery(c->conn, sql)))
		client_die(c, "COPY TO");
	client_drain(c, NULL);
}

const struct op ops_copy[] = {
    {"copy in", 20, OP_ANY, copy_in},
    {"copy in extended", 15, OP_ANY, copy_in_extended},
    {"copy in several", 8, OP_ANY, copy_in_several},
    {"copy out", 20, OP_ANY, copy_out},
    {0},
};
