/* SPDX-License-Identifier: MIT */
/*
 * session_internal - what the parts of session share. Included by session*.c only.
 *
 *   session.c           life of a session, the ends, time
 *   session_frontend.c  what the client sent -> items of the pipeline
 *   session_backend.c   what the server answered -> the items' ends
 *   session_error.c     what an ErrorResponse fails and skips
 *   session_result.c    checksums of rows
 *   session_account.c   outcomes of queries, statements and requests
 *   session_outbox.c    hands outcomes to the sink: at once, held back, or as unknown
 *   session_resync.c    losing and regaining the pairing
 */
#ifndef MO_SESSION_INTERNAL_H
#define MO_SESSION_INTERNAL_H

#include "wire/failure.h"
#include "wire/framer.h"
#include "wire/pgwire.h"
#include "wire/pipeline.h"
#include "wire/prepared.h"
#include "wire/session.h"
#include "wire/tls.h"

#define PORTALS_MAX    256 /* portals remembered per connection */
#define SUSPENDED_MAX  64  /* suspended portals remembered; beyond it the oldest counts as unknown */
#define ALTERNATIONS   8   /* strict send -> ReadyForQuery alternations that prove a regained pairing */
#define QUIET_NS       1000000000ull  /* nothing on the wire for so long: nothing is on its way */
#define UNPROVEN_NS    30000000000ull /* how long outcomes wait for their proof without a request_timeout */
#define READY_LEN      6
#define QUERY_HEAD_MAX (SESSION_TEXT_MAX + 1024) /* text, name and terminators */

enum pairing {
	PAIRING_CERTAIN,
	PAIRING_PROVISIONAL, /* regained, not yet proven: outcomes are held back */
	PAIRING_BLIND,       /* lost: outcomes are unknown */
	PAIRING_NONE,        /* nothing (more) to decode: encrypted, replication, cancel, ended */
};

/* The first error of a query, a statement or a request. */
struct fault {
	enum outcome outcome;
	enum failure_type type;
	char sqlstate[6];
};

struct request {
	bool open;
	bool settled; /* handed out already; what follows up to idle still belongs to it */
	bool late;    /* settled by request_timeout */
	bool mirrored, ignored, queried;
	uint64_t sent_ns;
	uint32_t statements;
	struct fault fault;
};

/* The query at the head of the pipeline, while its answer comes in. */
struct answer {
	bool begun; /* a reply that only it can have caused was seen */
	bool failed;
	uint32_t statements;
	uint64_t rows, data_rows;
	uint64_t result, result_rows; /* checksum so far, and of how many rows */
	struct fault fault;
};

struct suspended {
	struct item item; /* the first Execute; id 0: of any portals whose Bind was not seen */
	uint64_t since_ns;
	uint64_t rows;
};

/* An outcome that waits for the proof of its pairing. */
struct held_outcome {
	enum { HELD_ANSWERED, HELD_STATEMENT, HELD_REQUEST } kind;
	union {
		struct session_query query;
		struct session_statement statement;
		struct session_request request;
	};
};

/* What is known of outstanding cycles while blind. */
struct blind {
	uint32_t cycles;   /* sent and not answered, as far as can be told */
	bool partial;      /* bytes of one more */
	bool partial_lost; /* and these were lost or torn */
	bool ready;        /* a ReadyForQuery was the last on the wire */
	uint64_t last_ns;
	struct tls sent_tls, received_tls;
};

struct session {
	struct session_sink sink;
	struct session_options options;
	enum pairing pairing;
	enum transport transport;
	char status; /* of the last ReadyForQuery; 0 before the first */

	struct framer front, back;
	bool front_lost, back_lost;     /* framing */
	bool front_begins, back_begins; /* the next byte begins a call */
	bool pipelines;  /* a cycle was sent while another was outstanding: alternation proves nothing */
	uint64_t now_ns; /* time of the bytes at hand */
	uint8_t tail[READY_LEN]; /* last bytes received */
	uint8_t tail_len;

	/* start-up */
	bool startup_seen; /* the packet was seen or missed */
	bool startup_done;
	bool terminated;        /* Terminate was sent: whoever closes first, it was the client's wish */
	bool encryption_asked;  /* SSLRequest or GSSENCRequest unanswered: one byte comes */
	bool encryption_failed; /* and it was the first of an error */

	/* client's side */
	struct prepared statements, portals;
	struct querytext_hash hash;
	struct pgwire_params params;
	bool hashing;    /* a long message's tail goes through hash */
	bool hash_ended; /* the text is over, its message is not */
	uint64_t serials, ids;
	bool block_expected; /* the transaction block is open once all that was sent is answered */
	uint64_t evictions_noted;

