/* SPDX-License-Identifier: MIT */
/*
 * backend - one connection to the mirror: logs in (trust), sends what it is told, throws the answers away and
 * counts the ReadyForQuery messages that are due. Knows which prepared statements the server session has.
 */
#ifndef TESTPROXY_BACKEND_H
#define TESTPROXY_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct backend;
struct proxy;

struct backend_ops {
	void (*ready)(void *ctx);                 /* logged in */
	void (*sent)(void *ctx, uint64_t now_ns); /* a marked byte was sent */
	void (*done)(void *ctx, uint8_t status);  /* the last ReadyForQuery that was due: 'I', 'T' or 'E' */
	void (*failed)(void *ctx);                /* gone: the owner frees it */
};

/* Begins to connect. Returns 0 or -errno. */
int backend_new(struct backend **out, struct proxy *proxy, const struct backend_ops *ops, void *ctx);
void backend_free(struct backend **backend);

void backend_write(struct backend *backend, const void *bytes, size_t len);
void backend_mark(struct backend *backend);
/*
 * So many more ReadyForQuery are due. Should the server ask for COPY data in answer to what was `extended`,
 * it has swallowed a Sync (see recorder.c); without `copied`, that is data and its end, it gets a CopyFail.
 */
void backend_expect(struct backend *backend, unsigned answers, bool extended, bool copied);
void backend_flush(struct backend *backend);
/* Sends Query(text) and expects its answer. */
void backend_query(struct backend *backend, const char *text);
bool backend_ready(const struct backend *backend);

/* A prepared statement that this session lacks and that was not yet tried since backend_begin. */
void backend_begin(struct backend *backend);
bool backend_lacks(const struct backend *backend, unsigned statement);
/* Sends Parse+Sync for it and expects the answer. */
void backend_prepare(struct backend *backend, unsigned statement);

#endif
