/* SPDX-License-Identifier: MIT */
/*
 * loop - the one epoll loop: file descriptors, timers and signals call a handler with its context.
 *
 * Registering allocates, an event does not. A handler may add, change and remove any source, its own too.
 * The loop owns what it made itself (timerfds, the signalfd); a descriptor given to loop_add_fd stays the
 * caller's, who removes the source before closing it. One thread only.
 */
#ifndef MO_LOOP_H
#define MO_LOOP_H

#include <stddef.h>
#include <stdint.h>

struct loop;
struct loop_source;

/* what: of a descriptor the epoll events (EPOLLIN...), of a timer the expirations since the last call, of a
 * signal its number. */
typedef void loop_handler(void *ctx, uint32_t what);

int loop_new(struct loop **out);
/* Removes every source that is left. Blocked signals stay blocked. */
void loop_free(struct loop **loop);

/* Level-triggered. out may be NULL when the source lives as long as the loop. */
int loop_add_fd(struct loop *loop, int fd, uint32_t events, loop_handler *handler, void *ctx,
		struct loop_source **out);
int loop_change_fd(struct loop_source *source, uint32_t events);

/* CLOCK_MONOTONIC. First after first_us (0 = not armed), then every interval_us (0 = once). */
int loop_add_timer(struct loop *loop, uint64_t first_us, uint64_t interval_us, loop_handler *handler,
		   void *ctx, struct loop_source **out);
/* Arms anew; first_us 0 disarms. */
int loop_set_timer(struct loop_source *timer, uint64_t first_us, uint64_t interval_us);

/* Blocks these signals and delivers them here; once per loop. SIGPIPE is ignored from then on. Call it before
 * anything that starts a thread. */
int loop_add_signals(struct loop *loop, const int *signals, size_t count, loop_handler *handler, void *ctx);

/* Hears how long each pass took, from what woke the loop up to its going to sleep again. */
typedef void loop_pass(void *ctx, uint64_t ns);
void loop_measure(struct loop *loop, loop_pass *pass, void *ctx);

/* When the pass began that is under way, CLOCK_MONOTONIC ns: handlers of one pass share its time. */
uint64_t loop_pass_begun(const struct loop *loop);

/* Sets *source to NULL; harmless on NULL. */
void loop_remove(struct loop_source **source);

/* Runs handlers until loop_stop; returns the value given there, or -errno. */
int loop_run(struct loop *loop);
void loop_stop(struct loop *loop, int result);

#endif
