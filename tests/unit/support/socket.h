/* SPDX-License-Identifier: MIT */
/*
 * socket - one of the proxy's sockets, as the kernel's records tell of it, and what the sink of its
 * connection was told.
 */
#ifndef MO_TEST_SOCKET_H
#define MO_TEST_SOCKET_H

#include "capture/conn.h"

#define SECOND 1000000000ull
#define SOCK   7

/* What the sink was told. */
struct told {
	struct conns *conns;
	uint64_t now;
	uint32_t pos[2];
	unsigned attempts[ATTEMPTS], requests[OUTCOMES], closed;
	enum failure_type failure; /* of the last request */
	int open[CONN_STATES];
	uint64_t bytes[2];
	char database[64];
	const char *path;
	struct role role;
};

#define SEND(told, bytes)    socket_move(told, DIRECTION_SEND, bytes, sizeof(bytes) - 1)
#define RECEIVE(told, bytes) socket_move(told, DIRECTION_RECV, bytes, sizeof(bytes) - 1)

#define STARTUP "\0\0\0\x1c\0\3\0\0user\0u\0database\0db\0\0"
#define READY   "R\0\0\0\x08\0\0\0\0Z\0\0\0\5I"
#define QUERY   "Q\0\0\0\x0dSELECT 1\0"
#define ANSWER  "C\0\0\0\x0dSELECT 1\0Z\0\0\0\5I"

/* A test gets a table of connections, empty. */
#define SOCKET_TEST(name) cmocka_unit_test_setup_teardown(name, socket_set_up, socket_tear_down)
int socket_set_up(void **state);
int socket_tear_down(void **state);
void socket_open(struct told *told, uint64_t sock, uint32_t state, uint8_t flags);
void socket_change(struct told *told, uint8_t from, uint8_t to, int error);
void socket_eof(struct told *told);
void socket_destroyed(struct told *told);
void socket_move(struct told *told, enum event_direction direction, const void *bytes, uint32_t len);
void socket_connect(struct told *told);
void socket_start(struct told *told);
unsigned socket_attempts(const struct told *told);
void assert_attempt(const struct told *told, enum conn_attempt result);
uint64_t socket_known(const struct told *told);

#endif
