/* SPDX-License-Identifier: MIT */
#include "observation_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "base/log.h"
#include "capture/stream.h"

/*
 * The ring is drained and time-outs are looked after at this pace; a ring that fills wakes us earlier, and a
 * scrape drains it first. Fewer wake-ups cost less than fresher figures are worth: docs/performance.md.
 */
#define TICK_US 100000
/* Of one pass of the loop for records: what else waits is not kept longer by a flood; but not for ever. */
#define DRAIN_NS       3000000ull
#define TICK_LATEST_NS 1000000000ull

#define CLIENTS_WALK_NS 10000000ull /* a walk over open files that takes longer is made less often */

/* After records were lost, the sockets concerned are asked for how they stand, at most so often; until what
 * that tells has been waited for (STREAM_GAP_AFTER), a missing answer says nothing. */
#define RECOVERY_NS 1000000000ull
#define DOUBT_NS    (RECOVERY_NS + 2 * STREAM_GAP_AFTER)

#define CONNECTIONS_MAX 65536

/* Of each connection. A pipeline longer than that, or more prepared statements, is counted as lost track of.
 */
static const struct session_options session_bounds = {
    .queue_max = 65536,
    .prepared_max = 65536,
    .prepared_bytes = 8 << 20,
    .provisional_max = 256,
};

static const char *error_text = "";

const char *observation_error(void)
{
	return error_text;
}

/* ---------------------------------------- the data's way */

static void on_record(void *ctx, const struct event *event)
{
	struct observation *o = ctx;

	conns_event(o->conns, event);
}

static void drain_until(struct observation *o, uint64_t end_ns)
{
	int n;

	reading_drain(o->reading);
	n = probe_drain(o->probe, on_record, o, end_ns);
	if (n < 0)
		log_error("reading the ring buffer: %s", strerror(-n));
	else if (o->rest && probe_has_more(o->probe))
		loop_set_timer(o->rest, 1, 0); /* the ring tells only of what comes from now on */
}

/* Everything that has come, for those who must not go on without it. */
static void drain(struct observation *o)
{
	drain_until(o, 0);
}

static void drain_briefly(struct observation *o)
{
	drain_until(o, loop_pass_begun(o->loop) + DRAIN_NS);
}

static void on_filled(void *ctx, uint32_t what)
{
	(void)what;
	drain_briefly(ctx);
}

static void on_lost_end(void *ctx, uint64_t sock)
{
	struct observation *o = ctx;

	conns_lost(o->conns, sock, clock_ns());
}

/* The last records of a socket may be among those that were lost: nothing else would ever tell. */
static void recover(struct observation *o)
{
	struct probe_totals totals;
	uint64_t lost;

	probe_totals(o->probe, &totals);
	lost = totals.lost_bytes[LOSS_RING_FULL] + totals.lost_control;
	if (lost != o->lost_seen)
		o->lost_ns = clock_ns();
	o->lost_seen = lost;
	if (lost == o->recovered || clock_ns() < o->recovered_ns + RECOVERY_NS)
		return;
	o->recovered = lost;
	o->recovered_ns = clock_ns();
	if (probe_scan(o->probe))
		log_warning("looking for connections whose records were lost: %s", probe_error());
	drain(o);
	probe_lost_ends(o->probe, on_lost_end, o);
}

/* While records wait, what they will tell is no reason for a time-out: then we are late ourselves. */
static bool is_behind(struct observation *o)
{
	if (!probe_has_more(o->probe))
		o->behind_ns = 0;
	else if (!o->behind_ns)
		o->behind_ns = clock_ns();
	return o->behind_ns;
}

static void tick(void *ctx, uint32_t what)
{
	struct observation *o = ctx;
	bool complete;

	(void)what;
	drain_briefly(o);
	if (is_behind(o)) {
		if (clock_ns() < o->behind_ns + TICK_LATEST_NS)
			return;
		drain(o);
		o->behind_ns = 0;
	}
	recover(o);
	complete = !o->lost_ns || clock_ns() > o->lost_ns + DOUBT_NS;
	conns_tick(o->conns, clock_ns(), complete);
	clusters_tick(o->clusters, clock_ns());
}

static void on_names(void *ctx, uint32_t what)
{
	struct observation *o = ctx;

	(void)what;
	if (clusters_collect_names(o->clusters))
		return;
	log_error("the process that names statements is gone: they are shown by their tag until a restart");
	loop_remove(&o->names);
}

static const char *path_of(void *ctx, uint32_t target)
{
	const struct observation *o = ctx;

	return filter_path(&o->filter, target);
}

