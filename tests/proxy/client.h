/* SPDX-License-Identifier: MIT */
/*
 * client - one client and its own connection to the primary. Start-up and authentication pass through;
 * traffic passes through unchanged and is shown to a recorder (pgdog) or a twin (pgcat).
 */
#ifndef TESTPROXY_CLIENT_H
#define TESTPROXY_CLIENT_H

struct client;
struct proxy;

/* Owns fd from here, also on failure (-errno). */
int client_new(struct client **list, struct proxy *proxy, int fd);
void client_free_all(struct client **list);

#endif
