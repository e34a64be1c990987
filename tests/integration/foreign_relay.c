// SPDX-License-Identifier: MIT
/*
 * foreign_relay - a TCP relay that moves its bytes in ways that few programs do. foreign_relay WAY PORT
 * prints the port that it listens on and the port that it connects to, and relays each connection to
 * 127.0.0.1:PORT. Standard input's end is its own.
 *
 *   splice, uring  no system call shows the bytes
 *   mptcp          asks for Multipath TCP; the server, which has none, makes it plain TCP
 *   mptcp-both     Multipath TCP to a second relay in this process, which goes on to the server
 *   sockmap        likewise TCP whose bytes a sockmap redirects from the one socket to the other
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <liburing.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BYTES 65536
#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

struct direction {
	int from, to;
};

static void (*move)(const struct direction *direction);
static struct sockaddr_in server = {.sin_family = AF_INET};
static struct sockaddr_in second; /* the second relay's listener, if there is one */
static int second_listener = -1, redirections = -1, protocol;
static pthread_mutex_t second_lock = PTHREAD_MUTEX_INITIALIZER;

static void by_copy(const struct direction *direction)
{
	char bytes[BYTES];
	ssize_t n;

	while ((n = read(direction->from, bytes, sizeof(bytes))) > 0)
		for (ssize_t at = 0, sent; at < n; at += sent) {
			sent = write(direction->to, bytes + at, n - at);
			if (sent <= 0)
				return;
		}
}

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

	move(direction);
	shutdown(direction->to, SHUT_WR);
	return NULL;
}

/* Until both directions have ended. */
static void carry_both(int a, int b)
{
	struct direction there = {a, b}, back = {b, a};
	pthread_t thread;

	if (!pthread_create(&thread, NULL, carry, &back)) {
		carry(&there);
		pthread_join(thread, NULL);
	}
	close(a);
	close(b);
}

static int connected(const struct sockaddr_in *to, int how)
{
	int fd = socket(AF_INET, SOCK_STREAM, how);

	if (connect(fd, (const struct sockaddr *)to, sizeof(*to)))
		perror("connect");
	return fd;
}

static uint32_t port_of(int fd)
{
	struct sockaddr_in address;
	socklen_t len = sizeof(address);

	getsockname(fd, (struct sockaddr *)&address, &len);
	return ntohs(address.sin_port);
}

/* A listener's connections share its port: the other end's tells them apart. */
static void redirect(int fd, int other)
{
	uint64_t ports = (uint64_t)port_of(fd) << 32 | port_of(other);

	if (bpf_map_update_elem(redirections, &ports, &fd, BPF_ANY))
		perror("sockmap");
}

static void *relay_further(void *arg)
{
	int fd = *(int *)arg;

	free(arg);
	carry_both(fd, connected(&server, 0));
	return NULL;
}

/* The near end of a connection to the second relay, which carries it on. */
static int by_second(void)
{
	int near, *far = malloc(sizeof(*far));
	pthread_t thread;

	pthread_mutex_lock(&second_lock);
	near = connected(&second, protocol);
	*far = accept(second_listener, NULL, NULL);
	pthread_mutex_unlock(&second_lock);
	if (redirections >= 0) {
		redirect(near, *far);
		redirect(*far, near);
	}
	if (!pthread_create(&thread, NULL, relay_further, far))
		pthread_detach(thread);
	return near;
}

static void *relay(void *arg)
{
	int fd = *(int *)arg;

	free(arg);
	carry_both(fd, second_listener >= 0 ? by_second() : connected(&server, protocol));
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

static int listening(int how)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, how);

	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 64)) {
		perror("listen");
		exit(1);
	}
	return fd;
}

static void load_redirections(const char *program)
{
	char path[4096];
	struct bpf_object *object;
	int err;

	snprintf(path, sizeof(path), "%s_sockmap.bpf.o", program);
	object = bpf_object__open_file(path, NULL);
	if (!object || bpf_object__load(object))
		exit(1);
	redirections = bpf_object__find_map_fd_by_name(object, "sockets");
	err = bpf_prog_attach(bpf_program__fd(bpf_object__next_program(object, NULL)), redirections,
			      BPF_SK_MSG_VERDICT, 0);
	if (err)
		exit(1);
}

static void choose(const char *program, const char *way)
{
	bool both = !strcmp(way, "mptcp-both"), sockmap = !strcmp(way, "sockmap");

	move = !strcmp(way, "uring") ? by_uring : !strcmp(way, "splice") ? by_splice : by_copy;
	protocol = !strncmp(way, "mptcp", 5) ? IPPROTO_MPTCP : 0;
	if (sockmap)
		load_redirections(program);
	if (!both && !sockmap)
		return;
	second = server;
	second_listener = listening(protocol);
	second.sin_port = htons(port_of(second_listener));
}

int main(int argc, char **argv)
{
	pthread_t thread;
	int listener;
	char byte;

	if (argc != 3)
		return 2;
	signal(SIGPIPE, SIG_IGN);
	server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	server.sin_port = htons(atoi(argv[2]));
	choose(argv[0], argv[1]);
	listener = listening(0);
	if (pthread_create(&thread, NULL, accept_all, &listener))
		return 1;
	printf("%u %d\n", port_of(listener), ntohs((second_listener >= 0 ? second : server).sin_port));
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	return 0;
}
