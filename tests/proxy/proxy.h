/* SPDX-License-Identifier: MIT */
/* proxy - what the parts of the test proxy share: the options, the loop, the truth. Made by main in proxy.c.
 */
#ifndef TESTPROXY_PROXY_H
#define TESTPROXY_PROXY_H

#include <stdbool.h>
#include <stdint.h>

#include "endpoint.h"
#include "truth.h"

#define PROXY_CLIENTS_MAX 2000

struct loop;
struct mirror;
struct statements;
struct twin;

enum proxy_mode { MODE_PGDOG, MODE_PGCAT, MODE_RELAY };
enum proxy_io { IO_READ_WRITE, IO_RECV_SEND, IO_VECTOR, IO_MESSAGE };

struct proxy_options {
	enum proxy_mode mode;
	struct endpoint listen, primary, mirror, control; /* mirror: len 0 = none */
	const char *mirror_user, *mirror_database;
	double exposure;
	unsigned queue;          /* requests of one client */
	unsigned pool;           /* connections to the mirror */
	uint64_t service_ns;     /* mean of an exponential extra time of each replayed request */
	uint64_t health_idle_ns; /* checkout after so long idle is preceded by a `;`; 0 = no health checks */
	uint64_t health_period_ns; /* an idle connection is checked so often */
	uint64_t seed;
	enum proxy_io io; /* relay: system calls */
	bool threads;     /* relay: replies on a thread of their own */
	unsigned chunk;   /* relay: bytes of one write at most; 0 = any */
};

struct proxy {
	struct proxy_options options;
	struct loop *loop;
	struct truth truth;
	struct statements *statements;
	struct mirror *mirror;
	struct twin *twins;
	unsigned short random[3]; /* erand48 */
};

#endif
