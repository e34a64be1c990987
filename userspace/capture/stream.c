/* SPDX-License-Identifier: MIT */
#include "capture/stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A record that came too early. */
struct held {
	struct held *next;
	uint64_t since_ns;
	struct event_data record; /* with its data behind it */
};

struct side {
	bool based;            /* expected is known */
	uint32_t expected;     /* position of the next byte */
	uint32_t missed;       /* bytes that the ring lost and that a gap has accounted for */
	uint32_t moved;        /* all before it was moved, as far as is known ... */
	uint32_t moved_missed; /* ... and so much of it lost by the ring */
	bool redirected; /* TCP's positions stand still: each record is the next, behind what the ring lost */
	bool marked;     /* since marked_ns all before `mark` should have come */
	uint32_t mark;
	uint64_t marked_ns;
	struct held *first, *last; /* by position */
};

struct stream {
	struct stream_options options;
	struct stream_sink sink;
	struct side sides[2];
	size_t held;
};

/* a - b for positions that wrap around. */
static int32_t distance(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b);
}

int stream_new(struct stream **out, const struct stream_options *options, const struct stream_sink *sink)
{
	struct stream *stream = calloc(1, sizeof(*stream));

	if (!stream)
		return -ENOMEM;
	stream->options = *options;
	stream->sink = *sink;
	*out = stream;
	return 0;
}

static size_t held_size(const struct event_data *record)
{
	return sizeof(struct held) + record->captured;
}

static void drop_first(struct stream *stream, struct side *side)
{
	struct held *held = side->first;

	side->first = held->next;
	if (!side->first)
		side->last = NULL;
	stream->held -= held_size(&held->record);
	free(held);
}

void stream_free(struct stream **stream)
{
	if (!*stream)
		return;
	for (int i = 0; i < 2; i++)
		while ((*stream)->sides[i].first)
			drop_first(*stream, &(*stream)->sides[i]);
	free(*stream);
	*stream = NULL;
}

void stream_base(struct stream *stream, uint32_t send_pos, uint32_t recv_pos)
{
	const uint32_t base[2] = {[DIRECTION_SEND] = send_pos, [DIRECTION_RECV] = recv_pos};

	for (int i = 0; i < 2; i++) {
		if (!stream->sides[i].based)
			stream->sides[i].expected = stream->sides[i].moved = base[i];
		stream->sides[i].based = true;
	}
}

static struct side *side_of(struct stream *stream, const struct event_data *record)
{
	return &stream->sides[record->h.direction == DIRECTION_RECV];
}

/* Positions are told apart over half their range only: none may stay behind. */
static void advance(struct side *side, uint32_t len)
{
	side->expected += len;
	if (distance(side->expected, side->moved) > 0)
		side->moved = side->expected;
	if (side->marked && distance(side->expected, side->mark) >= 0)
		side->marked = false;
}

static void declare_gap(struct stream *stream, struct side *side, uint32_t len, uint64_t time_ns,
			enum event_loss why)
{
	advance(side, len);
	stream->sink.gap(stream->sink.ctx,
			 side == &stream->sides[DIRECTION_RECV] ? DIRECTION_RECV : DIRECTION_SEND, len,
			 time_ns, why);
}

/* Of the bytes that the ring lost so far those that no gap stands for yet; 0 when a later record said more.
 */
static uint32_t unaccounted(const struct side *side, uint32_t missed)
{
	int32_t lost = distance(missed, side->missed);

	return lost > 0 ? lost : 0;
}

/* Where TCP has moved the bytes after all, its position is the right one. */
static uint32_t own_position(const struct side *side, uint32_t pos, uint32_t missed)
{
	uint32_t next = side->expected + unaccounted(side, missed);

	return side->redirected && distance(pos, next) < 0 ? next : pos;
}

/* The FIN counts as one byte in copied_seq, from which the positions of received bytes are reckoned. */
static uint32_t position(const struct side *side, const struct event_data *record)
{
	bool fin = record->h.direction == DIRECTION_RECV && (record->h.flags & EVENT_F_FIN);

	if (side->redirected)
		return own_position(side, record->pos, record->missed);
	return fin && distance(record->pos, side->expected) == 1 ? record->pos - 1 : record->pos;
}

