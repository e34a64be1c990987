/* SPDX-License-Identifier: MIT */
#include "sql/parser.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sql/parser_internal.h"

/* A question that the socket did not take yet. */
struct waiting {
	STAILQ_ENTRY(waiting) entry;
	uint64_t key;
	uint64_t len;
	char text[];
};

struct parser {
	int fd;
	pid_t keeper;
	bool gone;
	uint64_t serial; /* of the last question */
	uint64_t deaths;
	size_t queued; /* bytes */
	STAILQ_HEAD(, waiting) queue;
};

/* 0, -EAGAIN when the socket is full, or another -errno. */
static int send_question(struct parser *parser, uint64_t key, const char *text, uint64_t len)
{
	uint64_t head[] = {++parser->serial, key, len}; /* of struct parser_question */
	struct iovec parts[] = {{head, sizeof(head)}, {(void *)text, len}};
	const struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
	ssize_t n;

	do
		n = sendmsg(parser->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

static void forget_first(struct parser *parser)
{
	struct waiting *first = STAILQ_FIRST(&parser->queue);

	STAILQ_REMOVE_HEAD(&parser->queue, entry);
	parser->queued -= sizeof(*first) + first->len;
	free(first);
}

static void send_queued(struct parser *parser)
{
	struct waiting *first;

	while ((first = STAILQ_FIRST(&parser->queue))) {
		int err = send_question(parser, first->key, first->text, first->len);

		if (err == -EAGAIN)
			return;
		if (err)
			parser->gone = true;
		forget_first(parser);
	}
}

static int enqueue(struct parser *parser, uint64_t key, const char *text, size_t len)
{
	struct waiting *waiting;

	if (parser->queued + sizeof(*waiting) + len > PARSER_QUEUE_MAX)
		return -ENOBUFS;
	waiting = malloc(sizeof(*waiting) + len);
	if (!waiting)
		return -ENOBUFS;
	waiting->key = key;
	waiting->len = len;
	memcpy(waiting->text, text, len);
	parser->queued += sizeof(*waiting) + len;
	STAILQ_INSERT_TAIL(&parser->queue, waiting, entry);
	return 0;
}

int parser_ask(struct parser *parser, uint64_t key, const char *text, size_t len)
{
	int err;

	if (parser->gone)
		return -EPIPE;
	if (len > NAMING_INPUT_MAX)
		return -ENOBUFS;
	err = STAILQ_EMPTY(&parser->queue) ? send_question(parser, key, text, len) : -EAGAIN;
	if (err == -EAGAIN)
		return enqueue(parser, key, text, len);
	parser->gone = err;
	return err ? -EPIPE : 0;
}

bool parser_collect(struct parser *parser, parser_handler *handler, void *ctx)
{
	struct parser_answer answer;

	for (int i = 0; i < PARSER_BATCH && !parser->gone; i++) {
		ssize_t n = recv(parser->fd, &answer, sizeof(answer), MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		if (n != sizeof(answer)) {
			parser->gone = true;
			break;
		}
		parser->deaths += answer.died;
		answer.naming.text[NAMING_TEXT_MAX] = '\0';
		handler(ctx, answer.key, &answer.naming);
	}
	if (!parser->gone)
		send_queued(parser);
	return !parser->gone;
}

int parser_fd(const struct parser *parser)
{
	return parser->fd;
}

uint64_t parser_deaths(const struct parser *parser)
{
	return parser->deaths;
}

int parser_new(struct parser **out, const struct parser_options *options)
{
	struct parser_options complete = *options;
	struct parser *parser = calloc(1, sizeof(*parser));
	int ends[2];

	if (!parser)
		return -ENOMEM;
	STAILQ_INIT(&parser->queue);
	complete.cpu_us = options->cpu_us ? options->cpu_us : PARSER_CPU_US;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends)) {
		free(parser);
		return -errno;
	}
	parser->fd = ends[0];
	parser->keeper = fork();
	if (parser->keeper == 0)
		parser_keep(ends[1], &complete);
	close(ends[1]);
	if (parser->keeper < 0) {
		close(parser->fd);
		free(parser);
		return -EAGAIN;
	}
	*out = parser;
	return 0;
}

void parser_free(struct parser **parser)
{
	struct parser *gone = *parser;

	if (!gone)
		return;
	close(gone->fd); /* the worker reads the end, then the keeper sees it end */
	while (waitpid(gone->keeper, NULL, 0) < 0 && errno == EINTR)
		;
	while (!STAILQ_EMPTY(&gone->queue))
		forget_first(gone);
	free(gone);
	*parser = NULL;
}
