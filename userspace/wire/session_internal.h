/* SPDX-License-Identifier: MIT */
/*
 * session_internal - what the parts of session share. Included by session*.c only.
 *
 *   session_state.c     the states, and the table of what leads from one to another
 *   session.c           life of a session, its bytes, its end
 *   session_time.c      what is overdue
 *   session_frontend.c  what the client sent -> items of the pipeline
 *   session_backend.c   what the server answered -> the items' ends
 *   session_copy.c      what the server swallows while it copies
 *   session_error.c     what an ErrorResponse fails and skips
 *   session_result.c    checksums of rows
 *   session_account.c   outcomes of queries, statements and requests
 *   session_answers.c   outcomes from the answers alone, while pairing is not certain
 *   session_outbox.c    hands outcomes to the sink: at once, held back, or as unknown
 *   session_loss.c      losing framing and pairing
 *   session_regain.c    regaining them
 *   session_blind.c     the time that both were lost
 *
 * Who adds something to a statement (its context, say) does so where a query is numbered, push_query() in
 * session_frontend.c, and where its answer is told, account_query() in session_account.c; what is remembered
 * of a connection in between must be dropped in session_lose(), since nobody knows what was lost. Decryption
 * goes between stream and session_sent(), session_received() and their gaps: only plain bytes come here.
 */
#ifndef MO_SESSION_INTERNAL_H
#define MO_SESSION_INTERNAL_H

#include "wire/failure.h"
#include "wire/framer.h"
#include "wire/ledger.h"
#include "wire/pgwire.h"
#include "wire/pipeline.h"
#include "wire/prepared.h"
#include "wire/savepoints.h"
#include "wire/session.h"
#include "wire/session_state.h"
#include "wire/tls.h"

#define PORTALS_MAX    4096 /* portals remembered per connection */
#define SUSPENDED_MAX  1024 /* suspended portals remembered; beyond it the oldest counts as unknown */
#define PIPELINED_FOR  32   /* strict alternations after which a client is no longer held to pipeline */
#define UNPROVEN_NS    30000000000ull /* how long outcomes wait for their proof without a request_timeout */
#define READY_LEN      6
#define OFFSETS_NEAR   4 /* a loop of so few statements, or fewer, tells nothing of a provisional pairing */
#define QUERY_HEAD_MAX (SESSION_TEXT_MAX + 1024) /* text, name and terminators */

/* The first error of a query, a statement or a request. */
struct fault {
	enum outcome outcome;
	enum failure_type type;
	char sqlstate[6];
};

struct request {
	bool open;
	bool settled;      /* handed out already; what follows up to idle still belongs to it */
	bool late;         /* settled by request_timeout */
	bool begun_unseen; /* when its first query was sent is not known */
	bool mirrored, ignored, queried;
	uint64_t sent_ns;
	uint32_t statements;
	uint64_t failed_ns; /* since when session_tick() knows that it has failed */
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

struct held {
	struct held_outcome *items;
	uint32_t count, size;
	bool over; /* more than provisional_max came: unknown from then on */
};

/* What the answers alone tell while pairing is not certain. */
struct told {
	struct request request;
	bool in_cycle;         /* a part of a cycle's answer was seen */
	bool outcome;          /* and one that ends a query */
	bool described;        /* rows were described since the last result */
	uint32_t suspended;    /* portals that were, and did not come to their end since */
	uint64_t suspended_ns; /* when the last of them was */
	bool empty;            /* this request had an empty query */
	bool torn;             /* what came before in this request is not known */
	bool torn_cycle;       /* nor in this cycle */
	bool portals;          /* some may be there that were bound in this block */
	uint32_t bound;        /* those that were bound and not run */
	uint32_t late_cycles;  /* that request_timeout has settled */
	bool unproven;    /* the server's framing was regained and may be wrong: outcomes are held back */
	uint32_t readies; /* since then */
};

enum direction { DIRECTION_SENT, DIRECTION_RECEIVED };

/* Time during which neither direction could be read. */
struct blind {
	uint64_t seen_ns[2]; /* of the last bytes, or the last gap's end, by direction */
	struct {
		uint64_t from_ns, to_ns;
	} lost[2];         /* the last gap's time */
	uint64_t until_ns; /* told, or waiting in untold_ns, up to here */
	uint64_t untold_ns;
};

/* How near a provisional pairing is to be proven. */
struct proof {
	uint32_t points;
	bool strict;       /* the cycle outstanding was sent when nothing was outstanding */
	uint32_t deep;     /* one was not: counts down by those that are, before they prove anything */
	uint32_t overlaps; /* cycles that were not strict */
	uint32_t silences; /* so far together, in parts of a cycle of the server */
	const char *asked[OFFSETS_NEAR]; /* tags of the last queries that were answered; NULL = any */
	uint32_t answered;               /* queries */
	uint32_t refuted;                /* bit n: that n + 1 more were outstanding */
	uint32_t likely;                 /* of them by a tag that was only likely (item.likely) ... */
	bool misled;                     /* ... which was wrong once: none is believed */
};

struct session {
	struct session_sink sink;
	struct session_options options;
	enum session_state state;
	enum transport transport;
	char status; /* of the last ReadyForQuery; 0 before the first */