/* The next len bytes will not come; what the ring's losses do not explain, nothing does. */
static void declare_hole(struct stream *stream, struct side *side, uint32_t len, uint32_t missed,
			 uint64_t time_ns)
{
	uint32_t lost = unaccounted(side, missed);

	if (lost > len)
		lost = len;
	side->missed += lost;
	if (lost)
		declare_gap(stream, side, lost, time_ns, LOSS_RING_FULL);
	if (len > lost)
		declare_gap(stream, side, len - lost, time_ns, LOSS_NONE);
}

/* A record whose turn it is: trims what was delivered, hands on the rest. */
static void deliver(struct stream *stream, struct side *side, const struct event_data *record)
{
	uint32_t behind = side->expected - position(side, record);
	const uint8_t *data = record->data + behind;

	if (behind >= record->len)
		return;
	if (record->captured < record->len) {
		uint32_t there = record->captured > behind ? record->captured - behind : 0;

		if (there) {
			advance(side, there);
			stream->sink.bytes(stream->sink.ctx, record->h.direction, data, there, record->h.time,
					   false);
		}
		declare_gap(stream, side, record->len - behind - there, record->h.time, record->h.loss);
		return;
	}
	advance(side, record->len - behind);
	stream->sink.bytes(stream->sink.ctx, record->h.direction, data, record->len - behind, record->h.time,
			   record->h.flags & EVENT_F_LAST);
}

/* Bytes sent before this received record that were neither delivered nor declared lost; -1: not known. */
static int32_t sends_ahead(const struct stream *stream, const struct event_data *record)
{
	const struct side *send = &stream->sides[DIRECTION_SEND];
	int32_t ahead;

	if (record->h.direction == DIRECTION_SEND)
		return 0;
	if (!send->based)
		return -1;
	ahead = distance(own_position(send, record->h.send_pos, record->missed_other), send->expected);
	return ahead > 0 ? ahead : 0;
}

/* True when nothing is ahead any more; what the ring lost of it is not waited for. */
static bool sends_seen(struct stream *stream, const struct event_data *record)
{
	struct side *send = &stream->sides[DIRECTION_SEND];
	int32_t ahead = sends_ahead(stream, record);

	if (ahead <= 0 || unaccounted(send, record->missed_other) < (uint32_t)ahead)
		return !ahead;
	declare_hole(stream, send, ahead, record->missed_other, record->h.time);
	return true;
}

/* Delivers the record if it can be now; closes a hole before it that the ring's losses explain. */
static bool try_deliver(struct stream *stream, struct side *side, const struct event_data *record)
{
	int32_t hole = distance(position(side, record), side->expected);

	if (!sends_seen(stream, record))
		return false;
	if (hole > 0) {
		if (unaccounted(side, record->missed) < (uint32_t)hole)
			return false;
		declare_hole(stream, side, hole, record->missed, record->h.time);
	}
	deliver(stream, side, record);
	return true;
}

/* Delivers held records for as long as one side's progress frees another. */
static void drain(struct stream *stream)
{
	bool progress;

	do {
		progress = false;
		for (int i = 0; i < 2; i++) {
			struct side *side = &stream->sides[i];

			while (side->first && try_deliver(stream, side, &side->first->record)) {
				drop_first(stream, side);
				progress = true;
			}
		}
	} while (progress);
}

/* Stops waiting for what the first held record of a side waits for. */
static void give_up(struct stream *stream, struct side *side, const struct event_data *record,
		    uint64_t now_ns)
{
	struct side *send = &stream->sides[DIRECTION_SEND];
	int32_t ahead = sends_ahead(stream, record), hole;

	if (ahead < 0) {
		send->based = true;
		send->expected = send->moved = record->h.send_pos - 1; /* at least something was sent */
		ahead = 1;
	}
	if (ahead)
		declare_hole(stream, send, ahead, record->missed_other, now_ns);
	hole = distance(position(side, record), side->expected);
	if (hole > 0)
		declare_hole(stream, side, hole, record->missed, now_ns);
}

/* The side to give up on first: sends before receives, since those may wait for these. */
static struct side *waiting_side(struct stream *stream)
{
	return &stream->sides[stream->sides[DIRECTION_SEND].first ? DIRECTION_SEND : DIRECTION_RECV];
}

