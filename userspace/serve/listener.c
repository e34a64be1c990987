/* SPDX-License-Identifier: MIT */
#include "serve/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

union endpoint {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

bool listener_is_loopback(const struct sockaddr *address)
{
	const struct sockaddr_in *v4 = (const void *)address;
	const struct in6_addr *v6 = &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;

	if (address->sa_family == AF_INET)
		return ntohl(v4->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	return address->sa_family == AF_INET6 &&
	       (IN6_IS_ADDR_LOOPBACK(v6) || (IN6_IS_ADDR_V4MAPPED(v6) && v6->s6_addr[12] == IN_LOOPBACKNET));
}

static bool parse(const char *host, uint16_t port, union endpoint *out)
{
	memset(out, 0, sizeof(*out));
	if (inet_pton(AF_INET, host, &out->v4.sin_addr) == 1) {
		out->v4.sin_family = AF_INET;
		out->v4.sin_port = htons(port);
		return true;
	}
	if (inet_pton(AF_INET6, host, &out->v6.sin6_addr) == 1) {
		out->v6.sin6_family = AF_INET6;
		out->v6.sin6_port = htons(port);
		return true;
	}
	return false;
}

/* "::" serves IPv4 too, whatever the machine's net.ipv6.bindv6only says. */
static int bind_and_listen(int fd, union endpoint *endpoint)
{
	int on = 1, off = 0;
	bool v6 = endpoint->any.sa_family == AF_INET6;
	socklen_t len = v6 ? sizeof(endpoint->v6) : sizeof(endpoint->v4);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (v6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (bind(fd, &endpoint->any, len) || listen(fd, SOMAXCONN) || getsockname(fd, &endpoint->any, &len))
		return -errno;
	return 0;
}

static int open_socket(union endpoint *endpoint)
{
	int fd = socket(endpoint->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), err;

	if (fd < 0)
		return -errno;
	err = bind_and_listen(fd, endpoint);
	if (!err)
		return fd;
	close(fd);
	return err;
}

int listener_open(struct listener *out, const char *host, uint16_t port, char *error, size_t error_len)
{
	union endpoint endpoint;
	int fd;

	if (!parse(host, port, &endpoint)) {
		snprintf(error, error_len, "listen: %s is not a numeric address", host);
		return -EINVAL;
	}
	fd = open_socket(&endpoint);
	if (fd < 0) {
		snprintf(error, error_len, "listen: cannot listen on %s port %u: %s", host, port,
			 strerror(-fd));
		return fd;
	}
	/* sin_port and sin6_port are at the same place. */
	*out = (struct listener){
	    .fd = fd, .port = ntohs(endpoint.v4.sin_port), .loopback = listener_is_loopback(&endpoint.any)};
	return 0;
}
