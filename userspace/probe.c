// SPDX-License-Identifier: MIT
#include "probe.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "log.h"
#include "observer.skel.h"

#define RING_BYTES_MIN (64u << 10)
#define RESERVE_MAX    (256u << 10)

struct probe {
	struct observer_bpf *skeleton;
	struct ring_buffer *ring;
	uint32_t ring_bytes;
	uint64_t records;    /* handed on so far */
	uint32_t drain_left; /* bytes that this probe_drain may still hand on */
	probe_handler *handler;
	void *handler_ctx;
	uint64_t ends_told;         /* of lost_ends_count */
	struct probe_totals totals; /* what the drained records say; the kernel counts the rest */
};

static char error_text[512] = "no error";
static char libbpf_text[256]; /* the last line that libbpf warned with */

const char *probe_error(void)
{
	return error_text;
}

static void __attribute__((format(printf, 1, 2))) set_error(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error_text, sizeof(error_text), format, args);
	va_end(args);
}

static int keep_libbpf_line(enum libbpf_print_level level, const char *format, va_list args)
{
	char line[sizeof(libbpf_text)];

	if (level == LIBBPF_DEBUG)
		return 0;
	vsnprintf(line, sizeof(line), format, args);
	line[strcspn(line, "\n")] = '\0';
	log_debug("%s", line);
	/* The first one is the cause, what follows are its consequences. Kernels since 5.11 need no memlock
	 * limit. */
	if (level == LIBBPF_WARN && !libbpf_text[0] && !strstr(line, "RLIMIT_MEMLOCK"))
		memcpy(libbpf_text, line, sizeof(line));
	return 0;
}

static bool btf_has_tracepoint(const struct btf *btf, const char *name)
{
	char type[64];

	snprintf(type, sizeof(type), "btf_trace_%s", name);
	return btf__find_by_name_kind(btf, type, BTF_KIND_TYPEDEF) > 0;
}

/* Says what the kernel lacks, when it is that and not a refusal. */
static int check_kernel(void)
{
	struct btf *btf = btf__load_vmlinux_btf();
	struct utsname host;
	int err = 0;

	uname(&host);
	if (!btf) {
		set_error("the kernel %s has no type information (/sys/kernel/btf/vmlinux): use a kernel "
			  "built with "
			  "CONFIG_DEBUG_INFO_BTF=y, as all distributions' kernels since about 2020 are",
			  host.release);
		return -ENOENT;
	}
	if (!btf_has_tracepoint(btf, "sock_send_length")) {
		set_error("the kernel %s has no tracepoint sock_send_length: Linux 6.3 or later is needed",
			  host.release);
		err = -EOPNOTSUPP;
	}
	btf__free(btf);
	return err;
}

/* In this mode the helpers that read memory are refused, with no word about why. */
static bool locked_down(void)
{
	char modes[128] = "";
	FILE *file = fopen("/sys/kernel/security/lockdown", "re");

	if (!file)
		return false;
	if (!fgets(modes, sizeof(modes), file))
		modes[0] = '\0';
	fclose(file);
	return strstr(modes, "[confidentiality]");
}

static int explain(int err, const char *doing)
{
	if (check_kernel())
		return err;
	if (locked_down())
		set_error(
		    "the kernel's lockdown mode is `confidentiality`, which forbids BPF programs to read "
		    "memory: boot with lockdown=integrity");
	else if (err == -EPERM || err == -EACCES)
		set_error(
		    "no permission while %s: run as root, or with the capabilities CAP_BPF and CAP_PERFMON",
		    doing);
	else
		set_error("the kernel refused while %s: %s%s%s", doing, strerror(-err),
			  libbpf_text[0] ? ": " : "", libbpf_text);
	return err;
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
	/* One ring's worth at a time, so that a flood cannot keep the caller from its other work. */
	if (size >= probe->drain_left)
		return -EAGAIN;
	probe->drain_left -= size;
	return 0;
}

static void set_constants(struct probe *probe, const struct probe_options *options)
{
	struct observer_bpf__rodata *rodata = probe->skeleton->rodata;
	uint32_t reserve = options->ring_bytes / 8 < RESERVE_MAX ? options->ring_bytes / 8 : RESERVE_MAX;

	rodata->max_piece_bytes = options->max_piece_bytes;
	rodata->ring_data_bytes = options->ring_bytes - reserve;
	rodata->ring_wake_bytes = options->ring_bytes / 16;
	rodata->ring_wake_step = options->ring_bytes / 16;
}

static int open_and_load(struct probe *probe, const struct probe_options *options)
{
	int err;

	probe->skeleton = observer_bpf__open();
	if (!probe->skeleton)
		return explain(-errno, "opening the BPF programs");
	set_constants(probe, options);
	err = bpf_map__set_max_entries(probe->skeleton->maps.ring, options->ring_bytes);
	if (!err)
		err = observer_bpf__load(probe->skeleton);
	if (err)
		return explain(err, "loading the BPF programs");
	probe->ring = ring_buffer__new(bpf_map__fd(probe->skeleton->maps.ring), handle_record, probe, NULL);
	return probe->ring ? 0 : explain(-errno, "mapping the ring buffer");
}

