/* SPDX-License-Identifier: MIT */
#include "serve/stream.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_SIZE 16384
#define LAST_RUNS  8 /* of MHD: a few are needed for the last chunk of those who read */

struct stream {
	struct stream *previous, *next;
	struct streams *streams;
	struct MHD_Connection *connection;
	struct stream_source source;
	struct buffer frame;
	size_t taken; /* of the frame */
	bool due;     /* a frame that this one has not got */
	bool asleep;
};

struct streams {
	struct stream *first;
	bool ending;
};

int streams_new(struct streams **out)
{
	*out = calloc(1, sizeof(**out));
	return *out ? 0 : -ENOMEM;
}

void streams_free(struct streams **streams)
{
	free(*streams);
	*streams = NULL;
}

static void wake(struct stream *stream)
{
	if (!stream->asleep)
		return;
	stream->asleep = false;
	MHD_resume_connection(stream->connection);
}

void streams_push(struct streams *streams)
{
	for (struct stream *stream = streams->first; stream; stream = stream->next) {
		stream->due = true;
		wake(stream);
	}
}

void streams_stop(struct streams *streams, struct MHD_Daemon *daemon)
{
	streams->ending = true;
	for (struct stream *stream = streams->first; stream; stream = stream->next)
		wake(stream);
	for (int i = 0; i < LAST_RUNS && streams->first; i++)
		MHD_run(daemon);
	MHD_stop_daemon(daemon);
}

bool streams_stopped(const struct streams *streams)
{
	return streams->ending;
}

static ssize_t take(struct stream *stream, char *out, size_t max)
{
	size_t left = stream->frame.len - stream->taken, n = left < max ? left : max;

	memcpy(out, stream->frame.data + stream->taken, n);
	stream->taken += n;
	return (ssize_t)n;
}

/* Asked for more by MHD, which takes 0 for "later" once the connection is suspended. */
static ssize_t on_more(void *ctx, uint64_t position, char *out, size_t max)
{
	struct stream *stream = ctx;

	(void)position;
	if (stream->streams->ending)
		return MHD_CONTENT_READER_END_OF_STREAM;
	if (stream->taken == stream->frame.len && stream->due) {
		stream->due = false;
		stream->taken = 0;
		buffer_reset(&stream->frame);
		if (stream->source.begun)
			stream->source.begun(stream->source.ctx, stream->connection);
		stream->source.render(stream->source.ctx, stream->connection, &stream->frame);
		if (stream->frame.failed)
			return MHD_CONTENT_READER_END_WITH_ERROR;
	}
	if (stream->taken < stream->frame.len)
		return take(stream, out, max);
	stream->asleep = true;
	MHD_suspend_connection(stream->connection);
	return 0;
}

static void on_end(void *ctx)
{
	struct stream *stream = ctx;

	*(stream->previous ? &stream->previous->next : &stream->streams->first) = stream->next;
	if (stream->next)
		stream->next->previous = stream->previous;
	buffer_free(&stream->frame);
	free(stream);
}

struct MHD_Response *streams_answer(struct streams *streams, struct MHD_Connection *connection,
				    const struct stream_source *source)
{
	struct stream *stream = calloc(1, sizeof(*stream));
	struct MHD_Response *response;

	if (!stream)
		return NULL;
	stream->streams = streams;
	stream->connection = connection;
	stream->source = *source;
	stream->due = true;
	response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_SIZE, on_more, stream, on_end);
	if (!response) {
		free(stream);
		return NULL;
	}
	stream->next = streams->first;
	if (stream->next)
		stream->next->previous = stream;
	streams->first = stream;
	return response;
}
