/* SPDX-License-Identifier: MIT */
/*
 * control - the side channel: a listening socket that takes a command a line and answers each with one line,
 * "ok", "error: ..." or, for `stats`, a JSON object.
 *
 *   stats | pause-mirror | resume-mirror | slow-mirror FACTOR | service-delay MICROSECONDS | drop N |
 *   reorder N | exposure SHARE | quit
 */
#ifndef TESTPROXY_CONTROL_H
#define TESTPROXY_CONTROL_H

struct control;
struct proxy;

int control_new(struct control **out, struct proxy *proxy);
void control_free(struct control **control);

#endif
