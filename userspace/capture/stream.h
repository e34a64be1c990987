/* SPDX-License-Identifier: MIT */
/*
 * stream - puts the data records of one connection in order: contiguous bytes or exact gaps, for each
 * direction.
 *
 * Positions are TCP's, modulo 2^32. A record that is next goes through without a copy; one that came too
 * early (another thread's record is still to come) is copied and held back, bounded by hold_max. Bytes that
 * were delivered already are trimmed. A missing piece becomes a gap
 *   - at once, when the kernel's count of bytes that found no room in the ring accounts for it,
 *   - at once, when its record says that it was not captured,
 *   - after gap_after_ns, or when hold_max is reached: nothing explains it (e.g. splice from a socket).
 * A received record waits for the sends that came before it (its send_pos), so that a reply never overtakes
 * its request. The FIN, which TCP counts as one more byte, is no gap. Where a sockmap moves bytes past TCP
 * (EVENT_F_REDIRECTED) its positions stand still: there each record is the next, behind what the ring lost.
 *
 * Owns what it holds back. Knows nothing of what the bytes mean.
 */
#ifndef MO_STREAM_H
#define MO_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/event.h"

#define STREAM_HOLD_MAX  (4u << 20)    /* a good hold_max: one whole call */
#define STREAM_GAP_AFTER 1000000000ull /* a good gap_after_ns */

struct stream_options {
	uint32_t hold_max;     /* bytes held back per connection, records' headers included */
	uint64_t gap_after_ns; /* how long a missing piece is waited for */
};

struct stream_sink {
	void *ctx;
	/* data is read during the call only; last: these are the last bytes of one system call. */
	void (*bytes)(void *ctx, enum event_direction direction, const uint8_t *data, size_t len,
		      uint64_t time_ns, bool last);
	/* why: LOSS_NONE when nothing explains the gap. */
	void (*gap)(void *ctx, enum event_direction direction, uint64_t len, uint64_t time_ns,
		    enum event_loss why);
	/* A record's wait ended before gap_after_ns, since hold_max was reached; may be NULL. */
	void (*displaced)(void *ctx);
};

struct stream;

/* The sink and the options are copied. Returns 0 or -ENOMEM. */
int stream_new(struct stream **out, const struct stream_options *options, const struct stream_sink *sink);
void stream_free(struct stream **stream);

/*
 * Where the bytes begin: the positions of EVENT_OPEN for a connection that existed before (EVENT_F_BEFORE)
 * and for a Unix-domain socket, those of the EVENT_STATE that says ESTABLISHED for a new one. Without it each
 * direction begins at its first record, less what that says was lost before it.
 */
void stream_base(struct stream *stream, uint32_t send_pos, uint32_t recv_pos);
/* A record of kind EVENT_DATA. Calls the sink. */
void stream_data(struct stream *stream, const struct event_data *record);
/*
 * A record of kind EVENT_STATE or EVENT_EOF, once established: all bytes before its positions were moved.
 * Those that do not show up within gap_after_ns are a gap.
 */
void stream_state(struct stream *stream, const struct event_state *record);
/* Gives up waiting for what is overdue. Cheap when nothing is held back. */
void stream_tick(struct stream *stream, uint64_t now_ns);
/* Nothing more will come: delivers all that is held back, with gaps for what is missing, also up to the
 * positions of the last stream_state(). */
void stream_flush(struct stream *stream, uint64_t now_ns);
/* False while stream_tick has nothing to do. */
bool stream_waits(const struct stream *stream);

#endif
