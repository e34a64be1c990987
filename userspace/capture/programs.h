/* SPDX-License-Identifier: MIT */
/*
 * programs - the BPF objects: which of their programs an attach mode needs, and what user space shares with
 * them.
 *
 * For probe.c only, with which it knows libbpf. All functions return 0 or -errno; what went wrong is libbpf's
 * to tell.
 */
#ifndef MO_PROGRAMS_H
#define MO_PROGRAMS_H

#include <bpf/libbpf.h>
#include <stdbool.h>
#include <stdint.h>

#include "bpf/event.h"
#include "config/attach.h"

#define UNIX_PROGRAMS_MAX 6

struct programs {
	enum attach_mode mode;
	struct bpf_object_skeleton *skeleton;
	struct bpf_map *ring;
	struct bpf_link **scan, **clients, **survey; /* the links of iter/task_file, once attached */
	bool has_unix;                               /* with the programs for Unix-domain sockets */
	struct bpf_link *unix_links[UNIX_PROGRAMS_MAX];
	/* Settings: to be written before loading. */
	uint32_t *max_piece_bytes, *ring_data_bytes, *ring_wake_step, *ring_look_ns;
	/* Memory-mapped once loaded. */
	struct filter *filters;
	uint32_t *active_filter;
	uint32_t *scanned;
	uint64_t *lost_ring_full, *lost_control;
	uint64_t *lost_ends, *lost_ends_count;
	uint32_t *client_walk, *clients_found;
	uint32_t *survey_all;
	uint64_t *listening_ports; /* two halves, by client_walk */
	size_t listening_bytes;    /* of a half */
	void *owner;               /* the skeleton's own struct */
	void (*destroy)(struct programs *programs);
};

/* What the kernel's type information lacks for that mode, as half a sentence ("no tracepoint ..."), or NULL.
 */
const char *programs_missing(enum attach_mode mode, bool unix_sockets);

/* Opens the object of the mode and chooses its programs; loads nothing. Not ATTACH_AUTO.
 * unix_sockets: with those that only Unix-domain sockets need. */
int programs_open(struct programs *out, enum attach_mode mode, bool unix_sockets);
int programs_load(struct programs *programs);
/* All but those for Unix-domain sockets. */
int programs_attach(struct programs *programs);
/* Those; nothing happens when they are attached already. It needs no privilege since Linux 5.19, or where
 * unprivileged BPF is not disabled, except by kprobes. */
int programs_attach_unix(struct programs *programs);
/* Everything; loaded they stay. */
void programs_detach(struct programs *programs);
/* All zeros is fine too. */
void programs_close(struct programs *programs);

#endif
