/* SPDX-License-Identifier: MIT */
/*
 * tape - a connection's traffic as a list of calls that tests cut, delay, lose and put together before they
 * play it into a session, directly or as the kernel's records through stream.
 */
#ifndef MO_TAPE_H
#define MO_TAPE_H

#include "support/tally.h"

struct tape {
	struct transcript_chunk *chunks; /* data points into the transcripts */
	size_t count, size;
};

void tape_add(struct tape *tape, const struct transcript_chunk *chunk);
/* Start-up, body and end of a transcript; body and end must not begin before start-up is done. */
void tape_add_all(struct tape *tape, const struct transcript *transcript);
/* What lies between the first ReadyForQuery and the client's Terminate or the first close. False: the
 * transcript has no such part that leaves the connection idle. times_from: of the first chunk. */
bool tape_add_body(struct tape *tape, const struct transcript *transcript, uint64_t times_from);
void tape_add_startup(struct tape *tape, const struct transcript *transcript);
uint64_t tape_end_ns(const struct tape *tape);
/* Cuts chunk i in two after `at` bytes. */
void tape_cut(struct tape *tape, size_t i, size_t at);
/* Moves some client chunks ahead of server chunks that they followed, as a client that does not wait would.
 */
void tape_hurry(struct tape *tape, uint64_t *seed);
void tape_free(struct tape *tape);

uint64_t tape_random(uint64_t *seed, uint64_t below);

#define TAPE_LOSE_NONE SIZE_MAX
/* Plays into a session; chunk `lost` is a gap. */
void tape_play(const struct tape *tape, struct tally *tally, size_t lost);

struct tape_faults {
	uint32_t piece;  /* largest data record */
	bool inversions; /* a reply's record may come before its request's */
	bool duplicates; /* some records come twice */
	size_t lost;     /* that chunk's records find no room in the ring */
	uint32_t base;   /* first position of each direction */
};

/* The same through stream, as records of the kernel. */
void tape_play_records(const struct tape *tape, struct tally *tally, const struct tape_faults *faults,
		       uint64_t *seed);

#endif
