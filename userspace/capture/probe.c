// SPDX-License-Identifier: MIT
#include "capture/probe.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "capture/programs.h"
#include "capture/refusal.h"

#define RING_BYTES_MIN (64u << 10)
#define RESERVE_MAX    (256u << 10)

#define LOOK_BYTES \
	8192 /* some hundred small records cost less than 0.1 ms, a text of this length less than 1 */

struct probe {
	struct programs programs;
	bool follows_unix; /* their programs are attached with the others */
	struct ring_buffer *ring;
	uint32_t ring_bytes;
	uint64_t records;    /* handed on so far */
	uint32_t drain_left; /* bytes that this probe_drain may still hand on */
	uint32_t look_left;  /* bytes until it looks at the clock again */
	uint64_t drain_end;  /* CLOCK_MONOTONIC, ns; 0 = no limit */
	bool has_more;
	probe_handler *handler;
	void *handler_ctx;
	uint64_t ends_told;         /* of lost_ends_count */
	struct probe_totals totals; /* what the drained records say; the kernel counts the rest */
};

const char *probe_error(void)
{
	return refusal_text();
}

/* May this probe_drain not go on after a record of that size? */
static bool is_enough(struct probe *probe, size_t size)
{
	/* One ring's worth at a time, so that a flood cannot keep the caller from its other work. */
	if (size >= probe->drain_left)
		return true;
	probe->drain_left -= size;
	if (size < probe->look_left) {
		probe->look_left -= size;
		return false;
	}
	probe->look_left = LOOK_BYTES;
	return probe->drain_end && clock_ns() >= probe->drain_end;
}

static int handle_record(void *ctx, void *data, size_t size)
{
	struct probe *probe = ctx;
	const struct event *event = data;
	const struct event_data *bytes = data;

	probe->records++;
	if (event->kind == EVENT_DATA) {
		probe->totals.events++;
		probe->totals.bytes += bytes->captured;
		if (event->loss != LOSS_NONE && event->loss < LOSS_REASONS)
			probe->totals.lost_bytes[event->loss] += bytes->len;
	}
	probe->handler(probe->handler_ctx, event);
	probe->has_more = is_enough(probe, size);
	return probe->has_more ? -EAGAIN : 0;
}

static void set_constants(const struct programs *programs, const struct probe_options *options)
{
	uint32_t reserve = options->ring_bytes / 8 < RESERVE_MAX ? options->ring_bytes / 8 : RESERVE_MAX;

	*programs->max_piece_bytes = options->max_piece_bytes;
	*programs->ring_data_bytes = options->ring_bytes - reserve;
	*programs->ring_wake_step = options->ring_bytes / 16;
	*programs->ring_look_ns = reserve; /* no machine's proxy moves more than 1 GB/s in small records */
}

static int attach_all(struct programs *programs, bool unix_sockets)
{
	int err = programs_attach(programs);

	if (!err && unix_sockets)
		err = programs_attach_unix(programs);
	return err ? refusal_explain(err, "attaching the BPF programs") : 0;
}

/*
 * Loads the programs of one mode and attaches them for a moment: some kernels refuse only that. The filter is
 * still empty, so nothing is followed.
 */
static int load_programs(struct programs *out, enum attach_mode mode, const struct probe_options *options,
			 bool with_unix)
{
	const char *missing = programs_missing(mode, with_unix);
	int err;

	refusal_forget();
	if (missing) {
		refusal_set("the kernel %s has %s", refusal_kernel(), missing);
		return -EOPNOTSUPP;
	}
	err = programs_open(out, mode, with_unix);
	if (err)
		return refusal_explain(err, "opening the BPF programs");
	set_constants(out, options);
	err = bpf_map__set_max_entries(out->ring, options->ring_bytes);
	if (!err)
		err = programs_load(out);
	if (err) {
		programs_close(out);
		return refusal_explain(err, "loading the BPF programs");
	}
	err = attach_all(out, options->unix_sockets);
	if (err) {
		programs_close(out);
		return err;
	}
	programs_detach(out);
	return 0;
}