static bool insert(struct stream *stream, struct side *side, const struct event_data *record)
{
	struct held **at = &side->first, *held = malloc(held_size(record));

	if (!held)
		return false;
	/* Nearly always it is the newest: thousands may be held behind one hole. */
	if (side->last && distance(side->last->record.pos, record->pos) <= 0)
		at = &side->last->next;
	while (*at && distance((*at)->record.pos, record->pos) <= 0)
		at = &(*at)->next;
	held->since_ns = record->h.time;
	memcpy(&held->record, record, sizeof(*record) + record->captured);
	held->next = *at;
	*at = held;
	if (!held->next)
		side->last = held;
	stream->held += held_size(record);
	return true;
}

static void note_displaced(const struct stream *stream)
{
	if (stream->sink.displaced)
		stream->sink.displaced(stream->sink.ctx);
}

static void hold_back(struct stream *stream, struct side *side, const struct event_data *record)
{
	while (stream->held && stream->held + held_size(record) > stream->options.hold_max) {
		struct side *full = waiting_side(stream);

		note_displaced(stream);
		give_up(stream, full, &full->first->record, record->h.time);
		drain(stream);
		if (try_deliver(stream, side, record))
			return;
	}
	if (held_size(record) <= stream->options.hold_max && insert(stream, side, record))
		return;
	note_displaced(stream);
	give_up(stream, side, record, record->h.time);
	deliver(stream, side, record);
}

/* What is known of a side from a record of the other, or of the socket: its bytes are there or still to come.
 */
static void note_position(struct side *side, uint32_t pos, uint32_t missed, uint64_t time_ns)
{
	pos = own_position(side, pos, missed);
	if (!side->based || distance(pos, side->moved) <= 0)
		return;
	side->moved = pos;
	side->moved_missed = missed;
	if (side->marked)
		return;
	side->marked = distance(pos, side->expected) > 0;
	side->mark = pos;
	side->marked_ns = time_ns;
}

void stream_state(struct stream *stream, const struct event_state *record)
{
	struct side *send = &stream->sides[DIRECTION_SEND], *recv = &stream->sides[DIRECTION_RECV];

	note_position(send, record->h.send_pos, record->missed[DIRECTION_SEND], record->h.time);
	note_position(recv, record->h.recv_pos, record->missed[DIRECTION_RECV], record->h.time);
}

/* What is missing up to there will not come. */
static void reach(struct stream *stream, struct side *side, uint32_t pos, uint64_t now_ns)
{
	int32_t hole = distance(pos, side->expected);

	if (side->based && hole > 0)
		declare_hole(stream, side, hole, side->moved_missed, now_ns);
	side->marked = false;
}

void stream_data(struct stream *stream, const struct event_data *record)
{
	struct side *side = side_of(stream, record);

	side->redirected |= !!(record->h.flags & EVENT_F_REDIRECTED);
	if (!side->based) {
		side->based = true;
		side->expected = side->moved = record->pos - unaccounted(side, record->missed);
	}
	if (!try_deliver(stream, side, record))
		hold_back(stream, side, record);
	if (stream->held)
		drain(stream);
	if (record->h.direction == DIRECTION_SEND) /* the proxy has read so much by now */
		note_position(&stream->sides[DIRECTION_RECV], record->h.recv_pos, record->missed_other,
			      record->h.time);
}

bool stream_waits(const struct stream *stream)
{
	return stream->held || stream->sides[0].marked || stream->sides[1].marked;
}

void stream_tick(struct stream *stream, uint64_t now_ns)
{
	for (int i = 0; i < 2; i++) {
		struct side *side = &stream->sides[i];

		while (side->first && side->first->since_ns + stream->options.gap_after_ns <= now_ns) {
			give_up(stream, side, &side->first->record, now_ns);
			drain(stream);
		}
		if (side->marked && !side->first &&
		    side->marked_ns + stream->options.gap_after_ns <= now_ns) {
			reach(stream, side, side->mark, now_ns);
			drain(stream);
		}
	}
}

void stream_flush(struct stream *stream, uint64_t now_ns)
{
	while (stream->held) {
		struct side *side = waiting_side(stream);

		give_up(stream, side, &side->first->record, now_ns);
		drain(stream);
	}
	for (int i = 0; i < 2; i++)
		reach(stream, &stream->sides[i], stream->sides[i].moved, now_ns);
}
