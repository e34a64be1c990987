/* SPDX-License-Identifier: MIT */
/*
 * player - a world while it is played: shared by play.c (proxy and daemon), player.c (the queue of what
 * happens), servers.c (how they answer), requests.c (what clients ask).
 */
#ifndef MO_PLAYER_H
#define MO_PLAYER_H

#include "cluster/cluster.h"
#include "play.h"
#include "wire/context.h"

#define QUEUE        128 /* requests of a client that wait */
#define REQUEST_MOST 12  /* statements */

enum side { PRIMARY, MIRROR, SIDES };

struct statement {
	const struct statement_class *class; /* NULL: control */
	char text[WORLD_TEXT];
	unsigned key;
	int tenant; /* -1: none */
	bool last;
};

struct request {
	unsigned client, count;
	bool block;
	struct statement statement[REQUEST_MOST];
};

struct connection {
	struct conn_view view;
	void *user;
	struct context context;
	uint64_t serial;
	bool in_block, failed, request_failed;
	int tenant; /* in force */
	char sqlstate[6];
	double free_at, answered_at, request_began;
};

enum step_kind { STEP_REQUEST, STEP_SENT, STEP_ANSWERED, STEP_TICK, STEP_CONNECT };

struct step {
	double time;
	uint64_t order;
	enum step_kind kind;
	enum side side;
	unsigned client; /* whose connection */
	uint64_t serial;
	double sent, begun;
	struct statement statement;
};

struct player {
	const struct world *w;
	uint64_t random, order;
	struct step *heap;
	size_t count, room;
	struct stats *stats;
	struct threshold *threshold;
	struct config *config;
	struct clusters *clusters;
	struct conn_sink sink;
	struct connection *connection[SIDES];
	double *mirror_free;     /* of each client's queue */
	double (*queued)[QUEUE]; /* when the last requests of a client began to be replayed; a ring */
	unsigned *queued_count;
	unsigned shown; /* times that the sick class was answered on the mirror */
	struct play_result *out;
	enum verdict last;
	bool verbose;
};

uint64_t player_ns(double s);
double player_uniform(struct player *p);
double player_exponential(struct player *p, double mean);
void player_push(struct player *p, struct step step);
struct step player_pop(struct player *p);

struct request request_compose(struct player *p, unsigned client);

bool server_is_sick(const struct player *p, double t);
/* Of the class that is the sick one, if any is. */
bool server_has_class(const struct player *p, const struct statement *s);
double server_time(struct player *p, enum side side, const struct statement *s, double t);
/* A SQLSTATE; "" = success. */
const char *server_error(struct player *p, enum side side, const struct statement *s, double t);
uint64_t server_rows(struct player *p, enum side side, const struct statement *s, int tenant, double t);

#endif
