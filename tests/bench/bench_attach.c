// SPDX-License-Identifier: MIT
/*
 * bench_attach - what a send and its receive cost in each attach mode that this kernel offers: rows of
 * docs/performance.md.
 *
 * Usage: bench_attach [--instructions] [--rounds N] [MODE...]
 *
 * One thread holds both ends of a connection on the loopback, so that nothing waits and nobody is scheduled:
 * 100 bytes to the server's end, which receives them, and back. Every round measures each mode anew beside
 * the same with nothing attached; printed are medians of the rounds. Whatever else sends on the machine is
 * measured along.
 *
 * runs, BPF: of all programs attached, as the kernel counts them (run_cnt, run_time_ns). Entering them (the
 * breakpoint, the trampoline) is not in that, its own counting is. `added` is the
 * processor's time: a send and a receive with the programs, and without the counting, less the same with
 * nothing attached.
 * --instructions: the clock is that of `tests/vm/shell --icount`; and how many times as many as in the first
 * mode's TCP.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "capture/probe.h"

#define ROUNDS_MAX    101
#define BLOCKS        5    /* of which the fastest counts: what disturbs only adds */
#define EXCHANGES     1500 /* in a block; their records stay below the fill at which the ring wakes anybody */
#define MESSAGE_BYTES 100
#define RING_BYTES    (16u << 20)

enum transport { TCP, UNIX, TRANSPORTS };
/* Whose socket: another process's, the proxy's but not to a target, or one to a target. Only of the last the
 * client's end is tracked; the server's end never is. */
enum side { FOREIGN, UNTRACKED, TRACKED, SIDES };

/* What is attached: the mode's programs, and those for Unix-domain sockets as well or not. */
enum set { SET_TCP, SET_UNIX, SETS };

struct figures {
	double runs, bpf_ns, added_ns; /* of a send and its receive */
};

static struct figures measured[ATTACH_MODES][SETS][TRANSPORTS][SIDES][ROUNDS_MAX];
static int listeners[TRANSPORTS][SIDES];
static const char proxy_name[] = "bench_attach";
static char directory[] = "/tmp/bench_attach.XXXXXX";
static int rounds = 11;

static void die(const char *what)
{
	fprintf(stderr, "bench_attach: %s: %s\n", what, errno ? strerror(errno) : probe_error());
	exit(1);
}

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); /* not what others take of the processor */
	return t.tv_sec * 1e9 + t.tv_nsec;
}

/* ------------------------------------------------------------------------------------------------ sockets */

static socklen_t address_of(enum transport transport, enum side side, struct sockaddr_storage *out)
{
	struct sockaddr_un *path = (void *)out;
	socklen_t len = sizeof(*out);

	memset(out, 0, sizeof(*out));
	if (transport == TCP) {
		if (getsockname(listeners[transport][side], (struct sockaddr *)out, &len))
			die("getsockname");
		return len;
	}
	path->sun_family = AF_UNIX;
	snprintf(path->sun_path, sizeof(path->sun_path), "%s/%d", directory, side);
	return sizeof(*path);
}

static void listen_on(enum transport transport, enum side side)
{
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_storage path;
	socklen_t len = sizeof(any);
	const struct sockaddr *address = (void *)&any;
	int fd = socket(transport == TCP ? AF_INET : AF_UNIX, SOCK_STREAM, 0);

	if (transport == UNIX) {
		len = address_of(transport, side, &path);
		address = (void *)&path;
	}
	if (fd < 0 || bind(fd, address, len) || listen(fd, 8))
		die("listening");
	listeners[transport][side] = fd;
}

static void connect_pair(enum transport transport, enum side side, int pair[2])
{
	struct sockaddr_storage address;
	socklen_t len = address_of(transport, side, &address);

	pair[0] = socket(transport == TCP ? AF_INET : AF_UNIX, SOCK_STREAM, 0);
	if (pair[0] < 0 || connect(pair[0], (struct sockaddr *)&address, len))
		die("connecting");
	pair[1] = accept(listeners[transport][side], NULL, NULL);
	if (pair[1] < 0)
		die("accept");
}

static void move(int from, int to)
{
	static char message[MESSAGE_BYTES];

	if (send(from, message, sizeof(message), 0) != sizeof(message) ||
	    recv(to, message, sizeof(message), MSG_WAITALL) != sizeof(message))
		die("sending");
}

static void exchange(const int pair[2])
{
	for (int i = 0; i < EXCHANGES; i++) {
		move(pair[0], pair[1]);
		move(pair[1], pair[0]);
	}
}

/* ---------------------------------------------------------------------------------------------- the probe */

