/* SPDX-License-Identifier: MIT */
/*
 * What user space costs, without the kernel: records as the BPF programs write them, of pgbench's transaction
 * sent to a primary and a mirror, go through conns_event and all stages after it. Then memory and the tick
 * with many idle connections. Build and run with `make bench-pipeline`.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cluster.h"
#include "conn.h"

#define CLIENTS      8
#define TRANSACTIONS 500 /* built, then handed on, at a time */
#define PASSES       40
#define RECORDS_MAX  (32u << 20)
#define STATE_TIMED  1 /* TCP_ESTABLISHED, <netinet/tcp.h> */

enum mode { SIMPLE, EXTENDED, PREPARED, MODES };
static const char *const mode_names[MODES] = {"simple", "extended", "prepared"};

struct socket {
	uint64_t id;
	uint32_t pos[2];
};

/* A row of records, as they lie in the ring buffer; each begins with its size. */
struct tape {
	uint8_t *bytes;
	size_t used;
	uint64_t now, statements, records;
};

struct bench {
	struct stats *stats;
	struct threshold *threshold;
	struct config *config;
	struct clusters *clusters;
	struct conns *conns;
	struct tape tape;
};

/* CPU time: other work on the machine is not ours, though it cools our caches. */
static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* ------------------------------------------------------------------------------------------------ records */