	struct framer front, back;
	bool front_begins, back_begins; /* the next byte begins a call */
	bool mid_batch;                 /* the client has sent a part of an extended batch */
	bool back_idle;                 /* a ReadyForQuery was the server's last message */
	uint32_t pipelined;  /* the client is known to pipeline; counts down as it does not any more */
	uint64_t service_ns; /* about the longest that the server lately took for a cycle */
	uint64_t ready_ns;   /* of the last ReadyForQuery */
	uint64_t asked_ns;   /* of the first message of the client behind it */
	struct blind blind;
	uint64_t now_ns;         /* time of the bytes at hand */
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
	bool portals_torn; /* one was bound whose name was not seen */
	bool names_torn;   /* statements may have been prepared before anybody looked */
	struct querytext_hash hash;
	struct pgwire_params params;
	bool hashing;    /* a long message's tail goes through hash */
	bool hash_ended; /* the text is over, its message is not */
	uint64_t serials, ids;
	uint64_t block_ids;  /* of ids, before the block that is open once all that was sent is answered */
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
	uint64_t batch_ns;      /* when */
	struct suspended *suspended;
	uint32_t suspended_count;
	struct savepoints savepoints; /* of this block */
	uint64_t bound;               /* the last portal that was bound or declared */
	bool rolled_back;             /* the last command of this cycle was ROLLBACK, or an error aborted */
	bool rolled_back_to;  /* a command of this cycle was ROLLBACK, whole or to a savepoint: which is not
				 known */
	bool end_unseen;      /* whether it was is not known: its CommandComplete had a hole */
	uint64_t progress_ns; /* when the server last showed life, or began to be waited for */

	struct context context; /* settings and the like */
	uint64_t served_ns;  /* when the last query was answered: the next one's time runs from there at the
				earliest */
	uint64_t command_ns; /* the same of the last command of a query */

	struct request request;
	bool block_unseen; /* this block began before pairing did: portals may be open that nobody saw */

