/* SPDX-License-Identifier: MIT */
#include "serve/clients.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

const struct clients_limits clients_default_limits = {
    .total = 512,
    .per_address = 384,
    .serving = 64,
    .streaming = 32,
    .deadline_ms =
	{[CLIENT_NEW] = 5000, [CLIENT_IDLE] = 75000, [CLIENT_SERVING] = 30000, [CLIENT_STREAMING] = 30000},
};

struct client {
	struct client *previous, *next;
	enum client_state state;
	int fd;
	uint64_t since_ms;
	unsigned char address[8]; /* IPv4 address and zeros, or the first 64 bits of IPv6 */
};

/* One list per state, each in the order of since_ms. */
struct list {
	struct client *oldest, *newest;
	unsigned int count;
};

struct clients {
	struct clients_limits limits;
	struct list lists[CLIENT_STATES];
};

int clients_new(struct clients **out, const struct clients_limits *limits)
{
	struct clients *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->limits = *limits;
	*out = c;
	return 0;
}

void clients_free(struct clients **clients)
{
	if (!*clients)
		return;
	for (int i = 0; i < CLIENT_STATES; i++)
		while ((*clients)->lists[i].oldest)
			clients_remove(*clients, (*clients)->lists[i].oldest);
	free(*clients);
	*clients = NULL;
}

static void list_append(struct list *list, struct client *client)
{
	client->previous = list->newest;
	client->next = NULL;
	*(list->newest ? &list->newest->next : &list->oldest) = client;
	list->newest = client;
	list->count++;
}

static void list_remove(struct list *list, struct client *client)
{
	*(client->previous ? &client->previous->next : &list->oldest) = client->next;
	*(client->next ? &client->next->previous : &list->newest) = client->previous;
	list->count--;
}

static void relist(struct clients *c, struct client *client, enum client_state state)
{
	list_remove(&c->lists[client->state], client);
	client->state = state;
	list_append(&c->lists[state], client);
}

static void cut(struct clients *c, struct client *client)
{
	relist(c, client, CLIENT_CUT);
	shutdown(client->fd, SHUT_RDWR);
}

static void set_address(struct client *client, const struct sockaddr *peer)
{
	const struct sockaddr_in6 *v6 = (const void *)peer;

	if (peer->sa_family == AF_INET)
		memcpy(client->address, &((const struct sockaddr_in *)(const void *)peer)->sin_addr, 4);
	else if (peer->sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
		memcpy(client->address, v6->sin6_addr.s6_addr + 12, 4);
	else if (peer->sa_family == AF_INET6)
		memcpy(client->address, v6->sin6_addr.s6_addr, 8);
}

static bool same_address(const struct client *a, const struct client *b)
{
	return memcmp(a->address, b->address, sizeof(a->address)) == 0;
}

/* Waiting clients in that state that share like's address; of all addresses when like is NULL. */
static unsigned int count_waiting(const struct clients *c, enum client_state state, const struct client *like)
{
	unsigned int count = 0;

	if (!like)
		return c->lists[state].count;
	for (const struct client *i = c->lists[state].oldest; i; i = i->next)
		count += same_address(i, like);
	return count;
}

/*
 * Over the limit: the oldest of the larger group goes, NEW or IDLE. So a flood in either state cuts its own,
 * and a newcomer only after as many others again.
 */
static void enforce(struct clients *c, unsigned int limit, const struct client *like)
{
	unsigned int fresh = count_waiting(c, CLIENT_NEW, like), idle = count_waiting(c, CLIENT_IDLE, like);
	struct client *victim;

	if (fresh + idle + count_waiting(c, CLIENT_SERVING, like) <= limit)
		return;
	victim = c->lists[fresh >= idle ? CLIENT_NEW : CLIENT_IDLE].oldest;
	while (victim && like && !same_address(victim, like))
		victim = victim->next;
	if (victim)
		cut(c, victim);
}

struct client *clients_add(struct clients *c, int fd, const struct sockaddr *peer, uint64_t now_ms)
{
	struct client *client = calloc(1, sizeof(*client));

	if (!client)
		return NULL;
	client->fd = fd;
	client->since_ms = now_ms;
	set_address(client, peer);
	list_append(&c->lists[CLIENT_NEW], client);
	enforce(c, c->limits.per_address, client);
	enforce(c, c->limits.total, NULL);
	return client;
}

void clients_move(struct clients *c, struct client *client, enum client_state state, uint64_t now_ms)
{
	if (client->state == CLIENT_CUT)
		return;
	client->since_ms = now_ms;
	relist(c, client, state);
	if (c->lists[CLIENT_SERVING].count > c->limits.serving)
		cut(c, c->lists[CLIENT_SERVING].oldest);
	if (c->lists[CLIENT_STREAMING].count > c->limits.streaming)
		cut(c, c->lists[CLIENT_STREAMING].oldest);
}

void clients_remove(struct clients *c, struct client *client)
{
	list_remove(&c->lists[client->state], client);
	free(client);
}

void clients_sweep(struct clients *c, uint64_t now_ms)
{
	for (int state = 0; state < CLIENT_CUT; state++) {
		struct list *list = &c->lists[state];

		while (list->oldest && now_ms >= list->oldest->since_ms + c->limits.deadline_ms[state])
			cut(c, list->oldest);
	}
}

int clients_timeout(const struct clients *c, uint64_t now_ms)
{
	int timeout = -1;

	for (int state = 0; state < CLIENT_CUT; state++) {
		const struct client *oldest = c->lists[state].oldest;
		uint64_t deadline = oldest ? oldest->since_ms + c->limits.deadline_ms[state] : 0;
		int left = deadline > now_ms ? (int)(deadline - now_ms) : 0;

		if (oldest && (timeout < 0 || left < timeout))
			timeout = left;
	}
	return timeout;
}

unsigned int clients_count(const struct clients *clients, enum client_state state)
{
	return clients->lists[state].count;
}