int probe_open(struct probe **out, const struct probe_options *options)
{
	struct probe *probe;
	int err;

	if (options->ring_bytes < RING_BYTES_MIN || (options->ring_bytes & (options->ring_bytes - 1)) ||
	    !options->max_piece_bytes || options->max_piece_bytes > EVENT_MAX_PIECE) {
		set_error(
		    "the ring buffer must be a power of two of at least 64 KiB, and a piece 1 to %u bytes",
		    EVENT_MAX_PIECE);
		return -EINVAL;
	}
	libbpf_text[0] = '\0';
	libbpf_set_print(keep_libbpf_line);
	err = check_kernel();
	if (err)
		return err;
	probe = calloc(1, sizeof(*probe));
	if (!probe) {
		set_error("out of memory");
		return -ENOMEM;
	}
	probe->ring_bytes = options->ring_bytes;
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
	observer_bpf__destroy((*probe)->skeleton);
	free(*probe);
	*probe = NULL;
}

void probe_set_filter(struct probe *probe, const struct filter *filter)
{
	struct observer_bpf__bss *bss = probe->skeleton->bss;
	uint32_t next = !bss->active_filter;

	bss->filters[next] = *filter;
	__atomic_store_n(&bss->active_filter, next, __ATOMIC_RELEASE);
}

int probe_attach(struct probe *probe)
{
	int err;

	libbpf_text[0] = '\0';
	err = observer_bpf__attach(probe->skeleton);
	if (err)
		return explain(err, "attaching the BPF programs");
	return probe_scan(probe);
}

static int walk_files(struct bpf_link *iterator)
{
	char nothing[64];
	ssize_t n;
	int fd;

	fd = bpf_iter_create(bpf_link__fd(iterator));
	if (fd < 0)
		return explain(fd, "starting the walk over open files");
	do
		n = read(fd, nothing, sizeof(nothing));
	while (n > 0 || (n < 0 && (errno == EINTR || errno == EAGAIN)));
	n = n < 0 ? -errno : 0;
	close(fd);
	return n ? explain(n, "walking the open files") : 0;
}

int probe_scan(struct probe *probe)
{
	return walk_files(probe->skeleton->links.scan_files);
}

int probe_clients(struct probe *probe, uint32_t *count)
{
	struct observer_bpf__bss *bss = probe->skeleton->bss;
	uint32_t walk = ++bss->client_walk & 1;
	int err;

	memset(bss->listening_ports[walk], 0, sizeof(bss->listening_ports[walk]));
	bss->clients_found = 0;
	err = walk_files(probe->skeleton->links.count_clients);
	*count = err ? 0 : bss->clients_found;
	return err;
}

int probe_fd(const struct probe *probe)
{
	return ring_buffer__epoll_fd(probe->ring);
}

int probe_drain(struct probe *probe, probe_handler *handler, void *ctx)
{
	uint64_t before = probe->records;
	int err;

	probe->handler = handler;
	probe->handler_ctx = ctx;
	probe->drain_left = probe->ring_bytes;
	err = ring_buffer__consume(probe->ring);
	if (err < 0 && err != -EAGAIN)
		return err;
	return probe->records - before;
}

void probe_lost_ends(struct probe *probe, probe_ended *ended, void *ctx)
{
	const struct observer_bpf__bss *bss = probe->skeleton->bss;
	uint64_t count = __atomic_load_n(&bss->lost_ends_count, __ATOMIC_RELAXED);

	if (count - probe->ends_told > LOST_ENDS)
		probe->ends_told = count - LOST_ENDS;
	for (; probe->ends_told < count; probe->ends_told++)
		ended(ctx, __atomic_load_n(&bss->lost_ends[probe->ends_told % LOST_ENDS], __ATOMIC_RELAXED));
}

void probe_totals(const struct probe *probe, struct probe_totals *out)
{
	const struct observer_bpf__bss *bss = probe->skeleton->bss;

	*out = probe->totals;
	out->lost_bytes[LOSS_RING_FULL] = __atomic_load_n(&bss->lost_ring_full, __ATOMIC_RELAXED);
	out->lost_control = __atomic_load_n(&bss->lost_control, __ATOMIC_RELAXED);
}

const char *probe_mode(const struct probe *probe)
{
	return probe->skeleton->links.on_send ? "tracepoint" : "none";
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
static int try_attach(void)
{
	struct probe_options options = {.ring_bytes = RING_BYTES_MIN, .max_piece_bytes = EVENT_MAX_PIECE};
	struct probe *probe = NULL;
	int err;

	err = probe_open(&probe, &options);
	if (err)
		return err;
	err = probe_attach(probe);
	probe_free(&probe);
	return err;
}

int probe_check_host(void (*print)(void *ctx, const char *line), void *ctx)
{
	bool btf = !access("/sys/kernel/btf/vmlinux", R_OK);
	struct utsname host;
	int err;

	uname(&host);
	print_line(print, ctx, "kernel: %s %s %s", host.sysname, host.release, host.machine);
	print_line(print, ctx, "type information: %s", btf ? "/sys/kernel/btf/vmlinux" : "none");
	err = try_attach();
	print_line(print, ctx, "privileges: %s",
		   err == -EPERM || err == -EACCES ? "not sufficient" : "sufficient");
	print_line(print, ctx, "attach mode: %s", err ? "none" : "tracepoint");
	if (err)
		print_line(print, ctx, "not usable: %s", probe_error());
	return err;
}
