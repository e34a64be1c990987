/* SPDX-License-Identifier: MIT */
/*
 * decrypt_internal - what the parts of decrypt share. Included by decrypt*.c only.
 *
 *   decrypt.c         life, the queue of what came, time; calls the others
 *   decrypt_record.c  what one record says; calls the next two
 *   decrypt_key.c     which of the secrets that were seen is its key
 *   decrypt_lost.c    finding the place again after a gap
 *   decrypt_common.c  the budget, and giving up; calls none
 */
#ifndef MO_DECRYPT_INTERNAL_H
#define MO_DECRYPT_INTERNAL_H

#include "tls/decrypt.h"
#include "tls/hello.h"
#include "tls/input.h"
#include "tls/record.h"

/* ON: done as far as the bytes reach. WAIT: for a secret, for more bytes, or for the next tick's budget. */
enum step { STEP_ON, STEP_WAIT };

/* What came by one call, or a gap. Marks of both directions are worked off in their order. */
struct mark {
	uint64_t end; /* position in the side's input after it; a gap has no bytes there */
	uint64_t gap; /* its length; 0 = bytes */
	uint64_t time_ns;
	uint8_t direction;
	bool last;
};

/* Handshake messages inside records: only their types matter. */
struct messages {
	uint8_t head[4];
	uint8_t have;  /* bytes of head */
	uint32_t left; /* of the body */
};

struct side {
	struct input in;
	struct hello_reader hello_reader;
	struct hello hello;
	bool greeted;  /* its hello is there */
	bool ciphered; /* TLS 1.2: after ChangeCipherSpec */
	bool sealed;   /* an encrypted record was seen */
	struct record_key key;
	uint64_t sequence; /* of the next record */
	struct messages messages;

	/* waiting for a secret */
	uint64_t tried; /* keyring_next's place, for the record at hand */
	/* after a gap */
	bool lost;
	bool told;           /* that the gap's length is not known */
	uint64_t lost_bytes; /* of cipher text, before those that are held */
	size_t scanned;      /* bytes held in which no record begins */
	uint64_t try_next;   /* sequence number to go on with at that place; 0 = from the beginning */
	size_t skip;         /* bytes of a record that was lost in part, still to come */
};

struct decrypt {
	struct decrypt_room *room;
	struct decrypt_sink sink;
	enum decrypt_state state;
	enum decrypt_reason reason;
	enum tls_library library;
	const struct suite *suite; /* NULL until the ServerHello */
	uint64_t greeted_ns;       /* when that came: its secrets are younger */
	uint32_t process;
	uint64_t waits_since_ns; /* 0 = does not wait */
	struct side sides[2];
	struct mark *marks; /* first .. count */
	size_t first, count, capacity;
	size_t held; /* bytes in both inputs */
};

struct decrypt_room {
	struct keyring *keyring;
	int64_t budget;
	uint8_t plain[RECORD_BODY_MAX + 16];
};

/* Overwrites keys, frees what waited for them. */
void decrypt_clear(struct decrypt *decrypt);
/* Not read any further: everything held is counted as unread. */
void decrypt_give_up(struct decrypt *decrypt, enum decrypt_reason reason);

/* The whole record at the beginning of the side's input; on STEP_ON it is done with, or the connection is. */
enum step decrypt_record(struct decrypt *decrypt, struct side *side, const struct record *record,
			 const struct mark *mark, bool last);
/* What a record that was opened says: `len` bytes in room->plain. */
void decrypt_content(struct decrypt *decrypt, struct side *side, uint8_t type, size_t len,
		     const struct mark *mark, bool last);

/* Opens the record with one of the secrets that were seen; then the side has a key, and its content is in
 * room->plain. */
bool decrypt_find_key(struct decrypt *decrypt, struct side *side, const struct record *record, size_t *len,
		      uint8_t *type);
/* Takes from the budget what a trial of so many bytes costs; false: nothing is left. */
bool decrypt_spend(struct decrypt *decrypt, size_t bytes);

/* A gap behind the bytes that are left of the side's input. */
void decrypt_lose(struct decrypt *decrypt, struct side *side, const struct mark *mark);
/* A record that no key opens: its place is not what it seems. */
void decrypt_stray(struct decrypt *decrypt, struct side *side);
/* Looks for the next record; the side is not lost any more when it was found. */
enum step decrypt_search(struct decrypt *decrypt, struct side *side, const struct mark *mark);

static inline enum decrypt_direction decrypt_direction(const struct decrypt *decrypt, const struct side *side)
{
	return side == &decrypt->sides[DECRYPT_SERVER] ? DECRYPT_SERVER : DECRYPT_CLIENT;
}

#endif
