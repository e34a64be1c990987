/* SPDX-License-Identifier: MIT */
#include "play.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "player.h"
#include "sql/sqltext.h"

#define GRACE_S    45.0 /* in which what begins in the middle has to be noticed */
#define EVALUATE_S 2.0
#define TICK_S     0.5
#define GAP_S      0.00003 /* between answer and next statement */

/* ---------------------------------------------------------------------------------------- what is seen */

static void sent(struct player *p, const struct step *event)
{
	struct connection *c = &p->connection[event->side][event->client];
	const struct statement *s = &event->statement;
	struct session_query query = {
	    .serial = event->serial, .sent_ns = player_ns(event->time), .text = s->text};
	struct sqltext scan;
	bool seen = p->w->sickness != SICK_unkeyed || event->serial % 50 == 0;

	query.text_len = strlen(s->text);
	sqltext_scan(s->text, query.text_len, &scan);
	query.control = scan.control;
	query.in_block = c->in_block;
	query.keyed = s->class ? seen : true;
	query.key[0] = XXH3_64bits(s->text, query.text_len) + s->key * 0x9e3779b97f4a7c15ull;
	if (s->class && !seen)
		query.text = "", query.text_len = 0;
	context_digest(&c->context, &query.context);
	p->sink.sent(p->sink.ctx, &c->view, &query);
	context_sent(&c->context, s->text, strlen(s->text), query.key[0], scan.sets, false, false);
	if (scan.block != SQLTEXT_BLOCK_KEPT)
		c->in_block = scan.block == SQLTEXT_BLOCK_OPENED;
	p->out->statements++;
}

static bool loses_tenant(const struct player *p, enum side side)
{
	return side == MIRROR && p->w->sickness == SICK_tenant_lost;
}

static struct session_query outcome(struct player *p, const struct step *event, struct connection *c)
{
	const struct statement *s = &event->statement;
	struct session_query query = {.serial = event->serial, .sent_ns = player_ns(event->sent), .text = ""};
	const char *error =
	    c->failed ? s->class ? "25P02" : "" : server_error(p, event->side, s, event->time);

	query.begun_ns = player_ns(event->begun);
	query.done_ns = player_ns(event->time);
	if (s->class && !*error)
		query.rows = server_rows(p, event->side, s, loses_tenant(p, event->side) ? -1 : s->tenant,
					 event->time);
	query.outcome = *error ? OUTCOME_FAILURE : OUTCOME_SUCCESS;
	snprintf(query.sqlstate, sizeof(query.sqlstate), "%s", error);
	query.statements = 1;
	if (player_uniform(p) < p->w->unknown)
		query.outcome = OUTCOME_UNKNOWN, query.sqlstate[0] = 0;
	return query;
}

static void end_request(struct player *p, struct connection *c, const struct session_query *query)
{
	struct session_request request = {.sent_ns = query->sent_ns, .done_ns = query->done_ns};

	request.outcome = c->request_failed ? OUTCOME_FAILURE : OUTCOME_SUCCESS;
	if (query->outcome == OUTCOME_UNKNOWN)
		request.outcome = OUTCOME_UNKNOWN;
	if (request.outcome == OUTCOME_FAILURE)
		request.failure = failure_of(c->sqlstate, "ERROR", false);
	memcpy(request.sqlstate, c->sqlstate, sizeof(request.sqlstate));
	p->sink.request(p->sink.ctx, &c->view, &request);
	c->failed = c->request_failed = false;
}

static void answered(struct player *p, const struct step *event)
{
	struct connection *c = &p->connection[event->side][event->client];
	struct session_query query = outcome(p, event, c);
	struct session_statement statement = {.query_serial = query.serial,
					      .sent_ns = query.sent_ns,
					      .begun_ns = query.begun_ns,
					      .done_ns = query.done_ns,
					      .outcome = query.outcome};

	memcpy(statement.sqlstate, query.sqlstate, sizeof(statement.sqlstate));
	if (query.outcome == OUTCOME_FAILURE && !c->request_failed) {
		c->request_failed = true;
		memcpy(c->sqlstate, query.sqlstate, sizeof(c->sqlstate));
	}
	c->failed = c->request_failed && !event->statement.last;
	p->shown += event->side == MIRROR && event->statement.class && server_has_class(p, &event->statement);
	p->sink.statement(p->sink.ctx, &c->view, &statement);
	p->sink.answered(p->sink.ctx, &c->view, &query);
	if (event->statement.last)
		end_request(p, c, &query);
}