/* What a reload would need is loaded as well: later there is no privilege for that. */
static int load_mode(struct programs *out, enum attach_mode mode, const struct probe_options *options)
{
	if (!options->unix_sockets && mode != ATTACH_KPROBE) {
		if (!load_programs(out, mode, options, true))
			return 0;
		log_debug("without the programs for Unix-domain sockets: %s", refusal_text());
	}
	return load_programs(out, mode, options, options->unix_sockets);
}

/* The first mode that works; or an error that names why each does not. Without privileges none does. */
static int load_any(struct programs *out, const struct probe_options *options)
{
	char all[REFUSAL_TEXT] = "no attach mode works here: ";
	int err = 0;

	for (int mode = ATTACH_AUTO + 1; mode < ATTACH_MODES; mode++) {
		size_t len = strlen(all);

		err = load_mode(out, mode, options);
		if (!err)
			return 0;
		log_debug("attach mode %s: %s", attach_name(mode), refusal_text());
		if (refusal_is_permission(err) && !refusal_can_load())
			return err; /* the others would only say the same */
		snprintf(all + len, sizeof(all) - len, "%s%s: %.120s", mode > 1 ? "; " : "",
			 attach_name(mode), refusal_text());
	}
	refusal_set("%s", all);
	return err;
}

static int open_and_load(struct probe *probe, const struct probe_options *options)
{
	int err = options->attach == ATTACH_AUTO ? load_any(&probe->programs, options)
						 : load_mode(&probe->programs, options->attach, options);

	if (err)
		return err;
	probe->ring = ring_buffer__new(bpf_map__fd(probe->programs.ring), handle_record, probe, NULL);
	return probe->ring ? 0 : refusal_explain(-errno, "mapping the ring buffer");
}

int probe_open(struct probe **out, const struct probe_options *options)
{
	struct probe *probe;
	int err;

	if (options->ring_bytes < RING_BYTES_MIN || (options->ring_bytes & (options->ring_bytes - 1)) ||
	    !options->max_piece_bytes || options->max_piece_bytes > EVENT_MAX_PIECE) {
		refusal_set(
		    "the ring buffer must be a power of two of at least 64 KiB, and a piece 1 to %u bytes",
		    EVENT_MAX_PIECE);
		return -EINVAL;
	}
	refusal_listen();
	err = refusal_check_types();
	if (err)
		return err;
	probe = calloc(1, sizeof(*probe));
	if (!probe) {
		refusal_set("out of memory");
		return -ENOMEM;
	}
	probe->ring_bytes = options->ring_bytes;
	probe->follows_unix = options->unix_sockets;
	err = open_and_load(probe, options);
	if (err)
		probe_free(&probe);
	else
		*out = probe;
	return err;
}

void probe_free(struct probe **probe)
{
	if (!*probe)
		return;
	ring_buffer__free((*probe)->ring);
	programs_close(&(*probe)->programs);
	free(*probe);
	*probe = NULL;
}

void probe_set_filter(struct probe *probe, const struct filter *filter)
{
	uint32_t next = !*probe->programs.active_filter;

	__atomic_store_n(probe->programs.scanned, 0, __ATOMIC_RELEASE);
	probe->programs.filters[next] = *filter;
	__atomic_store_n(probe->programs.active_filter, next, __ATOMIC_RELEASE);
}

int probe_attach(struct probe *probe)
{
	int err;

	refusal_forget();
	err = attach_all(&probe->programs, probe->follows_unix);
	return err ? err : probe_scan(probe);
}

