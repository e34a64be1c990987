/* SPDX-License-Identifier: MIT */
/*
 * stream - answers that never end: server-sent events, one frame at a time, inside the loop of http.h. With
 * http.c the only file that knows libmicrohttpd.
 *
 * Nobody can hold anything up: a stream is asleep between frames (suspended), a frame is rendered only for
 * one who has taken the last one whole, so a slow reader misses frames instead of having them queued. Who
 * does not take one in time, and the number of streams, is clients.h's matter. Memory: one frame for each
 * stream.
 */
#ifndef MO_STREAM_H
#define MO_STREAM_H

#include <stdbool.h>

#include "base/buffer.h"

struct streams;
struct MHD_Response;
struct MHD_Connection;
struct MHD_Daemon;

struct stream_source {
	/* Appends the next frame for that connection. */
	void (*render)(void *ctx, struct MHD_Connection *connection, struct buffer *out);
	/* A frame begins: the last one has been taken. May be NULL. */
	void (*begun)(void *ctx, struct MHD_Connection *connection);
	void *ctx;
};

int streams_new(struct streams **out);
/* Ends all as HTTP ends an answer, by its last chunk, and stops the daemon. Who has not taken his last frame
 * is not waited for: his answer is broken off. The struct itself goes with streams_free, after that. */
void streams_stop(struct streams *streams, struct MHD_Daemon *daemon);
/* From then on nothing may be rendered: who renders may be going too. */
bool streams_stopped(const struct streams *streams);
void streams_free(struct streams **streams);

/* The answer to a request; its first frame comes at once. source is copied. NULL without memory. */
struct MHD_Response *streams_answer(struct streams *streams, struct MHD_Connection *connection,
				    const struct stream_source *source);
/* A new frame is due for everyone. */
void streams_push(struct streams *streams);

#endif