/* ---------------------------------------------------------------------------------------- the proxy */

/* The mirror's answers end there. */
static bool silent(const struct player *p, double t)
{
	return (p->w->sickness == SICK_dead || p->w->sickness == SICK_stalled) && t >= p->w->onset;
}

static double exchange(struct player *p, enum side side, unsigned client, const struct statement *s,
		       double at, double begins)
{
	struct connection *c = &p->connection[side][client];
	struct step event = {.time = at, .kind = STEP_SENT, .side = side, .client = client, .statement = *s};

	event.serial = ++c->serial;
	event.sent = at;
	if (side == MIRROR && p->w->sickness == SICK_dead && silent(p, at))
		return at;
	player_push(p, event);
	event.begun = fmax(begins, at);
	event.time = event.begun + server_time(p, side, s, event.begun);
	event.kind = STEP_ANSWERED;
	if (side == MIRROR && silent(p, event.time))
		return event.time;
	player_push(p, event);
	return event.time;
}

/* Replayed when the client's queue comes to it: PgDog. */
static void enqueue(struct player *p, const struct request *q, double at)
{
	unsigned n = q->client, waiting = 0;
	double start = fmax(at + 0.0002 + player_exponential(p, p->w->pause), p->mirror_free[n]);

	for (unsigned i = 0; i < QUEUE && i < p->queued_count[n]; i++)
		waiting += p->queued[n][(p->queued_count[n] - 1 - i) % QUEUE] > at;
	if (player_uniform(p) >= p->w->exposure * (1 - p->w->drop) || waiting >= QUEUE - 1)
		return;
	if (silent(p, start))
		start = 1e9;
	p->queued[n][p->queued_count[n]++ % QUEUE] = start;
	for (unsigned i = 0; i < q->count && start < 1e9; i++)
		start = exchange(p, MIRROR, n, &q->statement[i], start, 0) + GAP_S;
	p->mirror_free[n] = start;
}

static void forward_at_once(struct player *p, const struct request *q, unsigned i, double at)
{
	struct connection *c = &p->connection[MIRROR][q->client];
	double when = fmax(at + 0.0002 * (player_uniform(p) - 0.5), c->free_at);

	c->free_at = when + 1e-9; /* in order */
	c->answered_at = exchange(p, MIRROR, q->client, &q->statement[i], when, c->answered_at);
}

static bool is_mirrored(const struct player *p, const struct request *q)
{
	for (unsigned i = 0; p->w->sickness == SICK_never_mirrored && i < q->count; i++)
		if (q->statement[i].class && server_has_class(p, &q->statement[i]))
			return false;
	return true;
}

static unsigned primary_connection(struct player *p, unsigned client, double at)
{
	unsigned other = (unsigned)(player_uniform(p) * p->w->clients);

	return p->w->pooled && p->connection[PRIMARY][other].free_at <= at &&
		       p->connection[PRIMARY][client].free_at > at
		   ? other
		   : client;
}

static void run_request(struct player *p, unsigned client, double now)
{
	struct request q = request_compose(p, client);
	unsigned place = primary_connection(p, client, now);
	struct connection *c = &p->connection[PRIMARY][place];
	double at = fmax(now, c->free_at);
	bool mirrored = is_mirrored(p, &q);

	for (unsigned i = 0; i < q.count; i++) {
		double done = exchange(p, PRIMARY, place, &q.statement[i], at, 0);

		if (p->w->proxy == PROXY_PGCAT && mirrored)
			forward_at_once(p, &q, i, at);
		if (p->w->proxy == PROXY_PGPOOL && mirrored)
			done = fmax(done, exchange(p, MIRROR, client, &q.statement[i], done, 0));
		at = done + GAP_S;
	}
	c->free_at = at;
	if (p->w->proxy == PROXY_PGDOG && mirrored)
		enqueue(p, &q, at);
}

static void next_request(struct player *p, unsigned client, double now)
{
	double at = fmax(now, p->connection[PRIMARY][client].free_at) +
		    player_exponential(p, p->w->clients / p->w->rate);

	if (at < p->w->ends && at < p->w->lasts)
		player_push(p, (struct step){.time = at, .kind = STEP_REQUEST, .client = client});
}

/* ---------------------------------------------------------------------------------------- the daemon */