	/* while pairing is not certain */
	struct told told;
	struct ledger ledger;
	struct held held_pairs;    /* until pairing is proven: answers of queries */
	struct held held_outcomes; /* until the server's framing is: statements and requests */
	struct proof proof;
	struct tls sent_tls, received_tls;
};

/* session.c */
void session_note(struct session *session, enum session_note note);
/* The one way from one state to another. */
void session_turn(struct session *session, enum session_turn turn);
/* Nothing more is decoded, for the reason given: TURN_ENDED, TURN_ENCRYPTED, ... */
void session_stop(struct session *session, enum session_turn why);

/* session_blind.c */
/* Time goes on: up to these bytes. Sets now_ns. */
void blind_bytes(struct session *session, enum direction direction, uint64_t time_ns);
/* And up to this gap's end, once it is known what it has made the session lose. */
void blind_gap(struct session *session, enum direction direction, uint64_t time_ns);

/* session_frontend.c */
framer_rule session_frontend_rule;
void session_frontend_message(struct session *session, const struct frame *frame);

/* session_hash.c */
/* The beginning, and each further piece, of a message that is too long to be kept whole. */
void session_hash_head(struct session *session, const struct frame *frame);
void session_hash_tail(struct session *session, const struct frame *frame);

/* session_backend.c */
framer_rule session_backend_rule;
void session_backend_message(struct session *session, const struct frame *frame);
/* The item that the next reply answers, or NULL. */
struct item *session_head(struct session *session);
/* The error of a batch for which no Execute was skipped. */
void session_emit_homeless(struct session *session);
/* Lets a skip and swallowed items run as far as they can. */
void session_settle_head(struct session *session);

framer_rule session_backend_hashing_rule; /* with the rows handed out */

/* session_result.c */
void session_row_head(struct session *session);
void session_row_tail(struct session *session, const struct frame *frame);
void session_row(struct session *session, const struct frame *frame);
uint32_t result_of(const struct answer *answer);
void result_free(struct session *session);

/* session_copy.c */
/* The server swallowed it: it gets no answer. */
void session_kill_item(struct session *session, struct item *item);
/* While it reads COPY data the server swallows Sync; it has now read up to CopyDone or CopyFail. */
bool session_swallow_copy_end(struct session *session);
/*
 * COPY failed while the client was sending. Syncs from before CopyDone were swallowed if the server had read
 * them by then, and are answered if not: those answers may come, but need not. False: anything else was sent
 * meanwhile, of which nobody can tell.
 */
bool session_abandon_copy(struct session *session);

/* session_error.c */
/* Reads it, and tells the sink of it. */
struct fault session_read_error(struct session *session, const struct frame *frame, bool *fatal);
void session_error(struct session *session, const struct fault *fault, bool fatal);
void session_startup_failed(struct session *session);

/* session_answers.c */
void answers_message(struct session *session, const struct frame *frame, const struct fault *fault,
		     bool fatal);
/* Of the request at hand no more will be known. */
void answers_tear(struct session *session);
/* The connection ends while pairing is lost. */
void answers_close(struct session *session, const struct fault *fault);

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
				      .resumed = item->flags & ITEM_RESUMED,
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
/* What the sink is told of a request that ends with what it has. */
struct session_request account_request_of(const struct session *session, const struct request *request);
/* Everything outstanding and the open request end with this fault. */
void account_settle_all(struct session *session, const struct fault *fault);
/* Suspended portals: dropped is true when their end counts as a call. */
void account_end_suspended(struct session *session, uint32_t index, bool counts, const struct fault *fault);
void account_end_portal(struct session *session, uint64_t portal, bool counts);
void account_end_portals(struct session *session, bool counts, const struct fault *fault);

/* session_blocks.c */
/* What a query's text will do to savepoints and cursors: of one that is whole only where scan.sets. */
void blocks_sent(struct session *session, struct item *item, const char *text, size_t len, bool whole);
/* The portal of an Execute; NULL where it is not known which it is. */
struct prepared_entry *blocks_portal(struct session *session, const struct querytext_key *name);
/* What a query did, by its CommandComplete; tag "": it had a hole. */
void blocks_complete(struct session *session, const struct item *item, const char *tag);
/* A ReadyForQuery: is the block over? */
void blocks_ready(struct session *session, bool over);

/* session_outbox.c */
/* From pairs: at once where they are certain; else answers are held back, and the rest is told by answers. */
void outbox_answered(struct session *session, const struct session_query *query);
void outbox_statement(struct session *session, const struct session_statement *statement);
void outbox_request(struct session *session, const struct session_request *request);
/* From answers: at once, or held back while the server's framing is unproven. */
void outbox_tell_statement(struct session *session, const struct session_statement *statement);
void outbox_tell_request(struct session *session, const struct session_request *request);
enum release { RELEASE_PROVEN, RELEASE_UNKNOWN, RELEASE_DROP };
void outbox_release(struct session *session, struct held *held, enum release how);

/* session_loss.c */
/* TURN_FRONT_LOST, TURN_BACK_LOST: that direction's framing is lost. TURN_MISMATCH: pairing is. */
void session_lose(struct session *session, enum session_turn turn);
/* The server's replies do not fit what was sent. */
void session_mismatch(struct session *session);
/* Queries of which nobody will know the answer: nothing is compared with them. */
void session_answer_unknown(struct session *session);
/* Statements and requests whose answers were lost, as far as is known, are unknown. */
void session_settle_lost(struct session *session);

/* session_regain.c */
/* Bytes of a direction whose framing is lost; true: it is regained, and these bytes are to be decoded. */
bool regain_sent(struct session *session, const uint8_t *data, size_t len, bool last);
bool regain_received(struct session *session, const uint8_t *data, size_t len, bool last);
/* Before a message of the client while pairing is lost: may be that nothing is outstanding. */
void regain_drained(struct session *session, uint8_t type);
/* A ReadyForQuery came: how long the server takes for a cycle, about the longest of late. */
void regain_note_service(struct session *session);
/* A cycle is sent, is answered, while pairing is provisional. */
void regain_cycle_sent(struct session *session);
void regain_cycle_answered(struct session *session);
/* The first tag of the answer that item gets, "" where it had a hole. */
void regain_query_answered(struct session *session, const struct item *item, const char *answered);
/* The connection ends: what is outstanding in a provisional pairing is so in any. */
void session_assume_aligned(struct session *session);

#endif
