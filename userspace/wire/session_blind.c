/* SPDX-License-Identifier: MIT */
/*
 * The time of which no figure tells: bytes of both directions are missing, or framing of both is. Bytes that
 * are missing belong to the time since the last ones of their direction, and the two gaps of one loss are
 * told in either order, with bytes of the other direction between them.
 */
#include "wire/session_internal.h"

#define BLIND_STEP_NS  1000000ull    /* told in steps of at least this */
#define SILENCE_MAX_NS 1000000000ull /* a connection that is silent for longer misses nothing */

static void add(struct session *session, uint64_t from_ns, uint64_t to_ns)
{
	struct blind *blind = &session->blind;

	if (from_ns < blind->until_ns)
		from_ns = blind->until_ns;
	if (!session->sink.blind || from_ns >= to_ns)
		return;
	blind->until_ns = to_ns;
	blind->untold_ns += to_ns - from_ns;
	if (blind->untold_ns < BLIND_STEP_NS)
		return;
	session->sink.blind(session->sink.ctx, blind->untold_ns);
	blind->untold_ns = 0;
}

/* The later of the two, 0 where nothing was seen. */
static uint64_t seen_last(const struct blind *blind)
{
	return blind->seen_ns[DIRECTION_SENT] > blind->seen_ns[DIRECTION_RECEIVED]
		   ? blind->seen_ns[DIRECTION_SENT]
		   : blind->seen_ns[DIRECTION_RECEIVED];
}

void blind_bytes(struct session *session, enum direction direction, uint64_t time_ns)
{
	struct blind *blind = &session->blind;
	uint64_t since_ns = seen_last(blind);

	session->now_ns = time_ns;
	if (session->state == SESSION_BLIND && since_ns) {
		if (time_ns > since_ns + SILENCE_MAX_NS)
			since_ns = time_ns - SILENCE_MAX_NS;
		add(session, since_ns, time_ns);
	}
	blind->seen_ns[direction] = time_ns;
}

void blind_gap(struct session *session, enum direction direction, uint64_t time_ns)
{
	struct blind *blind = &session->blind;
	uint64_t from_ns = blind->seen_ns[direction], since_ns = seen_last(blind);
	uint64_t other_from_ns = blind->lost[!direction].from_ns, other_to_ns = blind->lost[!direction].to_ns;

	session->now_ns = time_ns;
	if (session->state == SESSION_BLIND && since_ns)
		add(session, since_ns, time_ns);
	if (from_ns && other_from_ns)
		add(session, from_ns > other_from_ns ? from_ns : other_from_ns,
		    time_ns < other_to_ns ? time_ns : other_to_ns);
	blind->lost[direction].from_ns = from_ns;
	blind->lost[direction].to_ns = time_ns;
	blind->seen_ns[direction] = time_ns;
}