static void configure(struct player *p, double frequent)
{
	struct config *config = NULL;
	char text[512], exposure[32] = "", *error = NULL;

	if (p->w->exposure < 1)
		snprintf(exposure, sizeof(exposure), ", exposure: %.6f", p->w->exposure);
	snprintf(
	    text, sizeof(text),
	    "window: %.0fs\nreadiness: {window: %.0fs, observed: %.0fs, recent: %.0fs}\nproxy: {comm: x}\n"
	    "clusters:\n  - {name: c, primary: {address: \"10.0.0.1:1\"}, mirror: {address: "
	    "\"10.0.0.2:1\"}%s}\n",
	    frequent, p->w->window, p->w->observed, p->w->recent, exposure);
	if (config_parse(&config, "world", text, strlen(text), &error) ||
	    clusters_configure(p->clusters, config)) {
		fprintf(stderr, "world %llu: %s\n", (unsigned long long)p->w->seed,
			error ? error : "no memory");
		exit(2);
	}
	config_free(&p->config);
	p->config = config;
}

/* failing: these only. */
static void describe(struct player *p, const struct readiness *readiness, bool failing)
{
	size_t used = 0, size = sizeof(p->out->reasons);

	for (int i = 0; i < READINESS_CHECK_COUNT && used < size; i++)
		if (readiness->checks[i].verdict == VERDICT_NOT_READY ||
		    (!failing && readiness->checks[i].verdict == VERDICT_INSUFFICIENT_DATA))
			used +=
			    snprintf(p->out->reasons + used, size - used, "    %s %s: %s\n",
				     readiness->checks[i].verdict == VERDICT_NOT_READY ? "FAILS" : "lacks",
				     readiness->checks[i].name, readiness->checks[i].reason);
}

/* The statements in the way. */
static void show_classes(struct player *p)
{
	const struct class_record *worst[5];
	size_t count = top_worst(twins_top(clusters_twins(p->clusters, 0)), worst, 5);
	char reason[CLASS_REASON_MAX];

	for (size_t i = 0; i < count; i++)
		if (*class_reason(worst[i], reason))
			printf("      %s: %s (more %lu, fewer %lu; repeated %lu and %lu times, %lu and %lu "
			       "differ)\n",
			       worst[i]->text, reason, worst[i]->more, worst[i]->fewer,
			       worst[i]->repeats[0].count, worst[i]->repeats[1].count,
			       worst[i]->repeats[0].differ, worst[i]->repeats[1].differ);
}

/* What was never called cannot be known to be broken. */
static bool could_be_known(const struct player *p, double now)
{
	const struct world *w = p->w;
	bool rare = w->sickness == SICK_missing_function || w->sickness == SICK_rare_rows;

	return now > w->onset + (w->onset > 0 ? GRACE_S : 0) && (!rare || p->shown);
}

static void evaluate(struct player *p, double now)
{
	struct readiness readiness;

	clusters_readiness(p->clusters, 0, player_ns(now), &readiness);
	if (p->verbose && readiness.verdict != p->last) {
		describe(p, &readiness, false);
		printf("%8.1f s: %s\n%s", now, readiness_verdict_name(readiness.verdict), p->out->reasons);
		show_classes(p);
	}
	p->last = readiness.verdict;
	if (readiness.verdict == VERDICT_READY && isnan(p->out->ready_s))
		p->out->ready_s = now;
	if (readiness.verdict == VERDICT_READY && p->w->sickness != HEALTHY &&
	    isnan(p->out->wrongly_ready_s) && could_be_known(p, now))
		p->out->wrongly_ready_s = now;
	if (readiness.verdict == VERDICT_NOT_READY && isnan(p->out->wrongly_not_ready_s)) {
		p->out->wrongly_not_ready_s = now;
		describe(p, &readiness, true);
	}
	if (isnan(p->out->ready_s) && isnan(p->out->wrongly_not_ready_s))
		describe(p, &readiness, false);
}

static void tick(struct player *p, double now)
{
	const struct world *w = p->w;

	clusters_tick(p->clusters, player_ns(now));
	if (w->reset_at > 0 && now >= w->reset_at && now < w->reset_at + TICK_S)
		clusters_reset(p->clusters, 0);
	if (w->reload_at > 0 && now >= w->reload_at && now < w->reload_at + TICK_S)
		configure(p, 299);
	if (fmod(now, EVALUATE_S) < TICK_S)
		evaluate(p, now);
	if (now < w->lasts)
		player_push(p, (struct step){.time = now + TICK_S, .kind = STEP_TICK});
}

