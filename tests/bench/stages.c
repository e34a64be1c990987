/* SPDX-License-Identifier: MIT */
#include "stages.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define STATE_TIMED 1 /* TCP_ESTABLISHED, <netinet/tcp.h> */

/* ------------------------------------------------------------------------------------------------- records
 */

static void *append(struct tape *tape, size_t size)
{
	uint64_t room = (size + 15) & ~7ull;
	uint8_t *at = tape->bytes + tape->used;

	if (tape->used + room > TAPE_BYTES)
		abort();
	memset(at, 0, room);
	memcpy(at, &room, sizeof(room));
	tape->used += room;
	tape->records++;
	return at + 8;
}

static void fill_head(struct tape *tape, struct event *head, const struct socket *socket, uint8_t kind)
{
	*head = (struct event){.sock = socket->id,
			       .time = tape->now += 5000,
			       .send_pos = socket->pos[DIRECTION_SEND],
			       .recv_pos = socket->pos[DIRECTION_RECV],
			       .kind = kind};
}

void tape_data(struct tape *tape, struct socket *socket, int direction, const void *bytes, uint32_t len)
{
	struct event_data *record = append(tape, sizeof(*record) + len);

	record->pos = socket->pos[direction];
	socket->pos[direction] += len;
	fill_head(tape, &record->h, socket, EVENT_DATA);
	record->h.direction = direction;
	record->h.flags = EVENT_F_LAST;
	record->len = record->captured = len;
	memcpy(record->data, bytes, len);
}

static void opened(struct tape *tape, struct socket *socket, uint16_t port)
{
	struct event_open *open = append(tape, sizeof(*open));
	struct event_state *state;

	fill_head(tape, &open->h, socket, EVENT_OPEN);
	memcpy(open->remote, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\0\0\1", 16);
	open->remote_port = port;
	open->state = 2; /* SYN_SENT */
	state = append(tape, sizeof(*state));
	fill_head(tape, &state->h, socket, EVENT_STATE);
	state->old_state = 2;
	state->new_state = STATE_TIMED;
}

void message_put(struct message *message, char type, const void *body, uint32_t len)
{
	uint32_t size = __builtin_bswap32(len + 4);

	if (type)
		message->bytes[message->len++] = type;
	memcpy(message->bytes + message->len, &size, 4);
	memcpy(message->bytes + message->len + 4, body, len);
	message->len += 4 + len;
}

void tape_send(struct tape *tape, struct socket *socket, char type, const void *body, uint32_t len)
{
	struct message message = {.len = 0};

	message_put(&message, type, body, len);
	tape_data(tape, socket, DIRECTION_SEND, message.bytes, message.len);
}

void tape_start(struct tape *tape, struct socket *socket, uint16_t port)
{
	static const char packet[] = "\0\3\0\0user\0u\0database\0app\0";
	struct message answer = {.len = 0};

	opened(tape, socket, port);
	tape_send(tape, socket, 0, packet, sizeof(packet));
	message_put(&answer, 'R', "\0\0\0", 4);
	message_put(&answer, 'Z', "I", 1);
	tape_data(tape, socket, DIRECTION_RECV, answer.bytes, answer.len);
}

/* -------------------------------------------------------------------------------------------------- stages
 */

double bench_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static struct role role_of(void *ctx, const struct address *remote, const char *path, const char *database)
{
	(void)ctx, (void)path, (void)database;
	return (struct role){.target = remote->port == 1 ? TARGET_PRIMARY : TARGET_MIRROR, .clusters = 1};
}

void bench_begin(struct bench *bench, const char *result_checksum)
{
	static const char format[] = "proxy: {comm: pgpool}\nclusters:\n  - name: app\n"
				     "    primary: {address: \"127.0.0.1:1\", database: app}\n"
				     "    mirror: {address: \"127.0.0.1:2\", database: app}\n"
				     "    result_checksum: %s\n";
	struct stats_options stats = {.max_clusters = 1};
	struct conns_options options = {
	    .max = 1 << 20,
	    .session = {
		.queue_max = 65536, .prepared_max = 1024, .prepared_bytes = 1 << 20, .provisional_max = 256}};
	struct conn_sink sink;
	char text[512], *error;
	int len = snprintf(text, sizeof(text), format, result_checksum);

	memset(bench, 0, sizeof(*bench));
	if (stats_open(&bench->stats, &stats) || threshold_new(&bench->threshold, NULL, NULL) ||
	    config_parse(&bench->config, "bench", text, len, &error) ||
	    clusters_new(&bench->clusters, bench->stats, bench->threshold, NULL) ||
	    clusters_configure(bench->clusters, bench->config))
		abort();
	sink = clusters_sink(bench->clusters);
	sink.classify = role_of;
	bench->tape.bytes = malloc(TAPE_BYTES);
	bench->tape.now = 1000000000;
	if (!bench->tape.bytes || conns_new(&bench->conns, &options, &sink))
		abort();
}

void bench_end(struct bench *bench)
{
	conns_free(&bench->conns);
	clusters_free(&bench->clusters);
	config_free(&bench->config);
	threshold_free(&bench->threshold);
	stats_free(&bench->stats);
	free(bench->tape.bytes);
}

double bench_replay(struct bench *bench, const struct tape *tape)
{
	double before = bench_seconds();

	for (size_t at = 0; at < tape->used;) {
		uint64_t room;

		memcpy(&room, tape->bytes + at, sizeof(room));
		conns_event(bench->conns, (const struct event *)(tape->bytes + at + 8));
		at += room;
	}
	return bench_seconds() - before;
}

double bench_play(struct bench *bench)
{
	double taken = bench_replay(bench, &bench->tape), before = bench_seconds();

	bench->tape.used = 0;
	clusters_tick(bench->clusters, bench->tape.now);
	return taken + bench_seconds() - before;
}

uint64_t bench_counted(const struct stats_target *target)
{
	return *stats_cell(&target->statements, OUTCOME_SUCCESS);
}
