// SPDX-License-Identifier: MIT
/*
 * foreign_relay - a TCP relay whose bytes no system call shows: it moves them with splice, or with io_uring.
 * foreign_relay splice|uring PORT prints the port it listens on, and relays each connection to
 * 127.0.0.1:PORT. Standard input's end is its own.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <liburing.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BYTES 65536

struct direction {
	int from, to;
};

static bool use_uring;
static struct sockaddr_in server = {.sin_family = AF_INET};

static void by_splice(const struct direction *direction)
{
	int ends[2];
	ssize_t n = 0;

	if (pipe(ends))
		return;
	while ((n = splice(direction->from, NULL, ends[1], NULL, BYTES, SPLICE_F_MOVE)) > 0)
		while (n > 0) {
			ssize_t moved = splice(ends[0], NULL, direction->to, NULL, n, SPLICE_F_MOVE);

			if (moved <= 0)
				goto out;
			n -= moved;
		}
out:
	close(ends[0]);
	close(ends[1]);
}

static int one(struct io_uring *uring, int fd, void *bytes, size_t len, bool receive)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(uring);
	struct io_uring_cqe *cqe;
	int n;

	if (receive)
		io_uring_prep_recv(sqe, fd, bytes, len, 0);
	else
		io_uring_prep_send(sqe, fd, bytes, len, MSG_WAITALL | MSG_NOSIGNAL);
	if (io_uring_submit_and_wait(uring, 1) < 0 || io_uring_wait_cqe(uring, &cqe))
		return -1;
	n = cqe->res;
	io_uring_cqe_seen(uring, cqe);
	return n;
}

static void by_uring(const struct direction *direction)
{
	struct io_uring uring;
	char *bytes = malloc(BYTES);
	int n;

	if (bytes && !io_uring_queue_init(4, &uring, 0)) {
		while ((n = one(&uring, direction->from, bytes, BYTES, true)) > 0)
			if (one(&uring, direction->to, bytes, n, false) != n)
				break;
		io_uring_queue_exit(&uring);
	}
	free(bytes);
}

static void *carry(void *arg)
{
	const struct direction *direction = arg;

	(use_uring ? by_uring : by_splice)(direction);
	shutdown(direction->to, SHUT_WR);
	return NULL;
}

static void *relay(void *arg)
{
	int fds[2] = {*(int *)arg, socket(AF_INET, SOCK_STREAM, 0)};
	struct direction there = {fds[0], fds[1]}, back = {fds[1], fds[0]};
	pthread_t thread;

	free(arg);
	if (!connect(fds[1], (struct sockaddr *)&server, sizeof(server)) &&
	    !pthread_create(&thread, NULL, carry, &back)) {
		carry(&there);
		pthread_join(thread, NULL);
	}
	close(fds[0]);
	close(fds[1]);
	return NULL;
}

static void *accept_all(void *arg)
{
	int listener = *(int *)arg;

	for (;;) {
		int *fd = malloc(sizeof(*fd));
		pthread_t thread;

		*fd = accept(listener, NULL, NULL);
		if (*fd < 0 || pthread_create(&thread, NULL, relay, fd))
			return NULL;
		pthread_detach(thread);
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	pthread_t thread;
	char byte;

	if (argc != 3)
		return 2;
	signal(SIGPIPE, SIG_IGN);
	use_uring = !strcmp(argv[1], "uring");
	server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	server.sin_port = htons(atoi(argv[2]));
	if (bind(listener, (struct sockaddr *)&address, len) || listen(listener, 64) ||
	    getsockname(listener, (struct sockaddr *)&address, &len) ||
	    pthread_create(&thread, NULL, accept_all, &listener))
		return 1;
	printf("%d\n", ntohs(address.sin_port));
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	return 0;
}
