/* SPDX-License-Identifier: MIT */
/*
 * recorder - follows one client's conversation with the primary and makes requests of it. Decides by
 * `exposure` which of them go to the mirror and keeps the truth's depth for those that are not finished.
 */
#ifndef TESTPROXY_RECORDER_H
#define TESTPROXY_RECORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RECORDER_REQUEST_MAX (16u << 20) /* bytes of a request that is longer are forwarded, not mirrored */

struct proxy;
struct recorder;
struct request;
struct framer;

/* A request that is to be mirrored has ended on the primary. Takes the request; its statements are in depth.
 */
typedef void recorder_fn(void *ctx, struct request *request);

int recorder_new(struct recorder **out, struct proxy *proxy, recorder_fn *fn, void *ctx);
/* Statements of an unfinished request leave the depth as abandoned. */
void recorder_free(struct recorder **recorder);

/* Part of a client message of this type; `begins`: its first part. */
void recorder_bytes(struct recorder *recorder, uint8_t type, bool begins, const uint8_t *bytes, size_t len);
/* That message is whole. True when it is a statement; recorder_sent is due once it was sent. */
bool recorder_message(struct recorder *recorder, uint8_t type);
void recorder_sent(struct recorder *recorder, uint64_t now_ns);
/* The primary's message: its header and first bytes. */
void recorder_answer(struct recorder *recorder, const struct framer *message);

#endif