static void *append(struct tape *tape, size_t size)
{
	uint64_t room = (size + 15) & ~7ull;
	uint8_t *at = tape->bytes + tape->used;

	if (tape->used + room > RECORDS_MAX)
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

static void data(struct tape *tape, struct socket *socket, int direction, const uint8_t *bytes, uint32_t len)
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

/* ----------------------------------------------------------------------------------------------- messages */

struct message {
	uint8_t bytes[1024];
	uint32_t len;
};

static void put(struct message *message, char type, const void *body, uint32_t len)
{
	uint32_t size = __builtin_bswap32(len + 4);

	if (type)
		message->bytes[message->len++] = type;
	memcpy(message->bytes + message->len, &size, 4);
	memcpy(message->bytes + message->len + 4, body, len);
	message->len += 4 + len;
}

static void send(struct tape *tape, struct socket *socket, char type, const void *body, uint32_t len)
{
	struct message message = {.len = 0};

	put(&message, type, body, len);
	data(tape, socket, DIRECTION_SEND, message.bytes, message.len);
}

static void start(struct tape *tape, struct socket *socket, uint16_t port)
{
	static const char packet[] = "\0\3\0\0user\0u\0database\0app\0";
	struct message answer = {.len = 0};

	opened(tape, socket, port);
	send(tape, socket, 0, packet, sizeof(packet));
	put(&answer, 'R', "\0\0\0", 4);
	put(&answer, 'Z', "I", 1);
	data(tape, socket, DIRECTION_RECV, answer.bytes, answer.len);
}

/* The answer to one statement, in two receives: pgpool-II reads a message's head by itself. */
static void answer(struct tape *tape, struct socket *socket, const char *tag, char status, const char *before)
{
	struct message message = {.len = 0};

	for (; *before; before++)
		put(&message, *before, "", 0);
	if (*tag == 'S') {
		if (!message.len)
			put(&message, 'T', "\0\1abalance\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 29);
		put(&message, 'D',
		    "\0\1\0\0\0\3"
		    "123",
		    9);
	}
	put(&message, 'C', tag, strlen(tag) + 1);
	put(&message, 'Z', &status, 1);
	data(tape, socket, DIRECTION_RECV, message.bytes, 5);
	data(tape, socket, DIRECTION_RECV, message.bytes + 5, message.len - 5);
}

struct step {
	const char *simple, *prepared, *tag, *name;
};

static const struct step steps[] = {
    {"BEGIN;", "BEGIN;", "BEGIN", "P0"},
    {"UPDATE pgbench_accounts SET abalance = abalance + %d WHERE aid = %d;",
     "UPDATE pgbench_accounts SET abalance = abalance + $1 WHERE aid = $2;", "UPDATE 1", "P1"},
    {"SELECT abalance FROM pgbench_accounts WHERE aid = %2$d;",
     "SELECT abalance FROM pgbench_accounts WHERE aid = $1;", "SELECT 1", "P2"},
    {"UPDATE pgbench_tellers SET tbalance = tbalance + %d WHERE tid = %d;",
     "UPDATE pgbench_tellers SET tbalance = tbalance + $1 WHERE tid = $2;", "UPDATE 1", "P3"},
    {"UPDATE pgbench_branches SET bbalance = bbalance + %d WHERE bid = 7;",
     "UPDATE pgbench_branches SET bbalance = bbalance + $1 WHERE bid = $2;", "UPDATE 1", "P4"},
    {"INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (3, 7, %2$d, %1$d, "
     "CURRENT_TIMESTAMP);",
     "INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES ($1, $2, $3, $4, CURRENT_TIMESTAMP);",
     "INSERT 0 1", "P5"},
    {"END;", "END;", "COMMIT", "P6"},
};

#define STEPS (sizeof(steps) / sizeof(steps[0]))

static void send_parse(struct tape *tape, struct socket *socket, const struct step *step, const char *name)
{
	uint8_t body[512] = {0};
	size_t at = strlen(name) + 1, len = strlen(step->prepared) + 1;

	memcpy(body, name, at);
	memcpy(body + at, step->prepared, len);
	send(tape, socket, 'P', body, at + len + 2);
}

static void send_bind(struct tape *tape, struct socket *socket, const char *name, int delta, int aid)
{
	uint8_t body[128] = {0};
	size_t at = 1 + strlen(name) + 1;
	int len;

	memcpy(body + 1, name, strlen(name));
	at += 2; /* formats */
	body[at + 1] = 2;
	at += 2;
	for (int i = 0; i < 2; i++) {
		len = sprintf((char *)body + at + 4, "%d", i ? aid : delta);
		body[at + 3] = len;
		at += 4 + len;
	}
	send(tape, socket, 'B', body, at + 2);
}

static void run_step(struct tape *tape, struct socket *socket, enum mode mode, const struct step *step,
		     int delta, int aid)
{
	const char *name = mode == PREPARED ? step->name : "";
	char text[256];
	int len;

	if (mode == SIMPLE) {
		len = snprintf(text, sizeof(text), step->simple, delta, aid);
		send(tape, socket, 'Q', text, len + 1);
	} else {
		if (mode == EXTENDED)
			send_parse(tape, socket, step, name);
		send_bind(tape, socket, name, delta, aid);
		send(tape, socket, 'E', "\0\0\0\0", 5);
		send(tape, socket, 'S', "", 0);
	}
	answer(tape, socket, step->tag, *step->tag == 'C' ? 'I' : 'T',
	       mode == SIMPLE     ? ""
	       : mode == EXTENDED ? "12"
				  : "2");
	tape->statements++;
}

static void prepare(struct tape *tape, struct socket *socket)
{
	struct message message = {.len = 0};

	for (size_t i = 0; i < STEPS; i++) {
		send_parse(tape, socket, &steps[i], steps[i].name);
		put(&message, '1', "", 0);
	}
	send(tape, socket, 'S', "", 0);
	put(&message, 'Z', "I", 1);
	data(tape, socket, DIRECTION_RECV, message.bytes, message.len);
}

/* -------------------------------------------------------------------------------------------------- stages
 */

static struct role role_of(void *ctx, const struct address *remote, const char *path, const char *database)
{
	(void)ctx, (void)path, (void)database;
	return (struct role){.target = remote->port == 1 ? TARGET_PRIMARY : TARGET_MIRROR, .clusters = 1};
}

static void begin(struct bench *bench)
{
	static const char text[] = "proxy: {comm: pgpool}\nclusters:\n  - name: app\n"
				   "    primary: {address: \"127.0.0.1:1\", database: app}\n"
				   "    mirror: {address: \"127.0.0.1:2\", database: app}\n";
	struct stats_options stats = {.max_clusters = 1};
	struct conns_options options = {
	    .max = 1 << 20,
	    .session = {
		.queue_max = 65536, .prepared_max = 1024, .prepared_bytes = 1 << 20, .provisional_max = 256}};
	struct conn_sink sink;
	char *error;

	memset(bench, 0, sizeof(*bench));
	if (stats_open(&bench->stats, &stats) || threshold_new(&bench->threshold, NULL, NULL) ||
	    config_parse(&bench->config, "bench", text, sizeof(text) - 1, &error) ||
	    clusters_new(&bench->clusters, bench->stats, bench->threshold) ||
	    clusters_configure(bench->clusters, bench->config))
		abort();
	sink = clusters_sink(bench->clusters);
	sink.classify = role_of;
	bench->tape.bytes = malloc(RECORDS_MAX);
	bench->tape.now = 1000000000;
	if (!bench->tape.bytes || conns_new(&bench->conns, &options, &sink))
		abort();
}

static void end(struct bench *bench)
{
	conns_free(&bench->conns);
	clusters_free(&bench->clusters);
	config_free(&bench->config);
	threshold_free(&bench->threshold);
	stats_free(&bench->stats);
	free(bench->tape.bytes);
}

static double play(struct bench *bench)
{
	struct tape *tape = &bench->tape;
	double before = seconds();

	for (size_t at = 0; at < tape->used;) {
		uint64_t room;

		memcpy(&room, tape->bytes + at, sizeof(room));
		conns_event(bench->conns, (const struct event *)(tape->bytes + at + 8));
		at += room;
	}
	tape->used = 0;
	clusters_tick(bench->clusters, tape->now);
	return seconds() - before;
}

/* --------------------------------------------------------------------------------------------- measurements
 */

static uint64_t counted(const struct stats_target *target)
{
	return *stats_cell(&target->statements, OUTCOME_SUCCESS);
}

static void run_load(enum mode mode)
{
	struct socket sockets[CLIENTS][2] = {0};
	const struct stats_cluster *stats;
	struct bench bench;
	double taken = 0;

	begin(&bench);
	for (int i = 0; i < CLIENTS * 2; i++) {
		struct socket *socket = &sockets[i / 2][i % 2];

		*socket = (struct socket){.id = i + 1, .pos = {1000, 2000}};
		start(&bench.tape, socket, 1 + i % 2);
		if (mode == PREPARED)
			prepare(&bench.tape, socket);
	}
	play(&bench);
	bench.tape.records = 0;
	for (int pass = 0; pass < PASSES; pass++) {
		for (int i = 0; i < TRANSACTIONS; i++) {
			int delta = rand() % 10000 - 5000, aid = rand() % 1000000;

			for (size_t step = 0; step < STEPS; step++)
				for (int side = 0; side < 2; side++)
					run_step(&bench.tape, &sockets[i % CLIENTS][side], mode, &steps[step],
						 delta, aid);
		}
		taken += play(&bench);
	}
	stats = stats_cluster(bench.stats, "app");
	clusters_sync(bench.clusters);
	printf("%-10s %6.0f ns/statement %5.0f ns/record %6.2f records/statement   counted %s\n",
	       mode_names[mode], taken * 1e9 / bench.tape.statements, taken * 1e9 / bench.tape.records,
	       (double)bench.tape.records / bench.tape.statements,
	       counted(&stats->primary) + counted(&stats->mirror) == bench.tape.statements ? "all"
											   : "NOT ALL");
	end(&bench);
}

static long resident(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	long size, pages = 0;

	if (!file || fscanf(file, "%ld %ld", &size, &pages) != 2)
		abort();
	fclose(file);
	return pages * sysconf(_SC_PAGESIZE);
}

static void run_idle(uint32_t count, bool prepared)
{
	struct bench bench;
	long before;
	double taken;

	begin(&bench);
	before = resident();
	for (uint32_t i = 0; i < count; i++) {
		struct socket socket = {.id = i + 1, .pos = {1000, 2000}};

		start(&bench.tape, &socket, 1 + i % 2);
		if (prepared)
			prepare(&bench.tape, &socket);
		for (size_t step = 0; step < STEPS; step++)
			run_step(&bench.tape, &socket, prepared ? PREPARED : SIMPLE, &steps[step], 1, 2);
		play(&bench);
	}
	before = resident() - before;
	conns_tick(bench.conns, bench.tape.now, true); /* finds them quiet */
	taken = seconds();
	for (int i = 0; i < 10; i++)
		conns_tick(bench.conns, bench.tape.now, true);
	taken = (seconds() - taken) / 10;
	printf("%6u connections%s: %6.0f bytes each, conns_tick %6.0f us\n", count,
	       prepared ? " with 7 prepared statements" : "", (double)before / count, taken * 1e6);
	end(&bench);
}

/* Each in a process of its own, so that none begins with memory that another has freed. */
int main(void)
{
	for (int run = 0; run < MODES + 3; run++) {
		pid_t child = fork();

		if (child) {
			waitpid(child, NULL, 0);
			continue;
		}
		if (run < MODES)
			run_load(run);
		else
			run_idle(run == MODES + 2 ? 50000 : 10000, run == MODES + 1);
		return 0;
	}
	return 0;
}