static struct role role_of(void *ctx, const struct address *remote, const char *path, const char *database)
{
	struct observation *o = ctx;
	struct role role = classify(o->classify, remote, path, database);

	if (database && !path)
		inspection_startup(o->inspection, remote, database, &role);
	observation_role_found(o, &role);
	return role;
}

/* ---------------------------------------- what is observed, and as what */

/* Puts a table in force, and the filter that follows from it and from who the proxy is. */
static void retarget(struct observation *o, struct classify *fresh)
{
	if (classify_conflict(fresh))
		log_warning("%s", classify_conflict(fresh));
	classify_free(&o->classify);
	o->classify = fresh;
	if (filter_build(&o->filter, proxy_identity(o->proxy), o->classify) == -E2BIG)
		log_warning("more than %d addresses are configured: the rest is not observed",
			    FILTER_MAX_TARGETS);
	probe_set_filter(o->probe, &o->filter);
	reading_set_filter(o->reading, &o->filter);
}

/* Connections get the role that the table gives them now; the scan finds what a wider filter would have let
 * in. */
static void look_again(struct observation *o)
{
	conns_reclassify(o->conns);
	if (probe_scan(o->probe))
		log_warning("looking for existing connections: %s", probe_error());
}

/* A cluster of which a host name stands for other servers than before is another one. */
static void renew_moved(struct observation *o, const struct classify *fresh)
{
	for (size_t i = 0; i < o->config->cluster_count; i++) {
		if (!classify_moved(o->classify, fresh, i))
			continue;
		log_info("cluster %s: a host name stands for other servers: what was observed begins anew",
			 o->config->clusters[i].name);
		if (clusters_renew(o->clusters, i))
			log_error(
			    "cluster %s: out of memory: the verdict begins anew, the queue is what it was",
			    o->config->clusters[i].name);
	}
}

/* Host names stand for something else, or the proxy is another file or cgroup. */
static void on_moved(struct observation *o)
{
	struct classify *fresh;

	if (classify_new(&fresh, o->config, resolve_lookup, o->resolve)) {
		log_error("looking for the proxy's connections again: out of memory");
		return;
	}
	drain(o); /* what has come belongs to the present roles */
	renew_moved(o, fresh);
	retarget(o, fresh);
	look_again(o);
}

static void on_resolved(void *ctx, bool changed)
{
	if (changed)
		on_moved(ctx);
}

/* At most a hundredth of our time goes into this, however many files are open on the host. */
static void count_clients(struct observation *o)
{
	uint64_t begun = clock_ns();
	uint32_t clients;

	if (o->walks_skipped) {
		o->walks_skipped--;
		return;
	}
	if (probe_clients(o->probe, &clients))
		log_debug("counting the proxy's clients: %s", probe_error());
	clusters_set_clients(o->clusters, clients);
	stats_observer(o->stats)->client_connections.value = clients;
	o->walks_skipped = (clock_ns() - begun) / CLIENTS_WALK_NS;
}

static void refresh_proxy(void *ctx, uint32_t what)
{
	struct observation *o = ctx;

	(void)what;
	if (proxy_refresh(o->proxy))
		on_moved(o);
	count_clients(o);
}

/* All that can fail, but for the clusters, into what takes the place of the old. */
static int prepare_reload(struct observation *o, const struct config *config, struct proxy **proxy,
			  struct classify **table)
{
	int err = config_names_unix(config) ? probe_follow_unix(o->probe) : 0;

	if (err) {
		error_text = probe_error();
		return err;
	}
	error_text = "out of memory";
	err = proxy_new(proxy, &config->proxy);
	if (err)
		return err;
	err = classify_new(table, config, resolve_lookup, o->resolve);
	if (err)
		proxy_free(proxy);
	return err;
}

/* Roles are those of the old list until it is gone, and no record may come between the two. */
static int change_clusters(struct observation *o, const struct config *config)
{
	int err;

	drain(o);
	conns_leave_roles(o->conns);
	err = clusters_configure(o->clusters, config);
	if (err)
		conns_reclassify(o->conns);
	return err;
}

int observation_reload(struct observation *o, const struct config *config)
{
	struct classify *table;
	struct proxy *proxy;
	int err = prepare_reload(o, config, &proxy, &table);

	if (err)
		return err;
	err = change_clusters(o, config);
	if (err) {
		classify_free(&table);
		proxy_free(&proxy);
		return err;
	}
	proxy_inherit(proxy, o->proxy);
	proxy_free(&o->proxy);
	o->proxy = proxy;
	o->config = config;
	reading_reload(o->reading, config);
	retarget(o, table);
	look_again(o);
	if (resolve_names(o->resolve, config))
		log_error("looking up the host names of the new configuration: out of memory");
	observation_look(o);
	return 0;
}

