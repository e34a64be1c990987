/* SPDX-License-Identifier: MIT */
#include "ops.h"

static void reconnect(struct client *c)
{
	client_close(c);
}

/* Terminate inside of a block: rolled back on purpose. */
static void leave(struct client *c)
{
	truth_left(c->truth, &c->request);
	client_close(c);
}

static void refused(struct client *c)
{
	client_refused_startup(c);
}

/* FATAL 57P01 in the middle of a statement; the connection ends. */
static void terminate(struct client *c)
{
	client_query(c, "SELECT pg_terminate_backend(pg_backend_pid())");
}

const struct op ops_connection[] = {
    {"reconnect", 6, OP_IDLE, reconnect},
    {"leave", 4, OP_BLOCK, leave},
    {"refused", 3, OP_IDLE, refused},
    {"terminate", 3, OP_ANY, terminate},
    {0},
};
