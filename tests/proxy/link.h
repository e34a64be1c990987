/* SPDX-License-Identifier: MIT */
/*
 * link - one non-blocking connection in the loop: buffered output with marks, input in pieces.
 *
 * Owns the file descriptor. After link_close no callback comes any more. A failed link reports `closed` once;
 * its owner then calls link_close.
 */
#ifndef TESTPROXY_LINK_H
#define TESTPROXY_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct link;
struct loop;

#define LINK_HIGH_WATER (1u << 20) /* bytes of unsent output at which the other side should stop reading */

struct link_ops {
	void (*data)(void *ctx, const uint8_t *bytes, size_t len);
	/* The send that held the byte before the oldest mark has returned; once for each mark, in order. */
	void (*sent)(void *ctx, uint64_t now_ns);
	void (*drained)(void *ctx);           /* no unsent output is left */
	void (*closed)(void *ctx, int error); /* error: 0 at the end of the stream, else -errno */
};

/* fd may still be connecting. Returns 0 or -errno; fd is then closed. Callbacks other than data may be NULL.
 */
int link_new(struct link **out, struct loop *loop, int fd, const struct link_ops *ops, void *ctx);
void link_close(struct link **link);
/* Sends what is there, then closes by itself; no callback any more. */
void link_finish(struct link **link);

void link_write(struct link *link, const void *bytes, size_t len);
void link_mark(struct link *link);
/* Never calls data or closed; errors come through the loop. */
void link_flush(struct link *link);
size_t link_unsent(const struct link *link);

/* How long the sends took that reached a mark, on whichever link. The kernel's own moment of a send, which an
 * observer sees, lies somewhere within it; `sent` is called at its end. */
struct link_sends {
	uint64_t count, sum_ns;
};
struct link_sends link_sends(void);
void link_read(struct link *link, bool on);

#endif