void observation_sync(struct observation *o)
{
	drain(o); /* the queue's depth is of now, not of the last drain */
	observation_count(o);
}

void observation_refresh(struct observation *o)
{
	drain_briefly(o);
	observation_count(o);
}

struct clusters *observation_clusters(const struct observation *o)
{
	return o->clusters;
}

const char *observation_mode(const struct observation *o)
{
	return probe_mode(o->probe);
}

/* ---------------------------------------- life cycle */

static int build_stages(struct observation *o, struct threshold *threshold)
{
	struct conns_options options = {
	    .max = CONNECTIONS_MAX, .session = session_bounds, .tls = reading_room(o->reading)};
	struct conn_sink sink;
	int err = inspection_new(&o->inspection);

	if (!err)
		err = clusters_new(&o->clusters, o->stats, threshold, o->parser);

	if (!err)
		err = clusters_configure(o->clusters, o->config);
	if (err)
		return err;
	sink = clusters_sink(o->clusters);
	sink.classify = role_of;
	sink.classify_ctx = o;
	sink.path = path_of;
	sink.tls_begins = reading_begin;
	sink.tls_ctx = o->reading;
	err = conns_new(&o->conns, &options, &sink);
	if (!err)
		err = proxy_new(&o->proxy, &o->config->proxy);
	if (!err)
		err = resolve_new(&o->resolve, o->loop, &resolve_default_options, on_resolved, o);
	return err ? err : resolve_names(o->resolve, o->config);
}

static int attach(struct observation *o)
{
	/* What Unix-domain sockets need costs every system call of the machine: only when there are any. */
	const struct probe_options options = {.ring_bytes = o->config->ring_bytes,
					      .max_piece_bytes = EVENT_MAX_PIECE,
					      .attach = o->config->attach,
					      .unix_sockets = config_names_unix(o->config)};
	struct classify *table;
	int err = probe_open(&o->probe, &options);

	if (!err)
		err = classify_new(&table, o->config, resolve_lookup, o->resolve);
	if (!err) {
		retarget(o, table);
		err = probe_attach(o->probe);
	}
	if (err)
		error_text = probe_error();
	return err;
}

static int listen_to_loop(struct observation *o)
{
	int err = loop_add_fd(o->loop, probe_fd(o->probe), EPOLLIN, on_filled, o, &o->ring);

	if (!err)
		err = loop_add_timer(o->loop, 0, 0, on_filled, o, &o->rest);
	if (!err)
		err = observation_start_looking(o);
	if (!err && o->parser)
		err = loop_add_fd(o->loop, parser_fd(o->parser), EPOLLIN, on_names, o, &o->names);
	if (!err)
		err = loop_add_timer(o->loop, TICK_US, TICK_US, tick, o, &o->tick_timer);
	if (err)
		return err;
	return loop_add_timer(o->loop, PROXY_REFRESH_US, PROXY_REFRESH_US, refresh_proxy, o, &o->proxy_timer);
}

int observation_new(struct observation **out, struct loop *loop, struct stats *stats,
		    struct threshold *threshold, struct parser *parser, const struct config *config)
{
	struct observation *o = calloc(1, sizeof(*o));
	int err;

	error_text = "out of memory";
	if (!o)
		return -ENOMEM;
	o->loop = loop;
	o->stats = stats;
	o->config = config;
	o->parser = parser;
	observation_remember_base(o);
	err = reading_new(&o->reading, loop, stats, config, &error_text);
	if (!err)
		err = build_stages(o, threshold);
	if (!err)
		err = attach(o);
	if (!err)
		err = listen_to_loop(o);
	if (err) {
		observation_free(&o);
		return err;
	}
	*out = o;
	return 0;
}

void observation_free(struct observation **observation)
{
	struct observation *o = *observation;

	if (!o)
		return;
	loop_remove(&o->ring);
	loop_remove(&o->inspection_timer);
	loop_remove(&o->names);
	loop_remove(&o->rest);
	loop_remove(&o->tick_timer);
	loop_remove(&o->proxy_timer);
	if (o->probe && o->conns)
		observation_sync(o); /* what was captured until now still counts */
	conns_free(&o->conns);
	reading_free(&o->reading);
	clusters_free(&o->clusters);
	resolve_free(&o->resolve);
	proxy_free(&o->proxy);
	classify_free(&o->classify);
	probe_free(&o->probe);
	inspection_free(&o->inspection);
	free(o);
	*observation = NULL;
}

uint64_t observation_now_us(void)
{
	return clock_ns() / 1000;
}
