/* SPDX-License-Identifier: MIT */
/*
 * parser - libpg_query in a process of its own: what an SQL client can write neither stalls nor kills the
 * daemon.
 *
 * Two processes are made, before anything is open and while there are privileges: a keeper, which does
 * nothing but wait for the worker and make another one when it dies, and the worker, which names texts
 * (naming.h). The worker is given what it needs beforehand: PARSER_HEAP bytes of memory and a socket; after
 * that it may read, write and end, nothing else. A text over which it dies, or that takes more than the CPU
 * time allowed, is answered as one that cannot be named. Both processes end when the daemon does, however
 * that ends.
 *
 * Asking never waits: what the socket does not take is queued, up to PARSER_QUEUE_MAX bytes.
 */
#ifndef MO_PARSER_H
#define MO_PARSER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sql/naming.h"

#define PARSER_HEAP      (32u << 20)
#define PARSER_QUEUE_MAX (4u << 20)
#define PARSER_CPU_US    500000 /* for one text at least; it is ended before twice that */

/* How both processes give up what they do not need; each 0 or -errno, -EOPNOTSUPP where the kernel cannot.
 * NULL: nothing is given up (tests). */
struct parser_options {
	int (*confine_keeper)(void *ctx);
	int (*confine_worker)(void *ctx);
	void *ctx;
	uint64_t cpu_us; /* 0 = PARSER_CPU_US */
};

struct parser;

/* Call it before the loop is made and before threads are. 0 or -errno. */
int parser_new(struct parser **out, const struct parser_options *options);
/* Both processes have ended when it returns. */
void parser_free(struct parser **parser);

/* 0; -ENOBUFS when the queue is full, -EPIPE when the processes are gone. key comes back with the answer. */
int parser_ask(struct parser *parser, uint64_t key, const char *text, size_t len);

/* id 0 and text "": the worker died over it. */
typedef void parser_handler(void *ctx, uint64_t key, const struct naming *naming);

/* Readable when there are answers, or when the processes are gone. */
int parser_fd(const struct parser *parser);
/* At most PARSER_BATCH answers that are there; then asks what is queued. False once the processes are gone.
 */
#define PARSER_BATCH 256
bool parser_collect(struct parser *parser, parser_handler *handler, void *ctx);

/* Texts over which the worker died or ran out of time. */
uint64_t parser_deaths(const struct parser *parser);

#endif
