/* SPDX-License-Identifier: MIT */
/*
 * fuzz_http - what strangers send to the HTTP port. The first byte chooses: the bytes are Accept and Host
 * headers, or a whole connection to the real server with its routes.
 */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "serve/header.h"
#include "serve/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool condition)
{
	if (!condition)
		abort();
}

static void try_headers(const uint8_t *data, size_t size)
{
	char *text = strndup((const char *)data, size);

	expect(!header_wants_openmetrics(text) || strcasestr(text, "application/openmetrics-text"));
	/* A quote is in no address and no port; below .localhost the resolver refuses what is no name. */
	expect(!header_host_is_local(text, "box") || !strchr(text, 0x27) || strcasestr(text, ".localhost"));
	free(text);
}

static void echo(void *ctx, const struct http_request *request, struct http_reply *reply)
{
	const char *value = http_query(request, "q");

	(void)ctx;
	expect(strcmp(request->path, "/echo") == 0);
	buffer_string(&reply->body, value ? value : "");
	if (header_wants_openmetrics(request->accept))
		reply->status = 503;
}

static struct http *server(void)
{
	static struct http *http;

	if (!http) {
		expect(http_new(&http, &(struct http_options){.host = "127.0.0.1"}) == 0);
		expect(http_add(http, "/echo", echo, NULL) == 0);
	}
	return http;
}

/* -1 when the machine has no port or descriptor left, or the fuzzer's own alarm comes in between: that says
 * nothing about the server. */
static int connect_to(const struct http *http)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons(http_port(http)),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct linger reset = {.l_onoff = 1}; /* no TIME_WAIT, or ports would run out */
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (connect(fd, (const void *)&to, sizeof(to))) {
		expect(errno == EADDRNOTAVAIL || errno == ENOBUFS || errno == ENOMEM || errno == EINTR);
		close(fd);
		return -1;
	}
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	return fd;
}

static void try_server(const uint8_t *data, size_t size)
{
	struct http *http = server();
	int fd = connect_to(http);
	char answer[4096];

	if (fd < 0)
		return;
	http_run(http);
	if (send(fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT) > 0) {
		shutdown(fd, SHUT_WR);
		for (int i = 0; i < 4; i++)
			http_run(http);
		while (recv(fd, answer, sizeof(answer), MSG_DONTWAIT) > 0)
			;
	}
	close(fd);
	http_run(http);
	http_run(http);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size && *data % 2)
		try_server(data + 1, size - 1);
	else if (size)
		try_headers(data + 1, size - 1);
	return 0;
}
