// SPDX-License-Identifier: MIT
/*
 * traps - a small client that moves bytes over one TCP connection with every system call there is, one
 * command a line on standard input. Each is answered by `RESULT ERRNO`. What it sends is its own endless
 * stream, byte i of which is (i * 7 + i / 256) % 256; test_capture.py compares what was captured with that.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define BUFFER_BYTES (16u << 20)
#define MAX_VECTOR   1024

static int sock = -1;
static unsigned char *buffer; /* page-aligned */
static uint64_t sent;         /* bytes of the stream that the kernel took */
static struct iovec vector[MAX_VECTOR];

static void fill(size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		buffer[i] = (sent + i) * 7 + (sent + i) / 256;
}

/* Cuts the first bytes of the buffer into count parts that differ in size; the last takes the rest. */
static void cut(size_t bytes, int count)
{
	size_t at = 0, part = bytes / count;

	for (int i = 0; i < count; i++) {
		size_t here = part && i % 2 && i + 1 < count ? part - 1 : part;

		vector[i] = (struct iovec){buffer + at, i + 1 < count ? here : bytes - at};
		at += here;
	}
}

static ssize_t do_connect(const char *address, int port, bool blocking)
{
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	bool is_v4 = inet_pton(AF_INET, address, &v4.sin_addr) == 1;

	inet_pton(AF_INET6, address, &v6.sin6_addr);
	if (sock < 0)
		sock = socket(is_v4 ? AF_INET : AF_INET6, SOCK_STREAM | (blocking ? 0 : SOCK_NONBLOCK), 0);
	return is_v4 ? connect(sock, (struct sockaddr *)&v4, sizeof(v4))
		     : connect(sock, (struct sockaddr *)&v6, sizeof(v6));
}

static ssize_t do_sendmmsg(size_t bytes, int messages)
{
	struct mmsghdr headers[4] = {0};
	ssize_t total = 0;

	cut(bytes, messages);
	for (int i = 0; i < messages; i++)
		headers[i].msg_hdr = (struct msghdr){.msg_iov = &vector[i], .msg_iovlen = 1};
	messages = sendmmsg(sock, headers, messages, 0);
	for (int i = 0; i < messages; i++)
		total += headers[i].msg_len;
	return messages < 0 ? -1 : total;
}

static ssize_t do_recvmmsg(size_t bytes, int messages)
{
	struct mmsghdr headers[4] = {0};
	ssize_t total = 0;

	cut(bytes, messages);
	for (int i = 0; i < messages; i++)
		headers[i].msg_hdr = (struct msghdr){.msg_iov = &vector[i], .msg_iovlen = 1};
	messages = recvmmsg(sock, headers, messages, 0, NULL);
	for (int i = 0; i < messages; i++)
		total += headers[i].msg_len;
	return messages < 0 ? -1 : total;
}

static ssize_t do_sendfile(size_t bytes)
{
	int file = memfd_create("traps", 0);
	off_t offset = 0;
	ssize_t n;

	if (write(file, buffer, bytes) != (ssize_t)bytes)
		return -1;
	n = sendfile(sock, file, &offset, bytes);
	close(file);
	return n;
}

static ssize_t do_splice(size_t bytes, bool send)
{
	int ends[2];
	ssize_t n;

	if (pipe(ends))
		return -1;
	if (send) {
		n = write(ends[1], buffer, bytes);
		n = splice(ends[0], NULL, sock, NULL, n, 0);
	} else {
		n = splice(sock, NULL, ends[1], NULL, bytes, 0);
	}
	close(ends[0]);
	close(ends[1]);
	return n;
}

static ssize_t uring_result(struct io_uring *uring)
{
	struct io_uring_cqe *cqe;
	ssize_t n;

	if (io_uring_wait_cqe(uring, &cqe))
		return -1;
	n = cqe->res;
	io_uring_cqe_seen(uring, cqe);
	if (n >= 0)
		return n;
	errno = -n;
	return -1;
}