int probe_follow_unix(struct probe *probe)
{
	int err;

	if (probe->follows_unix)
		return 0;
	if (!probe->programs.has_unix) {
		refusal_set("the first `unix:` address needs a restart here: the programs for it are not "
			    "loaded (attach mode %s)",
			    probe_mode(probe));
		return -EOPNOTSUPP;
	}
	refusal_forget();
	err = programs_attach_unix(&probe->programs);
	if (err) {
		refusal_set("the first `unix:` address needs a restart here: attaching the programs for it "
			    "without privileges: %s",
			    strerror(-err));
		return err;
	}
	probe->follows_unix = true;
	return 0;
}

/* What a walk writes is told in units of `size` bytes, which a read may cut in two. */
struct walk {
	size_t size;
	void (*told)(void *ctx, const void *unit);
	void *ctx;
};

static int read_walk(int fd, const struct walk *walk)
{
	_Alignas(8) char bytes[64 * sizeof(struct survey)];
	size_t have = 0;
	ssize_t n;

	while ((n = read(fd, bytes + have, sizeof(bytes) - have)) != 0) {
		size_t at = 0;

		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return -errno;
		have += n > 0 ? n : 0;
		for (; walk && have - at >= walk->size; at += walk->size)
			walk->told(walk->ctx, bytes + at);
		have = walk ? have - at : 0;
		memmove(bytes, bytes + at, have);
	}
	return 0;
}

/* walk may be NULL: it writes nothing. */
static int walk_files(struct bpf_link *iterator, const struct walk *walk)
{
	int fd = bpf_iter_create(bpf_link__fd(iterator)), err;

	if (fd < 0)
		return refusal_explain(fd, "starting the walk over open files");
	err = read_walk(fd, walk);
	close(fd);
	return err ? refusal_explain(err, "walking the open files") : 0;
}

int probe_scan(struct probe *probe)
{
	int err = walk_files(*probe->programs.scan, NULL);

	__atomic_store_n(probe->programs.scanned, 1, __ATOMIC_RELEASE);
	return err;
}

int probe_clients(struct probe *probe, uint32_t *count)
{
	const struct programs *programs = &probe->programs;
	uint32_t walk = ++*programs->client_walk & 1;
	int err;

	memset((char *)programs->listening_ports + walk * programs->listening_bytes, 0,
	       programs->listening_bytes);
	*programs->clients_found = 0;
	err = walk_files(*probe->programs.clients, NULL);
	*count = err ? 0 : *programs->clients_found;
	return err;
}

struct survey_sink {
	probe_surveyed *surveyed;
	void *ctx;
};

static void tell_survey(void *ctx, const void *unit)
{
	const struct survey_sink *sink = ctx;

	sink->surveyed(sink->ctx, unit);
}

int probe_survey(struct probe *probe, bool all, probe_surveyed *surveyed, void *ctx)
{
	struct survey_sink sink = {surveyed, ctx};
	const struct walk walk = {sizeof(struct survey), tell_survey, &sink};

	*probe->programs.survey_all = all;
	return walk_files(*probe->programs.survey, &walk);
}

int probe_fd(const struct probe *probe)
{
	return ring_buffer__epoll_fd(probe->ring);
}

int probe_drain(struct probe *probe, probe_handler *handler, void *ctx, uint64_t end_ns)
{
	uint64_t before = probe->records;
	int err;

	probe->handler = handler;
	probe->handler_ctx = ctx;
	probe->drain_left = probe->ring_bytes;
	probe->look_left = LOOK_BYTES;
	probe->drain_end = end_ns;
	probe->has_more = false;
	err = ring_buffer__consume(probe->ring);
	if (err < 0 && err != -EAGAIN)
		return err;
	return probe->records - before;
}

bool probe_has_more(const struct probe *probe)
{
	return probe->has_more;
}

void probe_lost_ends(struct probe *probe, probe_ended *ended, void *ctx)
{
	const struct programs *programs = &probe->programs;
	uint64_t count = __atomic_load_n(programs->lost_ends_count, __ATOMIC_RELAXED);

	if (count - probe->ends_told > LOST_ENDS)
		probe->ends_told = count - LOST_ENDS;
	for (; probe->ends_told < count; probe->ends_told++)
		ended(ctx,
		      __atomic_load_n(&programs->lost_ends[probe->ends_told % LOST_ENDS], __ATOMIC_RELAXED));
}

