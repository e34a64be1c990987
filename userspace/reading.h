/* SPDX-License-Identifier: MIT */
/*
 * reading - what observation has for TLS: the secrets that are taken and what decrypts with them, wired to
 * each other, to the statistics and to what is shown.
 */
#ifndef MO_READING_H
#define MO_READING_H

#include "base/loop.h"
#include "bpf/event.h"
#include "capture/conn.h"
#include "capture/probe.h"
#include "config/config.h"
#include "serve/exposition.h"
#include "stats/stats.h"

struct reading;

/*
 * With `tls: off` *out is NULL, which all functions take. With `on` it must be possible, with `auto` it may
 * not be: then TLS is counted only, and a warning says why. 0 or -errno, with a sentence in *error.
 */
int reading_new(struct reading **out, struct loop *loop, struct stats *stats, const struct config *config,
		const char **error);
void reading_free(struct reading **reading);

/* For struct conns_options; NULL: TLS is not read. */
struct decrypt_room *reading_room(const struct reading *reading);
void reading_set_filter(struct reading *reading, const struct filter *filter);
/* A connection goes over to TLS; ctx is the reading. */
void reading_begin(void *ctx);
void reading_reload(struct reading *reading, const struct config *config);
/* Before the ring is drained: the records that the secrets open are in it by then. */
void reading_drain(struct reading *reading);
/* Copies what could not be read into the statistics, which go on over restarts. */
void reading_sync(struct reading *reading, const struct conns_totals *totals);
/* As probe_programs, of the programs in the TLS libraries. */
#define READING_PROGRAMS 8
size_t reading_programs(const struct reading *reading, struct probe_program out[READING_PROGRAMS]);
/* The gauge of connections that use TLS, what is not 0 of it. */
void reading_write(const struct reading *reading, const struct conns *conns, const struct config *config,
		   struct exposition *x);

#endif