static void make_filter(struct filter *out)
{
	struct sockaddr_storage address;

	memset(out, 0, sizeof(*out));
	out->select = FILTER_BY_COMM;
	memcpy(out->comm, proxy_name, sizeof(proxy_name));
	out->targets_used = 2;
	address_of(UNIX, TRACKED, &address);
	out->targets[0].family = 2;
	memcpy(out->targets[0].path, ((struct sockaddr_un *)&address)->sun_path,
	       sizeof(out->targets[0].path));
	address_of(TCP, TRACKED, &address);
	out->targets[1].family = 1;
	out->targets[1].prefix_len = 128;
	out->targets[1].addr[10] = out->targets[1].addr[11] = 0xff;
	memcpy(out->targets[1].addr + 12, &((struct sockaddr_in *)&address)->sin_addr, 4);
	out->targets[1].port = ntohs(((struct sockaddr_in *)&address)->sin_port);
}

/* Without Unix-domain sockets the filter names none: what looks at it must not find one. */
static struct probe *attach(enum attach_mode mode, enum set set)
{
	const struct probe_options options = {.ring_bytes = RING_BYTES,
					      .max_piece_bytes = EVENT_MAX_PIECE,
					      .unix_sockets = set == SET_UNIX,
					      .attach = mode};
	static struct filter filter;
	struct probe *probe = NULL;

	errno = 0;
	if (probe_open(&probe, &options))
		die(attach_name(mode));
	make_filter(&filter);
	if (set == SET_TCP)
		memset(&filter.targets[0], 0, sizeof(filter.targets[0]));
	probe_set_filter(probe, &filter);
	if (probe_attach(probe))
		die(attach_name(mode));
	return probe;
}

static void ignore(void *ctx, const struct event *event)
{
	(void)ctx;
	(void)event;
}

static void drain(struct probe *probe)
{
	while (probe && probe_drain(probe, ignore, NULL, 0) > 0)
		;
}

/* ------------------------------------------------------------------------------- what the kernel has counted
 */

static struct figures counted(const struct probe *probe)
{
	struct probe_program programs[PROBE_PROGRAMS];
	size_t count = probe_programs(probe, programs);
	struct figures total = {0};

	for (size_t i = 0; i < count; i++) {
		total.runs += programs[i].runs;
		total.bpf_ns += programs[i].run_ns;
	}
	return total;
}

/* ------------------------------------------------------------------------------------------------ measuring
 */

/* A send and its receive, ns. */
static double elapsed(struct probe *probe, const int pair[2])
{
	double best = 1e18;

	exchange(pair);
	for (int i = 0; i < BLOCKS; i++) {
		double begun;

		drain(probe);
		begun = now_ns();
		exchange(pair);
		begun = now_ns() - begun;
		best = begun < best ? begun : best;
	}
	drain(probe);
	return best / (2 * EXCHANGES);
}

static struct figures count_runs(struct probe *probe, const int pair[2])
{
	struct figures before, after, best = {.bpf_ns = 1e18};

	for (int i = 0; i < BLOCKS; i++) {
		drain(probe);
		before = counted(probe);
		exchange(pair);
		after = counted(probe);
		if (after.bpf_ns - before.bpf_ns < best.bpf_ns)
			best = (struct figures){.runs = after.runs - before.runs,
						.bpf_ns = after.bpf_ns - before.bpf_ns};
	}
	drain(probe);
	best.runs /= 2 * EXCHANGES;
	best.bpf_ns /= 2 * EXCHANGES;
	return best;
}

static double without(enum transport transport)
{
	int pair[2];
	double ns;

	connect_pair(transport, FOREIGN, pair);
	ns = elapsed(NULL, pair);
	close(pair[0]);
	close(pair[1]);
	return ns;
}

/* Of the connection that is tracked one end only is: the other's part is that of the one that is not. */
static void take_out_the_other_end(struct figures *tracked, const struct figures *untracked)
{
	tracked->runs = 2 * tracked->runs - untracked->runs;
	tracked->bpf_ns = 2 * tracked->bpf_ns - untracked->bpf_ns;
	tracked->added_ns = 2 * tracked->added_ns - untracked->added_ns;
}

static void measure(enum attach_mode mode, enum set set, enum transport transport, int round)
{
	double base = without(transport);
	struct probe *probe = attach(mode, set);
	struct figures result[SIDES];
	int counting, pair[2];

	for (enum side side = FOREIGN; side < SIDES; side++) {
		double ns;

		prctl(PR_SET_NAME, side == FOREIGN ? "somebody_else" : proxy_name);
		connect_pair(transport, side, pair);
		ns = elapsed(probe, pair);
		counting = bpf_enable_stats(BPF_STATS_RUN_TIME);
		if (counting < 0)
			die("counting runs");
		result[side] = count_runs(probe, pair);
		result[side].added_ns = ns;
		close(counting);
		close(pair[0]);
		close(pair[1]);
		drain(probe);
	}
	probe_free(&probe);
	base = (base + without(transport)) / 2;
	for (enum side side = FOREIGN; side < SIDES; side++)
		result[side].added_ns -= base;
	take_out_the_other_end(&result[TRACKED], &result[UNTRACKED]);
	for (enum side side = FOREIGN; side < SIDES; side++)
		measured[mode][set][transport][side][round] = result[side];
}