static void try_to_connect(struct player *p, double now)
{
	const struct world *w = p->w;
	struct connection *c = &p->connection[MIRROR][0];
	bool refused = (w->sickness == SICK_dead && silent(p, now)) ||
		       (w->sickness == SICK_refuses && player_uniform(p) < 0.02);

	p->sink.attempt(p->sink.ctx, &c->view, refused ? ATTEMPT_REFUSED : ATTEMPT_OK, player_ns(now));
	player_push(
	    p, (struct step){.time = now + (w->sickness == SICK_refuses ? 0.05 : 1), .kind = STEP_CONNECT});
}

/* ---------------------------------------------------------------------------------------- all of it */

static void open_connection(struct player *p, enum side side, unsigned i)
{
	static const char parameters[] = "user\0app\0database\0app\0";
	struct connection *c = &p->connection[side][i];
	bool primary = (side == PRIMARY) != (p->w->sickness == SICK_swapped);

	c->view.id = side * 1000 + i + 1;
	c->view.role = (struct role){.target = primary ? TARGET_PRIMARY : TARGET_MIRROR, .clusters = 1};
	c->view.user = &c->user;
	context_init(&c->context, !p->w->late);
	if (!p->w->late)
		context_startup(&c->context, parameters, sizeof(parameters));
	p->sink.state(p->sink.ctx, &c->view, -1, CONN_PLAIN);
}

/* With settings for the session's life each client begins by making them. */
static void set_session(struct player *p, enum side side, unsigned i)
{
	struct statement s = {.tenant = (int)(i % p->w->tenants), .last = true};

	snprintf(s.text, sizeof(s.text), "SET search_path TO t%d", s.tenant);
	exchange(p, side, i, &s, side == MIRROR ? 0.02 : 0.01, 0);
}

static void begin(struct player *p)
{
	const struct stats_options options = {.max_clusters = 1};

	if (stats_open(&p->stats, &options) || threshold_new(&p->threshold, NULL, NULL) ||
	    clusters_new(&p->clusters, p->stats, p->threshold, NULL))
		abort();
	configure(p, 300);
	p->sink = clusters_sink(p->clusters);
	for (int side = 0; side < SIDES; side++) {
		p->connection[side] = calloc(p->w->clients, sizeof(struct connection));
		for (unsigned i = 0; i < p->w->clients; i++) {
			open_connection(p, side, i);
			if (p->w->session_set)
				set_session(p, side, i);
		}
	}
	p->mirror_free = calloc(p->w->clients, sizeof(double));
	p->queued = calloc(p->w->clients, sizeof(*p->queued));
	p->queued_count = calloc(p->w->clients, sizeof(unsigned));
	for (unsigned i = 0; i < p->w->clients; i++)
		next_request(p, i, 0.1);
	player_push(p, (struct step){.time = 0, .kind = STEP_TICK});
	player_push(p, (struct step){.time = 0.5, .kind = STEP_CONNECT});
}

static void end(struct player *p)
{
	for (int side = 0; side < SIDES; side++) {
		for (unsigned i = 0; i < p->w->clients; i++) {
			p->sink.closed(p->sink.ctx, &p->connection[side][i].view);
			context_done(&p->connection[side][i].context);
		}
		free(p->connection[side]);
	}
	clusters_free(&p->clusters);
	config_free(&p->config);
	threshold_free(&p->threshold);
	stats_free(&p->stats);
	free(p->mirror_free);
	free(p->queued);
	free(p->queued_count);
	free(p->heap);
}

static void handle(struct player *p, const struct step *event)
{
	switch (event->kind) {
	case STEP_REQUEST:
		run_request(p, event->client, event->time);
		next_request(p, event->client, event->time);
		break;
	case STEP_SENT:
		sent(p, event);
		break;
	case STEP_ANSWERED:
		answered(p, event);
		break;
	case STEP_TICK:
		tick(p, event->time);
		break;
	case STEP_CONNECT:
		try_to_connect(p, event->time);
		break;
	default:
		break;
	}
}

void play(const struct world *world, bool verbose, struct play_result *out)
{
	struct player p = {.w = world,
			   .random = world->seed ^ 0xfeedull,
			   .out = out,
			   .verbose = verbose,
			   .last = VERDICT_INSUFFICIENT_DATA};

	*out = (struct play_result){.ready_s = NAN, .wrongly_ready_s = NAN, .wrongly_not_ready_s = NAN};
	begin(&p);
	while (p.count && p.heap[0].time <= world->lasts) {
		struct step event = player_pop(&p);

		handle(&p, &event);
	}
	end(&p);
}