/* With async the operation is done by a kernel thread of the ring. */
static ssize_t do_uring(size_t bytes, bool send, bool async)
{
	struct io_uring uring;
	struct io_uring_sqe *sqe;
	ssize_t n;

	if (io_uring_queue_init(4, &uring, 0))
		return -1;
	sqe = io_uring_get_sqe(&uring);
	if (send)
		io_uring_prep_send(sqe, sock, buffer, bytes, 0);
	else
		io_uring_prep_recv(sqe, sock, buffer, bytes, 0);
	if (async)
		sqe->flags |= IOSQE_ASYNC;
	io_uring_submit(&uring);
	n = uring_result(&uring);
	io_uring_queue_exit(&uring);
	return n;
}

/*
 * Submits a receive before there is anything to read; it is done on the way back from some other call: here a
 * read of a pipe, whose registers look just like those of a receive.
 */
static ssize_t do_uring_late(size_t bytes)
{
	struct io_uring uring;
	unsigned char other;
	int ends[2];
	ssize_t n;

	if (io_uring_queue_init(4, &uring, 0) || pipe(ends))
		return -1;
	io_uring_prep_recv(io_uring_get_sqe(&uring), sock, buffer, bytes, 0);
	io_uring_submit(&uring);
	puts("waiting");
	fflush(stdout);
	do {
		n = write(ends[1], "x", 1);
		n = read(ends[0], &other, 1);
	} while (n == 1 && !io_uring_cq_ready(&uring));
	n = uring_result(&uring);
	io_uring_queue_exit(&uring);
	close(ends[0]);
	close(ends[1]);
	return n;
}

struct blocked_call {
	size_t bytes;
	bool send;
	ssize_t result;
	int error;
};

static void *blocked_call(void *arg)
{
	struct blocked_call *call = arg;

	call->result =
	    call->send ? send(sock, buffer, call->bytes, 0) : recv(sock, buffer, call->bytes, MSG_WAITALL);
	call->error = errno;
	return NULL;
}

/*
 * A call that blocks after it has moved the first page; that page then becomes inaccessible, and `go` on
 * standard input says that the peer goes on. So the kernel moved bytes that nobody can read any more.
 */
static ssize_t do_unreadable(size_t bytes, bool send)
{
	struct blocked_call call = {.bytes = bytes, .send = send};
	pthread_t thread;
	char line[16];

	pthread_create(&thread, NULL, blocked_call, &call);
	puts("waiting");
	fflush(stdout);
	if (fgets(line, sizeof(line), stdin))
		mprotect(buffer, 4096, PROT_NONE);
	puts("protected");
	fflush(stdout);
	pthread_join(thread, NULL);
	mprotect(buffer, 4096, PROT_READ | PROT_WRITE);
	errno = call.error;
	return call.result;
}

static ssize_t in_thread(size_t bytes)
{
	struct blocked_call call = {.bytes = bytes, .send = true};
	pthread_t thread;

	pthread_create(&thread, NULL, blocked_call, &call);
	pthread_join(thread, NULL);
	errno = call.error;
	return call.result;
}

static ssize_t in_child(size_t bytes)
{
	pid_t child = fork();
	int status;

	if (!child)
		_exit(send(sock, buffer, bytes, 0) == (ssize_t)bytes ? 0 : 1);
	waitpid(child, &status, 0);
	return status ? -1 : (ssize_t)bytes;
}

static ssize_t do_error_queue(void)
{
	char control[64];
	struct msghdr message = {.msg_control = control, .msg_controllen = sizeof(control)};

	return recvmsg(sock, &message, MSG_ERRQUEUE);
}