/* ------------------------------------------------------------------------------------------------- printing
 */

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(const struct figures *of, size_t offset)
{
	double values[ROUNDS_MAX];

	for (int i = 0; i < rounds; i++)
		values[i] = *(const double *)((const char *)&of[i] + offset);
	qsort(values, rounds, sizeof(*values), by_value);
	return values[rounds / 2];
}

static void print_cell(const struct figures *of, const struct figures *unit, size_t offset)
{
	if (unit)
		printf(" %.0f (%.1fx) |", median(of, offset), median(of, offset) / median(unit, offset));
	else
		printf(" %.0f |", median(of, offset));
}

static void print_cells(const struct figures *of, const struct figures *unit)
{
	printf(" %.1f |", median(of, offsetof(struct figures, runs)));
	print_cell(of, unit, offsetof(struct figures, bpf_ns));
	print_cell(of, unit, offsetof(struct figures, added_ns));
}

/* untracked: which of the two. unit: the mode whose TCP is 1, or ATTACH_AUTO. */
static void print_row(enum attach_mode mode, enum set set, enum transport transport, enum side untracked,
		      enum attach_mode unit)
{
	static const char *const names[SETS][TRANSPORTS] = {
	    [SET_TCP] = {"TCP"}, [SET_UNIX] = {"TCP, a `unix:` address is configured", "Unix-domain"}};

	printf("| %s | %s%s |", attach_name(mode), names[set][transport],
	       untracked == UNTRACKED ? ", another of the proxy's" : "");
	print_cells(measured[mode][set][transport][untracked],
		    unit ? measured[unit][SET_TCP][TCP][FOREIGN] : NULL);
	if (untracked == FOREIGN)
		print_cells(measured[mode][set][transport][TRACKED],
			    unit ? measured[unit][SET_TCP][TCP][TRACKED] : NULL);
	else
		printf(" | | |");
	printf("\n");
}

static void print_table(const bool *usable, bool instructions)
{
	const char *unit = instructions ? "instructions" : "ns";
	enum attach_mode first = ATTACH_AUTO;

	printf("| mode | socket | untracked: runs | BPF %s | added %s | tracked: runs | BPF %s | added %s "
	       "|\n",
	       unit, unit, unit, unit);
	printf("|---|---|---|---|---|---|---|---|\n");
	for (enum attach_mode mode = ATTACH_AUTO + 1; mode < ATTACH_MODES; mode++) {
		if (!usable[mode])
			continue;
		if (instructions && !first)
			first = mode;
		print_row(mode, SET_TCP, TCP, FOREIGN, first);
		print_row(mode, SET_UNIX, TCP, FOREIGN, first);
		print_row(mode, SET_UNIX, UNIX, FOREIGN, first);
		print_row(mode, SET_UNIX, UNIX, UNTRACKED, first);
	}
}

/* ----------------------------------------------------------------------------------------------------- main
 */

static void quiet(void *ctx, const char *line)
{
	(void)ctx;
	(void)line;
}

static bool parse(int argc, char **argv, bool *usable, bool *instructions)
{
	bool any = false;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--instructions"))
			*instructions = true;
		else if (!strcmp(argv[i], "--rounds") && i + 1 < argc)
			rounds = atoi(argv[++i]);
		else if (attach_parse(argv[i]) > 0)
			any = usable[attach_parse(argv[i])] = true;
		else
			return false;
	}
	for (enum attach_mode mode = ATTACH_AUTO + 1; mode < ATTACH_MODES && !any; mode++)
		usable[mode] = !probe_check_host(mode, true, quiet, NULL);
	return rounds > 0 && rounds <= ROUNDS_MAX;
}

/* One processor, or the clock would measure where the scheduler puts us. */
static void stay_here(void)
{
	cpu_set_t here;

	CPU_ZERO(&here);
	CPU_SET(sched_getcpu(), &here);
	sched_setaffinity(0, sizeof(here), &here);
}

int main(int argc, char **argv)
{
	bool usable[ATTACH_MODES] = {0}, instructions = false;

	if (!parse(argc, argv, usable, &instructions)) {
		fprintf(stderr,
			"usage: bench_attach [--instructions] [--rounds N] [tracepoint] [fexit] [kprobe]\n");
		return 2;
	}
	if (!mkdtemp(directory))
		die("a directory");
	stay_here();
	for (enum side side = FOREIGN; side < SIDES; side++)
		for (enum transport transport = TCP; transport < TRANSPORTS; transport++)
			listen_on(transport, side);
	for (int round = 0; round < rounds; round++)
		for (enum attach_mode mode = ATTACH_AUTO + 1; mode < ATTACH_MODES; mode++) {
			if (!usable[mode])
				continue;
			measure(mode, SET_TCP, TCP, round);
			measure(mode, SET_UNIX, TCP, round);
			measure(mode, SET_UNIX, UNIX, round);
		}
	print_table(usable, instructions);
	for (enum side side = FOREIGN; side < SIDES; side++) {
		struct sockaddr_storage path;

		address_of(UNIX, side, &path);
		unlink(((struct sockaddr_un *)&path)->sun_path);
	}
	return rmdir(directory);
}
