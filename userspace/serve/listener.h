/* SPDX-License-Identifier: MIT */
/*
 * listener - the TCP socket that the HTTP server listens on, and whose connections come from this machine.
 */
#ifndef MO_LISTENER_H
#define MO_LISTENER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct listener {
	int fd; /* the caller closes it */
	uint16_t port;
	bool loopback; /* only this machine can connect to it */
};

/* host is a numeric address ("::" serves IPv4 too), port 0 lets the kernel choose. 0 or -errno: then error is
 * one sentence. */
int listener_open(struct listener *out, const char *host, uint16_t port, char *error, size_t error_len);

/* 127.0.0.0/8 and ::1, also written as ::ffff:127.0.0.1. */
bool listener_is_loopback(const struct sockaddr *address);

#endif
