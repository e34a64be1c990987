/* SPDX-License-Identifier: MIT */
#include "endpoint.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

static int parse_unix(struct endpoint *out, const char *path)
{
	struct sockaddr_un *un = (struct sockaddr_un *)&out->address;

	if (!*path || strlen(path) >= sizeof(un->sun_path))
		return -EINVAL;
	un->sun_family = AF_UNIX;
	strcpy(un->sun_path, path);
	out->len = sizeof(*un);
	return 0;
}

static int parse_ip(struct endpoint *out, const char *host, unsigned port)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)&out->address;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&out->address;

	if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons((uint16_t)port);
		out->len = sizeof(*v4);
	} else if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons((uint16_t)port);
		out->len = sizeof(*v6);
	} else {
		return -EINVAL;
	}
	return 0;
}

int endpoint_parse(struct endpoint *out, const char *text)
{
	char host[64], *end;
	const char *colon = strrchr(text, ':');

	memset(out, 0, sizeof(*out));
	if (!strncmp(text, "unix:", 5))
		return parse_unix(out, text + 5);
	if (!colon || (size_t)(colon - text) >= sizeof(host))
		return -EINVAL;
	bool brackets = *text == '[' && colon > text && colon[-1] == ']';
	snprintf(host, sizeof(host), "%.*s", (int)(colon - text) - 2 * brackets, text + brackets);
	unsigned long port = strtoul(colon + 1, &end, 10);
	if (end == colon + 1 || *end || port > 65535)
		return -EINVAL;
	return parse_ip(out, host, (unsigned)port);
}

int endpoint_listen(const struct endpoint *endpoint)
{
	const struct sockaddr *address = (const struct sockaddr *)&endpoint->address;
	int on = 1, fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	if (address->sa_family == AF_UNIX)
		unlink(((const struct sockaddr_un *)address)->sun_path);
	else
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, address, endpoint->len) < 0 || listen(fd, 1024) < 0) {
		int err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

int endpoint_connect(const struct endpoint *endpoint, bool nonblocking)
{
	const struct sockaddr *address = (const struct sockaddr *)&endpoint->address;
	int type = SOCK_STREAM | SOCK_CLOEXEC | (nonblocking ? SOCK_NONBLOCK : 0);
	int fd = socket(address->sa_family, type, 0);

	if (fd < 0)
		return -errno;
	if (connect(fd, address, endpoint->len) < 0 && !(nonblocking && errno == EINPROGRESS)) {
		int err = -errno;
		close(fd);
		return err;
	}
	endpoint_no_delay(fd);
	return fd;
}

void endpoint_no_delay(int fd)
{
	int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* fails on Unix sockets: fine */
}

unsigned endpoint_port(int fd)
{
	struct sockaddr_storage address;
	socklen_t len = sizeof(address);

	if (getsockname(fd, (struct sockaddr *)&address, &len) < 0)
		return 0;
	if (address.ss_family == AF_INET)
		return ntohs(((struct sockaddr_in *)&address)->sin_port);
	if (address.ss_family == AF_INET6)
		return ntohs(((struct sockaddr_in6 *)&address)->sin6_port);
	return 0;
}
