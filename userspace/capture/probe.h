/* SPDX-License-Identifier: MIT */
/*
 * probe - loads and attaches the BPF programs, hands their records on. The only file that knows libbpf for
 * capture.
 *
 * Owns the programs, their links and the ring buffer. All functions return 0 or -errno; on an error of the
 * host (kernel too old, no BTF, no privilege) probe_error() says in one sentence what is missing and what
 * helps.
 */
#ifndef MO_PROBE_H
#define MO_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/event.h"
#include "config/attach.h"

struct probe;

struct probe_options {
	uint32_t ring_bytes;      /* size of the ring buffer; a power of two, at least 64 KiB */
	uint32_t max_piece_bytes; /* largest data record, at most EVENT_MAX_PIECE */
	bool unix_sockets;        /* Unix-domain addresses are among the targets: see probe_follow_unix */
	enum attach_mode attach;  /* ATTACH_AUTO: the first mode that works here */
};

/* Called for each record, in ring order. The record is valid during the call only. */
typedef void probe_handler(void *ctx, const struct event *event);

/* Totals since load, of tracked sockets: what the drained records say, and what the kernel had no room for.
 * No bpf() call. */
struct probe_totals {
	uint64_t events;                   /* data records handed on */
	uint64_t bytes;                    /* bytes captured */
	uint64_t lost_bytes[LOSS_REASONS]; /* by enum event_loss */
	uint64_t lost_control;             /* OPEN/STATE/EOF/END records that found no room */
};

/* One loaded program as the kernel counts it: runs while sysctl kernel.bpf_stats_enabled is 1, misses always.
 */
struct probe_program {
	const char *name;
	uint64_t runs, run_ns;
	uint64_t recursion_misses; /* runs left out, since it was running on that processor already */
};
#define PROBE_PROGRAMS 16

/* Called for each socket (event.sock) whose EVENT_END found no room. */
typedef void probe_ended(void *ctx, uint64_t sock);

/* Opens, chooses the attach mode by trying, and loads; nothing stays attached. *out is set only on success.
 */
int probe_open(struct probe **out, const struct probe_options *options);
void probe_free(struct probe **probe);

/* Replaces the filter; effective at once, also while attached and after privileges were dropped. */
void probe_set_filter(struct probe *probe, const struct filter *filter);

/* Attaches all programs, then walks the open files of all processes once for connections that already exist.
 */
int probe_attach(struct probe *probe);
/*
 * After unix_sockets was false: Unix-domain sockets may be targets from now on, also after privileges were
 * dropped. Their programs were loaded for that, where the kernel takes them, but not attached: they cost.
 * Refused in kprobes, which are not attached without a privilege.
 */
int probe_follow_unix(struct probe *probe);
/* The walk alone: after the filter was widened (reload, re-resolved name), or after records were lost: each
 * socket concerned is told by an EVENT_STATE without a change. It needs bpf(), which some kernels refuse
 * without privileges (6.18 does not): -EPERM then, and only connections made from now on are seen. */
int probe_scan(struct probe *probe);

/*
 * Connections that the proxy has accepted now: those to a TCP port that it listens on, and those of a
 * Unix-domain socket named .s.PGSQL.PORT. A walk as well, with the same limit; a listener that is new may
 * take two. Called about once a second. 0, or -errno and *count 0.
 */
int probe_clients(struct probe *probe, uint32_t *count);

/*
 * Tells every connection and listening socket of the chosen processes, and those of other processes to a
 * target; with all those of every process. A walk as well, with the same limit. 0 or -errno.
 */
typedef void probe_surveyed(void *ctx, const struct survey *found);
int probe_survey(struct probe *probe, bool all, probe_surveyed *surveyed, void *ctx);

/* Readable when the ring passed its fill threshold; otherwise drain by timer (100 ms is a good period). */
int probe_fd(const struct probe *probe);
/* Handles what is there, one ring's worth at most, and little more once it is end_ns
 * (CLOCK_MONOTONIC; 0 = however long it takes); returns the number of records or -errno. */
int probe_drain(struct probe *probe, probe_handler *handler, void *ctx, uint64_t end_ns);
/* Did the last one leave some of what was there? */
bool probe_has_more(const struct probe *probe);

/* What was not told before; of more than LOST_ENDS at once only the last. Drain first. No bpf() call. */
void probe_lost_ends(struct probe *probe, probe_ended *ended, void *ctx);

void probe_totals(const struct probe *probe, struct probe_totals *out);
/* How many there are. A bpf() call for each. */
size_t probe_programs(const struct probe *probe, struct probe_program out[PROBE_PROGRAMS]);
/* "tracepoint", "fexit" or "kprobe". */
const char *probe_mode(const struct probe *probe);

/*
 * Prints what the host offers (kernel, BTF, privileges; each attach mode: usable, or why not) through print,
 * one line a call, for --check. Returns 0 when probe_open and probe_attach with that mode, and unix_sockets
 * as in struct probe_options, would work, else -errno.
 */
int probe_check_host(enum attach_mode attach, bool unix_sockets, void (*print)(void *ctx, const char *line),
		     void *ctx);

/* One sentence about the last error of this module; never NULL. */
const char *probe_error(void);

#endif
