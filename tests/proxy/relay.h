/* SPDX-License-Identifier: MIT */
/*
 * relay - a plain relay that understands nothing: a thread for each connection (two with --threads: replies
 * are then read on another thread than requests are sent from), with the chosen system calls.
 */
#ifndef TESTPROXY_RELAY_H
#define TESTPROXY_RELAY_H

struct proxy;

/* Owns fd from here, also on failure. Returns 0 or -errno. The proxy must live as long as the process. */
int relay_start(struct proxy *proxy, int fd);

#endif