static ssize_t do_close(bool reset)
{
	struct linger linger = {.l_onoff = 1};
	int err;

	if (reset)
		setsockopt(sock, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	err = close(sock);
	sock = -1;
	return err;
}

static ssize_t send_by(const char *name, size_t bytes, int count)
{
	struct msghdr message = {.msg_iov = vector, .msg_iovlen = count};

	fill(bytes);
	cut(bytes, count);
	if (!strcmp(name, "write"))
		return write(sock, buffer, bytes);
	if (!strcmp(name, "send"))
		return send(sock, buffer, bytes, 0);
	if (!strcmp(name, "send_now"))
		return send(sock, buffer, bytes, MSG_DONTWAIT);
	if (!strcmp(name, "writev"))
		return writev(sock, vector, count);
	if (!strcmp(name, "pwritev2"))
		return pwritev2(sock, vector, count, -1, 0);
	if (!strcmp(name, "sendmsg"))
		return sendmsg(sock, &message, 0);
	if (!strcmp(name, "sendmmsg"))
		return do_sendmmsg(bytes, count);
	if (!strcmp(name, "sendfile"))
		return do_sendfile(bytes);
	if (!strcmp(name, "splice_to"))
		return do_splice(bytes, true);
	if (!strcmp(name, "uring_send"))
		return do_uring(bytes, true, count > 1);
	if (!strcmp(name, "send_unreadable"))
		return do_unreadable(bytes, true);
	if (!strcmp(name, "send_thread"))
		return in_thread(bytes);
	if (!strcmp(name, "send_child"))
		return in_child(bytes);
	return -2;
}

static ssize_t receive_by(const char *name, size_t bytes, int count)
{
	struct msghdr message = {.msg_iov = vector, .msg_iovlen = count};

	cut(bytes, count);
	if (!strcmp(name, "read"))
		return read(sock, buffer, bytes);
	if (!strcmp(name, "recv"))
		return recv(sock, buffer, bytes, 0);
	if (!strcmp(name, "recv_all"))
		return recv(sock, buffer, bytes, MSG_WAITALL);
	if (!strcmp(name, "recv_now"))
		return recv(sock, buffer, bytes, MSG_DONTWAIT);
	if (!strcmp(name, "peek"))
		return recv(sock, buffer, bytes, MSG_PEEK);
	if (!strcmp(name, "truncate"))
		return recv(sock, NULL, bytes, MSG_TRUNC);
	if (!strcmp(name, "readv"))
		return readv(sock, vector, count);
	if (!strcmp(name, "preadv2"))
		return preadv2(sock, vector, count, -1, 0);
	if (!strcmp(name, "recvmsg"))
		return recvmsg(sock, &message, 0);
	if (!strcmp(name, "recvmmsg"))
		return do_recvmmsg(bytes, count);
	if (!strcmp(name, "splice_from"))
		return do_splice(bytes, false);
	if (!strcmp(name, "uring_recv"))
		return do_uring(bytes, false, count > 1);
	if (!strcmp(name, "uring_recv_late"))
		return do_uring_late(bytes);
	if (!strcmp(name, "recv_unreadable"))
		return do_unreadable(bytes, false);
	if (!strcmp(name, "error_queue"))
		return do_error_queue();
	return -2;
}

static ssize_t run(const char *line)
{
	char name[32], address[64];
	unsigned first = 0, count = 1;
	ssize_t n;

	if (sscanf(line, "%31s %63s %u", name, address, &first) == 3 && !strncmp(name, "connect", 7))
		return do_connect(address, first, !strcmp(name, "connect"));
	first = 0;
	if (sscanf(line, "%31s %u %u", name, &first, &count) < 1 || first > BUFFER_BYTES || !count ||
	    count > MAX_VECTOR)
		return -2;
	if (!strcmp(name, "shutdown"))
		return shutdown(sock, first);
	if (!strcmp(name, "close") || !strcmp(name, "reset"))
		return do_close(name[0] == 'r');
	n = send_by(name, first, count);
	if (n > 0)
		sent += n;
	return n == -2 ? receive_by(name, first, count) : n;
}

int main(void)
{
	char line[256];

	setvbuf(stdin, NULL, _IONBF, 0);
	buffer = mmap(NULL, BUFFER_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (buffer == MAP_FAILED)
		return 1;
	while (fgets(line, sizeof(line), stdin)) {
		ssize_t n;

		errno = 0;
		n = run(line);
		printf("%zd %d\n", n, n < 0 ? errno : 0);
		fflush(stdout);
	}
	return 0;
}
