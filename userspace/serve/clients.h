/* SPDX-License-Identifier: MIT */
/*
 * clients - the open HTTP connections: deadlines and limits that keep a scrape possible while others hold
 * connections open.
 *
 * A limit never refuses a newcomer, which may be the scraper at the same address as a flood: it cuts the
 * oldest connection that waits, so that a scrape succeeds unless hundreds of connections arrive between its
 * connect and its request. Deadlines are absolute, so that one byte now and then does not extend them.
 * Cutting is shutdown(2): whoever owns the descriptor sees its end and removes the client. Times are
 * CLOCK_MONOTONIC milliseconds, passed in.
 */
#ifndef MO_CLIENTS_H
#define MO_CLIENTS_H

#include <stdint.h>
#include <sys/socket.h>

enum client_state {
	CLIENT_NEW,       /* accepted; its first request has not arrived whole */
	CLIENT_IDLE,      /* between two requests */
	CLIENT_SERVING,   /* from a whole request to the last byte of its response */
	CLIENT_STREAMING, /* takes an answer without an end (stream.h): since its last frame began */
	CLIENT_CUT,       /* shut down, waiting to be removed */
	CLIENT_STATES,
};

struct clients_limits {
	unsigned int total;       /* NEW, IDLE and SERVING together */
	unsigned int per_address; /* of one IPv4 address or IPv6 /64 */
	unsigned int serving;     /* responses under way, which hold memory */
	unsigned int streaming;   /* in addition to total; the one whose frame is oldest is cut */
	uint32_t deadline_ms[CLIENT_CUT];
};
extern const struct clients_limits clients_default_limits;

struct clients;
struct client;

int clients_new(struct clients **out, const struct clients_limits *limits);
void clients_free(struct clients **clients);

/* In state CLIENT_NEW; cuts another where a limit is passed. NULL without memory. */
struct client *clients_add(struct clients *clients, int fd, const struct sockaddr *peer, uint64_t now_ms);
/* A client that was cut stays so. */
void clients_move(struct clients *clients, struct client *client, enum client_state state, uint64_t now_ms);
void clients_remove(struct clients *clients, struct client *client);
/* Cuts what is past its deadline. */
void clients_sweep(struct clients *clients, uint64_t now_ms);
/* Milliseconds until the next deadline, -1 when there is none. */
int clients_timeout(const struct clients *clients, uint64_t now_ms);
unsigned int clients_count(const struct clients *clients, enum client_state state);

#endif
