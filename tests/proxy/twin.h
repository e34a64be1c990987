/* SPDX-License-Identifier: MIT */
/*
 * twin - mirrors as pgcat does: every server connection has a mirror connection of its own, and what is sent
 * to the primary is sent to it at the same time, without waiting for answers. Whole cycles are dropped while
 * `queue` of them wait (the mirror connection is not there yet, or paused). No sampling, no service time.
 */
#ifndef TESTPROXY_TWIN_H
#define TESTPROXY_TWIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct proxy;
struct twin;

int twin_new(struct twin **out, struct proxy *proxy);
/* The client is gone: what waits is still sent, then the mirror connection ends as a client would end it. */
void twin_release(struct twin **twin);
void twin_free_all(struct proxy *proxy);

/* As recorder_bytes and recorder_message. */
void twin_bytes(struct twin *twin, uint8_t type, bool begins, const uint8_t *bytes, size_t len);
bool twin_message(struct twin *twin, uint8_t type);
/* The next statement went to the primary. */
void twin_sent(struct twin *twin, uint64_t now_ns);
/* The primary's connection has taken everything so far: now the mirror's turn. */
void twin_flush(struct twin *twin);
/* After a pause. */
void twin_flush_all(struct proxy *proxy);

#endif
