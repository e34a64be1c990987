/* SPDX-License-Identifier: MIT */
/* endpoint - where to listen or connect: "127.0.0.1:5432", "[::1]:5432" or "unix:/path". Numeric only. */
#ifndef TESTPROXY_ENDPOINT_H
#define TESTPROXY_ENDPOINT_H

#include <stdbool.h>
#include <sys/socket.h>

struct endpoint {
	struct sockaddr_storage address;
	socklen_t len; /* 0 = not given */
};

/* Returns 0 or -EINVAL. */
int endpoint_parse(struct endpoint *out, const char *text);
/* Return a file descriptor (close-on-exec) or -errno. A connection under way is no error for `nonblocking`.
 */
int endpoint_listen(const struct endpoint *endpoint);
int endpoint_connect(const struct endpoint *endpoint, bool nonblocking);
/* Switches Nagle's algorithm off where there is one. */
void endpoint_no_delay(int fd);
/* Of a listening TCP socket; 0 otherwise. */
unsigned endpoint_port(int fd);

#endif
