/* SPDX-License-Identifier: MIT */
#include "relay.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "proxy.h"

#define BYTES 65536
#define PARTS 3 /* iovecs of one call */

struct relay {
	struct proxy *proxy;
	int fds[2]; /* client, backend */
};

/* Cuts the buffer into parts of unequal size. */
static int cut(struct iovec iov[PARTS], uint8_t *bytes, size_t len)
{
	size_t first = len > 7 ? 7 : len, second = (len - first) / 2;

	iov[0] = (struct iovec){bytes, first};
	iov[1] = (struct iovec){bytes + first, second};
	iov[2] = (struct iovec){bytes + first + second, len - first - second};
	return PARTS;
}

static ssize_t take(enum proxy_io io, int fd, uint8_t *bytes, size_t len)
{
	struct iovec iov[PARTS];
	struct msghdr message = {.msg_iov = iov, .msg_iovlen = PARTS};

	switch (io) {
	case IO_READ_WRITE:
		return read(fd, bytes, len);
	case IO_RECV_SEND:
		return recv(fd, bytes, len, 0);
	case IO_VECTOR:
		return readv(fd, iov, cut(iov, bytes, len));
	default:
		cut(iov, bytes, len);
		return recvmsg(fd, &message, 0);
	}
}

static ssize_t put(enum proxy_io io, int fd, uint8_t *bytes, size_t len)
{
	struct iovec iov[PARTS];
	struct msghdr message = {.msg_iov = iov, .msg_iovlen = PARTS};

	switch (io) {
	case IO_READ_WRITE:
		return write(fd, bytes, len); /* SIGPIPE is ignored */
	case IO_RECV_SEND:
		return send(fd, bytes, len, MSG_NOSIGNAL);
	case IO_VECTOR:
		return writev(fd, iov, cut(iov, bytes, len));
	default:
		cut(iov, bytes, len);
		return sendmsg(fd, &message, MSG_NOSIGNAL);
	}
}

/* Moves what one receive gives from fds[from] to the other; false when that direction is over. */
static bool move(struct relay *relay, int from)
{
	const struct proxy_options *options = &relay->proxy->options;
	uint8_t bytes[BYTES];
	ssize_t got = take(options->io, relay->fds[from], bytes, sizeof(bytes));

	if (got < 0 && errno == EINTR)
		return true;
	for (ssize_t at = 0; at < got;) {
		size_t len = (size_t)(got - at);
		if (options->chunk && len > options->chunk)
			len = options->chunk;
		ssize_t n = put(options->io, relay->fds[!from], bytes + at, len);
		if (n < 0 && errno != EINTR)
			got = -1;
		else if (n > 0)
			at += n;
	}
	if (got > 0) {
		__atomic_fetch_add(&relay->proxy->truth.relayed[from], (uint64_t)got, __ATOMIC_RELAXED);
		return true;
	}
	if (got < 0) { /* a reset: nothing more can come either way, and the other side shall see one too */
		struct linger hard = {.l_onoff = 1};
		setsockopt(relay->fds[!from], SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
		shutdown(relay->fds[from], SHUT_RDWR);
		shutdown(relay->fds[!from], SHUT_RD);
	} else {
		shutdown(relay->fds[!from], SHUT_WR);
	}
	return false;
}

static void *run_replies(void *ctx)
{
	while (move(ctx, 1))
		;
	return NULL;
}

static void run_alone(struct relay *relay)
{
	struct pollfd polls[2] = {{relay->fds[0], POLLIN, 0}, {relay->fds[1], POLLIN, 0}};

	while (polls[0].fd >= 0 || polls[1].fd >= 0) {
		if (poll(polls, 2, -1) < 0 && errno != EINTR)
			return;
		for (int i = 0; i < 2; i++)
			if (polls[i].revents && !move(relay, i))
				polls[i].fd = -1;
	}
}

static void *run(void *ctx)
{
	struct relay *relay = ctx;
	pthread_t replies;

	relay->fds[1] = endpoint_connect(&relay->proxy->options.primary, false);
	if (relay->fds[1] >= 0) {
		bool two =
		    relay->proxy->options.threads && !pthread_create(&replies, NULL, run_replies, relay);
		if (two) {
			while (move(relay, 0))
				;
			pthread_join(replies, NULL);
		} else {
			run_alone(relay);
		}
		close(relay->fds[1]);
	}
	close(relay->fds[0]);
	__atomic_fetch_sub(&relay->proxy->truth.clients, 1, __ATOMIC_RELAXED);
	free(relay);
	return NULL;
}

int relay_start(struct proxy *proxy, int fd)
{
	struct relay *relay = NULL;
	pthread_attr_t attributes;
	pthread_t thread;

	if (__atomic_load_n(&proxy->truth.clients, __ATOMIC_RELAXED) < PROXY_CLIENTS_MAX)
		relay = malloc(sizeof(*relay));
	if (!relay) {
		close(fd);
		return -ENOMEM;
	}
	fcntl(fd, F_SETFL, 0); /* blocking */
	endpoint_no_delay(fd);
	*relay = (struct relay){.proxy = proxy, .fds = {fd, -1}};
	__atomic_fetch_add(&proxy->truth.clients, 1, __ATOMIC_RELAXED);
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 4 * BYTES);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	int err = -pthread_create(&thread, &attributes, run, relay);
	pthread_attr_destroy(&attributes);
	if (err) {
		__atomic_fetch_sub(&proxy->truth.clients, 1, __ATOMIC_RELAXED);
		close(fd);
		free(relay);
	}
	return err;
}