void probe_totals(const struct probe *probe, struct probe_totals *out)
{
	*out = probe->totals;
	out->lost_bytes[LOSS_RING_FULL] = __atomic_load_n(probe->programs.lost_ring_full, __ATOMIC_RELAXED);
	out->lost_control = __atomic_load_n(probe->programs.lost_control, __ATOMIC_RELAXED);
}

size_t probe_programs(const struct probe *probe, struct probe_program out[PROBE_PROGRAMS])
{
	struct bpf_program *program;
	size_t n = 0;

	bpf_object__for_each_program(program, *probe->programs.skeleton->obj)
	{
		struct bpf_prog_info info = {0};
		uint32_t len = sizeof(info);

		if (n == PROBE_PROGRAMS || bpf_program__fd(program) < 0 ||
		    bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &len))
			continue;
		out[n++] = (struct probe_program){bpf_program__name(program), info.run_cnt, info.run_time_ns,
						  info.recursion_misses};
	}
	return n;
}

const char *probe_mode(const struct probe *probe)
{
	return attach_name(probe->programs.mode);
}

static void __attribute__((format(printf, 3, 4)))
print_line(void (*print)(void *, const char *), void *ctx, const char *format, ...)
{
	char line[640];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	print(ctx, line);
}

/* Loads and attaches with a filter that matches nothing, then detaches again. */
static int try_attach(enum attach_mode attach, bool unix_sockets)
{
	struct probe_options options = {.ring_bytes = RING_BYTES_MIN,
					.max_piece_bytes = EVENT_MAX_PIECE,
					.unix_sockets = unix_sockets,
					.attach = attach};
	struct probe *probe = NULL;
	int err;

	err = probe_open(&probe, &options);
	if (err)
		return err;
	err = probe_attach(probe);
	probe_free(&probe);
	return err;
}

/* Tries each mode; returns the one that would be taken, or ATTACH_AUTO when the wanted one does not work. */
static enum attach_mode print_modes(enum attach_mode wanted, bool unix_sockets,
				    void (*print)(void *, const char *), void *ctx)
{
	enum attach_mode taken = ATTACH_AUTO;

	for (int mode = ATTACH_AUTO + 1; mode < ATTACH_MODES; mode++) {
		int err = try_attach(mode, unix_sockets);

		print_line(print, ctx, "attach by %s: %s%s", attach_name(mode),
			   err ? "not usable: " : "usable", err ? probe_error() : "");
		if (!err && taken == ATTACH_AUTO && (wanted == ATTACH_AUTO || wanted == (unsigned)mode))
			taken = mode;
	}
	return taken;
}

int probe_check_host(enum attach_mode attach, bool unix_sockets, void (*print)(void *ctx, const char *line),
		     void *ctx)
{
	struct utsname host;
	enum attach_mode taken;
	int err = try_attach(attach, unix_sockets);
	bool permitted =
	    !refusal_is_permission(err) || refusal_can_load(); /* else it is the mode that is refused */
	char why[REFUSAL_TEXT];

	snprintf(why, sizeof(why), "%s", refusal_text());
	uname(&host);
	print_line(print, ctx, "kernel: %s %s %s", host.sysname, host.release, host.machine);
	print_line(print, ctx, "type information: %s",
		   refusal_has_types() ? "/sys/kernel/btf/vmlinux" : "none");
	print_line(print, ctx, "privileges: %s", permitted ? "sufficient" : "not sufficient");
	taken =
	    refusal_has_types() && permitted ? print_modes(attach, unix_sockets, print, ctx) : ATTACH_AUTO;
	print_line(print, ctx, "attach mode: %s", err ? "none" : attach_name(taken));
	if (err)
		print_line(print, ctx, "not usable: %s", why);
	return err;
}
