/* SPDX-License-Identifier: MIT */
#include "client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void quiet(void *ctx, const char *message)
{
	(void)ctx;
	(void)message;
}

static const char *field(const PGresult *result, int code)
{
	const char *text = PQresultErrorField(result, code);

	return text ? text : "";
}

void client_die(const struct client *client, const char *what)
{
	fprintf(stderr, "generator: %s: %s\n", what, client->conn ? PQerrorMessage(client->conn) : "closed");
	exit(1);
}

bool client_alive(const struct client *client)
{
	return client->conn && PQstatus(client->conn) == CONNECTION_OK;
}

void client_ensure(struct client *client)
{
	char conninfo[512];

	if (client->conn)
		return;
	/* prefer: an SSLRequest first, which the server answers N */
	snprintf(conninfo, sizeof(conninfo), "%s sslmode=%s", client->conninfo,
		 random_chance(client->random, 50) ? "prefer" : "disable");
	client->conn = PQconnectdb(conninfo);
	if (!client_alive(client))
		client_die(client, "cannot connect");
	PQsetNoticeProcessor(client->conn, quiet, NULL);
	client->truth->connections++;
	client->status = 'I';
	client->prepared = 0;
}

static void drop(struct client *client)
{
	PQfinish(client->conn);
	client->conn = NULL;
}

void client_close(struct client *client)
{
	if (client->conn)
		drop(client);
}

void client_refused_startup(struct client *client)
{
	char conninfo[512];
	PGconn *conn;

	snprintf(conninfo, sizeof(conninfo), "%s sslmode=disable user=full_role", client->conninfo);
	conn = PQconnectdb(conninfo);
	if (PQstatus(conn) == CONNECTION_OK || !strstr(PQerrorMessage(conn), "too many connections"))
		client_die(client, "the start-up was not refused");
	PQfinish(conn);
	truth_refused(client->truth, "53300", "FATAL");
}

void client_sends(struct client *client, bool executes, bool ignored)
{
	truth_sent(&client->request, executes, ignored, false);
}

void client_sends_extended(struct client *client, bool executes)
{
	truth_sent(&client->request, executes, false, true);
}

void client_result(struct client *client, const PGresult *result, bool commands)
{
	switch (PQresultStatus(result)) {
	case PGRES_TUPLES_OK:
	case PGRES_COMMAND_OK:
		if (commands)
			truth_success(client->truth, &client->request, PQcmdStatus((PGresult *)result));
		break;
	case PGRES_FATAL_ERROR:
		if (*field(result, PG_DIAG_SQLSTATE))
			truth_error(client->truth, &client->request, field(result, PG_DIAG_SQLSTATE),
				    field(result, PG_DIAG_SEVERITY_NONLOCALIZED));
		break;
	case PGRES_EMPTY_QUERY:
	case PGRES_PIPELINE_ABORTED:
	case PGRES_COPY_IN:
	case PGRES_COPY_OUT:
		break;
	default:
		client_die(client, PQresStatus(PQresultStatus(result)));
	}
}

char client_status(const struct client *client)
{
	switch (PQtransactionStatus(client->conn)) {
	case PQTRANS_IDLE:
		return 'I';
	case PQTRANS_INTRANS:
		return 'T';
	case PQTRANS_INERROR:
		return 'E';
	default:
		return '?';
	}
}

void client_ready(struct client *client)
{
	if (!client_alive(client)) {
		truth_lost(client->truth, &client->request);
		drop(client);
		return;
	}
	client->status = client_status(client);
	if (client->status == '?')
		client_die(client, "libpq is not at the end of a cycle");
	truth_ready(client->truth, &client->request, client->status);
}

static void read_copy_out(struct client *client)
{
	char *row;

	while (PQgetCopyData(client->conn, &row, 0) > 0)
		PQfreemem(row);
}

void client_drain(struct client *client, client_copy *copy)
{
	PGresult *result;

	while ((result = PQgetResult(client->conn))) {
		ExecStatusType status = PQresultStatus(result);

		client_result(client, result, true);
		PQclear(result);
		if (status == PGRES_COPY_OUT)
			read_copy_out(client);
		else if (status == PGRES_COPY_IN && copy)
			copy(client);
		else if (status == PGRES_COPY_IN)
			PQputCopyEnd(client->conn, NULL);
	}
	client_ready(client);
}

void client_query(struct client *client, const char *sql)
{
	client_sends(client, true, false);
	if (!PQsendQuery(client->conn, sql))
		client_die(client, "PQsendQuery");
	client_drain(client, NULL);
}
