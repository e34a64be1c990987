/* SPDX-License-Identifier: MIT */
/* Raw frontend messages and the reader of their answers; declared in client.h. */
#include "client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void append(struct wire *wire, const void *data, size_t len)
{
	if (wire->len + len > wire->size) {
		wire->size = (wire->len + len) * 2;
		wire->data = realloc(wire->data, wire->size);
		if (!wire->data)
			abort();
	}
	if (len)
		memcpy(wire->data + wire->len, data, len);
	wire->len += len;
}

void wire_message(struct wire *wire, char type, const void *body, size_t len)
{
	uint32_t length = htonl((uint32_t)len + 4);

	append(wire, &type, 1);
	append(wire, &length, 4);
	append(wire, body, len);
}

void wire_query(struct wire *wire, const char *sql)
{
	wire_message(wire, 'Q', sql, strlen(sql) + 1);
}

/* The message around a body; frees the body. */
static void finish(struct wire *wire, char type, struct wire *body)
{
	wire_message(wire, type, body->data, body->len);
	free(body->data);
}

void wire_parse(struct wire *wire, const char *sql)
{
	struct wire body = {0};

	append(&body, "", 1);
	append(&body, sql, strlen(sql) + 1);
	append(&body, "\0", 2);
	finish(wire, 'P', &body);
}

void wire_bind(struct wire *wire, const char *portal)
{
	struct wire body = {0};

	append(&body, portal, strlen(portal) + 1);
	append(&body, "\0\0\0\0\0\0", 7);
	finish(wire, 'B', &body);
}

void wire_execute(struct wire *wire, const char *portal, int max_rows)
{
	uint32_t rows = htonl((uint32_t)max_rows);
	struct wire body = {0};

	append(&body, portal, strlen(portal) + 1);
	append(&body, &rows, 4);
	finish(wire, 'E', &body);
}

void wire_close_portal(struct wire *wire, const char *portal)
{
	struct wire body = {0};

	append(&body, "P", 1);
	append(&body, portal, strlen(portal) + 1);
	finish(wire, 'C', &body);
}

void wire_sync(struct wire *wire)
{
	wire_message(wire, 'S', NULL, 0);
}

/* libpq's sockets do not block. */
static void await(const struct client *client, short events)
{
	struct pollfd poller = {.fd = PQsocket(client->conn), .events = events};

	while (poll(&poller, 1, 60000) <= 0)
		if (errno != EINTR)
			client_die(client, "no progress for a minute");
}

static void write_all(const struct client *client, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(PQsocket(client->conn), data, len);

		if (n < 0 && errno != EAGAIN && errno != EINTR)
			client_die(client, strerror(errno));
		if (n < 0) {
			await(client, POLLOUT);
			continue;
		}
		data += n;
		len -= (size_t)n;
	}
}

void client_raw_send(struct client *client, struct wire *wire, unsigned extra_splits)
{
	size_t at = 0;

	for (; extra_splits > 0 && wire->len - at > 1; extra_splits--) {
		size_t part = 1 + random_below(client->random, (uint32_t)(wire->len - at - 1));

		write_all(client, wire->data + at, part);
		at += part;
	}
	write_all(client, wire->data + at, wire->len - at);
	free(wire->data);
	memset(wire, 0, sizeof(*wire));
}

static void read_all(const struct client *client, char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = read(PQsocket(client->conn), data, len);

		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
			client_die(client, "the connection broke in a raw cycle");
		if (n < 0) {
			await(client, POLLIN);
			continue;
		}
		data += n;
		len -= (size_t)n;
	}
}

static const char *error_field(const char *body, char code)
{
	while (*body && *body != code)
		body += strlen(body) + 1;
	return *body ? body + 1 : "";
}

static void count_message(struct client *client, char type, const char *body)
{
	if (type == 'C')
		truth_success(client->truth, &client->request, body);
	else if (type == 'E')
		truth_error(client->truth, &client->request, error_field(body, 'C'), error_field(body, 'V'));
	else if (type == 's')
		client->truth->suspended++;
	else if (type == 'Z')
		client->status = body[0];
	else if (!strchr("12nTDISNAt3", type))
		client_die(client, "unexpected message in a raw cycle");
}

void client_raw_cycle(struct client *client)
{
	char head[5], *body;
	uint32_t length;

	do {
		read_all(client, head, sizeof(head));
		memcpy(&length, head + 1, 4);
		length = ntohl(length) - 4;
		body = calloc(1, length + 2);
		if (!body)
			abort();
		read_all(client, body, length);
		count_message(client, head[0], body);
		free(body);
	} while (head[0] != 'Z');
	truth_ready(client->truth, &client->request, client->status);
}