	/* server's side */
	struct pipeline pipeline;
	uint32_t cycles; /* items in the pipeline that end a cycle */
	struct answer answer;
	struct XXH3_state_s *row; /* a DataRow that comes in pieces */
	enum { COPY_NONE, COPY_IN, COPY_OUT, COPY_BOTH } copy;
	uint32_t copy_ends;  /* ITEM_COPY_END in the pipeline */
	bool skipping;       /* an error in an extended batch: up to Sync nothing is executed */
	bool error_homeless; /* that error's statement is the next Execute skipped */
	bool unasked_error;  /* an ErrorResponse while idle in a block: a ReadyForQuery follows */
	uint32_t strays;     /* ReadyForQuery that may come for Syncs which COPY may have swallowed */
	struct fault batch_fault;
	struct item batch_item; /* what failed */
	struct suspended *suspended;
	uint32_t suspended_count;
	bool savepoint;       /* in this block */
	bool rolled_back;     /* the last command of this cycle was ROLLBACK, or an error aborted */
	bool end_unseen;      /* whether it was is not known: its CommandComplete had a hole */
	uint64_t progress_ns; /* when the server last showed life, or began to be waited for */

	struct request request;
	struct held_outcome *held;
	uint32_t held_count, held_size;
	bool held_over; /* more than provisional_max: unknown until certain */
	uint32_t alternations;
	struct blind blind;
};

/* session.c */
void session_note(struct session *session, enum session_note note);
void session_stop(struct session *session);

/* session_frontend.c */
framer_rule session_frontend_rule;
void session_frontend_message(struct session *session, const struct frame *frame);
void session_frontend_head(struct session *session, const struct frame *frame);
void session_frontend_tail(struct session *session, const struct frame *frame);

/* session_backend.c */
framer_rule session_backend_rule;
void session_backend_message(struct session *session, const struct frame *frame);
/* The item that the next reply answers, or NULL. */
struct item *session_head(struct session *session);
/* The server swallowed it: it gets no answer. */
void session_kill_item(struct session *session, struct item *item);
/* Lets a skip and swallowed items run as far as they can. */
void session_settle_head(struct session *session);

framer_rule session_backend_hashing_rule; /* with the rows handed out */

/* session_result.c */
void session_row_head(struct session *session);
void session_row_tail(struct session *session, const struct frame *frame);
void session_row(struct session *session, const struct frame *frame);
uint32_t result_of(const struct answer *answer);
void result_free(struct session *session);

/* session_error.c */
void session_error(struct session *session, const struct frame *frame);

/* What its item says of a query: all but text and answer. */
static inline struct session_query session_query_of(const struct item *item)
{
	return (struct session_query){.serial = item->serial,
				      .sent_ns = item->sent_ns,
				      .key = {item->key.word[0], item->key.word[1]},
				      .keyed = item->flags & ITEM_KEYED,
				      .ignored = item->flags & ITEM_IGNORED,
				      .control = item->flags & ITEM_CONTROL,
				      .in_block = item->flags & ITEM_IN_BLOCK,
				      .text = ""};
}

/* session_account.c */
void account_touch(struct request *request, const struct item *item);
void account_pop(struct session *session);
/* The head's query is over with session->answer. */
void account_query(struct session *session, const struct item *item, const struct answer *answer,
		   bool skipped);
void account_statement(struct session *session, const struct item *item, const struct fault *fault,
		       const struct pgwire_tag *tag);
void account_fault(struct fault *fault, const struct fault *first);
/* The request at hand ends with what it has. */
void account_request_end(struct session *session);
void account_emit_request(struct session *session, struct request *request);
/* Everything outstanding and the open request end with this fault. */
void account_settle_all(struct session *session, const struct fault *fault);
/* Suspended portals: dropped is true when their end counts as a call. */
void account_end_suspended(struct session *session, uint32_t index, bool counts, const struct fault *fault);
void account_end_portal(struct session *session, uint64_t portal, bool counts);
void account_end_portals(struct session *session, bool counts, const struct fault *fault);

/* session_outbox.c */
void outbox_answered(struct session *session, const struct session_query *query);
void outbox_statement(struct session *session, const struct session_statement *statement);
void outbox_request(struct session *session, const struct session_request *request);
void outbox_release(struct session *session, bool proven);

/* session_resync.c */
/* Pairing is lost; the framing of the sides that are not lost goes on. */
void resync_lose(struct session *session, bool front, bool back);
/* The server's replies do not fit what was sent. */
void resync_mismatch(struct session *session);
void resync_cycle_answered(struct session *session);
/* A blind connection: bytes and messages that may tell where it stands. */
void resync_blind_sent(struct session *session, const uint8_t *data, size_t len, bool last);
void resync_blind_cycle_sent(struct session *session);
/* Before each byte of a blind connection: after a pause nothing is on its way. */
void resync_blind_quiet(struct session *session);
void resync_blind_received(struct session *session, const uint8_t *data, size_t len, bool last);
void resync_blind_ready(struct session *session, char status);

#endif
