/* SPDX-License-Identifier: MIT */
/*
 * stages - user space without the kernel, to be measured: records as the BPF programs write them, made by
 * hand, and the stages that take them, from conns_event to the counters.
 */
#ifndef MO_STAGES_H
#define MO_STAGES_H

#include <stddef.h>
#include <stdint.h>

#include "capture/conn.h"
#include "cluster/cluster.h"

#define TAPE_BYTES (32u << 20)

/* A row of records, as they lie in the ring buffer; each begins with its size. When it is full, adding to it
 * aborts: the load is too large for it. */
struct tape {
	uint8_t *bytes;
	size_t used;
	uint64_t now, statements, records;
};

/* One of the proxy's sockets: positions as the kernel counts them. */
struct socket {
	uint64_t id;
	uint32_t pos[2];
};

/* Messages that go in one call. */
struct message {
	uint8_t bytes[1024];
	uint32_t len;
};

void message_put(struct message *message, char type, const void *body, uint32_t len);

/* One record of bytes. */
void tape_data(struct tape *tape, struct socket *socket, int direction, const void *bytes, uint32_t len);
/* One message, sent by a call of its own. */
void tape_send(struct tape *tape, struct socket *socket, char type, const void *body, uint32_t len);
/* A connection to that port of 127.0.0.1, and its start-up. */
void tape_start(struct tape *tape, struct socket *socket, uint16_t port);

/* One observer's stages, and a tape to begin with. */
struct bench {
	struct stats *stats;
	struct threshold *threshold;
	struct config *config;
	struct clusters *clusters;
	struct conns *conns;
	struct tape tape;
};

/* result_checksum: as the configuration names it. Aborts on any error. */
void bench_begin(struct bench *bench, const char *result_checksum);
void bench_end(struct bench *bench);
/* CPU time: other work on the machine is not ours, though it cools our caches. */
double bench_seconds(void);
/* Hands the records of a tape on; returns the seconds that it took. */
double bench_replay(struct bench *bench, const struct tape *tape);
/* Hands on those of its own tape, empties it, and ticks. */
double bench_play(struct bench *bench);
/* Statements that have succeeded. */
uint64_t bench_counted(const struct stats_target *target);

#endif
