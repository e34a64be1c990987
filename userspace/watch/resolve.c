/* SPDX-License-Identifier: MIT */
#include "watch/resolve.h"

#include <ares.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>

#include "base/log.h"

#define WATCHES_MAX 32 /* sockets of c-ares at once: one or two for each name server */

struct name {
	struct resolve *owner;
	char *host;
	struct address_range ranges[RESOLVE_ADDRESSES_MAX]; /* sorted */
	size_t count;
	int status; /* ARES_* of the last look-up */
};

struct watch {
	int fd;
	struct resolve *owner;
	struct loop_source *source; /* NULL = free */
};

struct resolve {
	struct loop *loop;
	struct resolve_options options;
	resolve_handler *handler;
	void *ctx;
	struct name *names;
	size_t count;
	ares_channel channel; /* of the round that is under way, else NULL */
	size_t outstanding;
	bool changed;
	struct watch watches[WATCHES_MAX];
	struct loop_source *timeout; /* of c-ares */
	struct loop_source *next;    /* begins the next round */
};

const struct resolve_options resolve_default_options = {
    .interval_us = RESOLVE_INTERVAL_US,
    .timeout_ms = 2000,
    .tries = 2,
};

/* ---- what c-ares tells ---- */

static int compare_ranges(const void *a, const void *b)
{
	return memcmp(((const struct address_range *)a)->base.ip, ((const struct address_range *)b)->base.ip,
		      16);
}

static bool to_range(const struct sockaddr *sa, struct address_range *out)
{
	*out = (struct address_range){.family = ADDRESS_IP, .prefix_len = 128};
	if (sa->sa_family == AF_INET) {
		out->base.ip[10] = out->base.ip[11] = 0xff;
		memcpy(out->base.ip + 12, &((const struct sockaddr_in *)sa)->sin_addr, 4);
	} else if (sa->sa_family == AF_INET6) {
		memcpy(out->base.ip, &((const struct sockaddr_in6 *)sa)->sin6_addr, 16);
	} else {
		return false;
	}
	return true;
}

/* The distinct addresses of an answer, sorted. */
static size_t collect(const struct name *name, const struct ares_addrinfo *result, struct address_range *out)
{
	size_t count = 0, distinct = 0;

	for (const struct ares_addrinfo_node *n = result->nodes; n; n = n->ai_next) {
		if (count == RESOLVE_ADDRESSES_MAX) {
			log_warning("%s: has more than %d addresses; the rest is left out", name->host,
				    RESOLVE_ADDRESSES_MAX);
			break;
		}
		count += to_range(n->ai_addr, &out[count]);
	}
	qsort(out, count, sizeof(*out), compare_ranges);
	for (size_t i = 0; i < count; i++)
		if (distinct == 0 || compare_ranges(&out[distinct - 1], &out[i]) != 0)
			out[distinct++] = out[i];
	return distinct;
}

static void take_answer(struct name *name, const struct ares_addrinfo *result)
{
	struct address_range ranges[RESOLVE_ADDRESSES_MAX];
	size_t count = collect(name, result, ranges);
	char text[ADDRESS_TEXT_MAX];

	if (count == 0 ||
	    (count == name->count && memcmp(ranges, name->ranges, count * sizeof(*ranges)) == 0))
		return;
	memcpy(name->ranges, ranges, count * sizeof(*ranges));
	name->count = count;
	name->owner->changed = true;
	address_format(&ranges[0].base, text);
	*strrchr(text, ':') = '\0'; /* the port is of no account */
	if (count == 1)
		log_info("%s: is now %s", name->host, text);
	else
		log_info("%s: is now %s and %zu more", name->host, text, count - 1);
}

static void on_answer(void *arg, int status, int timeouts, struct ares_addrinfo *result)
{
	struct name *name = arg;

	(void)timeouts;
	if (status == ARES_ECANCELLED || status == ARES_EDESTRUCTION)
		return;
	name->owner->outstanding--;
	if (status == ARES_SUCCESS) {
		take_answer(name, result);
		ares_freeaddrinfo(result);
	}
	if (status != ARES_SUCCESS && status != name->status)
		log_warning("%s: cannot be looked up: %s; %s", name->host, ares_strerror(status),
			    name->count ? "its last known addresses stay in use"
					: "its connections are not observed until it can");
	else if (status == ARES_SUCCESS && name->status != ARES_SUCCESS)
		log_info("%s: can be looked up again", name->host);
	name->status = status;
}

static void on_socket(void *ctx, uint32_t events);

static struct watch *find_watch(struct resolve *resolve, int fd)
{
	struct watch *unused = NULL;

	for (size_t i = 0; i < WATCHES_MAX; i++) {
		if (resolve->watches[i].source && resolve->watches[i].fd == fd)
			return &resolve->watches[i];
		if (!resolve->watches[i].source)
			unused = &resolve->watches[i];
	}
	return unused;
}

/* Without a free watch the look-up times out, which is what its failure then says. */
static void on_socket_state(void *data, ares_socket_t fd, int readable, int writable)
{
	struct resolve *resolve = data;
	struct watch *watch = find_watch(resolve, fd);
	uint32_t events = (readable ? EPOLLIN : 0) | (writable ? EPOLLOUT : 0);

	if (!watch)
		return;
	if (!events) {
		loop_remove(&watch->source);
	} else if (watch->source) {
		loop_change_fd(watch->source, events);
	} else {
		watch->fd = fd;
		watch->owner = resolve;
		if (loop_add_fd(resolve->loop, fd, events, on_socket, watch, &watch->source))
			watch->source = NULL;
	}
}

/* ---- rounds ---- */

static void end_round(struct resolve *resolve)
{
	ares_destroy(resolve->channel);
	resolve->channel = NULL;
	loop_set_timer(resolve->timeout, 0, 0);
}

/* After every call into c-ares but those that begin a round; callbacks of c-ares must not destroy it. */
static void after_ares(struct resolve *resolve)
{
	struct timeval tv, *wait;

	if (resolve->outstanding > 0) {
		wait = ares_timeout(resolve->channel, NULL, &tv);
		if (wait)
			loop_set_timer(resolve->timeout, wait->tv_sec * UINT64_C(1000000) + wait->tv_usec + 1,
				       0);
		return;
	}
	end_round(resolve);
	loop_set_timer(resolve->next, resolve->options.interval_us, 0);
	resolve->handler(resolve->ctx, resolve->changed);
}

static void on_socket(void *ctx, uint32_t events)
{
	const struct watch *watch = ctx;
	struct resolve *resolve = watch->owner;
	int fd = watch->fd;

	/* EPOLLERR and EPOLLHUP too are news that a read tells. */
	ares_process_fd(resolve->channel, events & ~(uint32_t)EPOLLOUT ? fd : ARES_SOCKET_BAD,
			events & EPOLLOUT ? fd : ARES_SOCKET_BAD);
	after_ares(resolve);
}

static void on_timeout(void *ctx, uint32_t expirations)
{
	struct resolve *resolve = ctx;

	(void)expirations;
	if (!resolve->channel)
		return;
	ares_process_fd(resolve->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	after_ares(resolve);
}

static int open_channel(struct resolve *resolve)
{
	struct ares_options options = {.timeout = resolve->options.timeout_ms,
				       .tries = resolve->options.tries,
				       .sock_state_cb = on_socket_state,
				       .sock_state_cb_data = resolve};
	int status = ares_init_options(&resolve->channel, &options,
				       ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB);

	if (status == ARES_SUCCESS && resolve->options.servers) {
		status = ares_set_servers_ports_csv(resolve->channel, resolve->options.servers);
		if (status != ARES_SUCCESS)
			ares_destroy(resolve->channel);
	}
	if (status != ARES_SUCCESS) {
		resolve->channel = NULL;
		log_warning("names cannot be looked up: %s", ares_strerror(status));
		return -EIO;
	}
	return 0;
}

/* A new channel each time: /etc/resolv.conf may have changed. */
static void on_next(void *ctx, uint32_t expirations)
{
	static const struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC, .ai_flags = ARES_AI_NOSORT};
	struct resolve *resolve = ctx;

	(void)expirations;
	if (open_channel(resolve)) {
		loop_set_timer(resolve->next, resolve->options.interval_us, 0);
		return;
	}
	resolve->changed = false;
	resolve->outstanding = resolve->count;
	for (size_t i = 0; i < resolve->count; i++)
		ares_getaddrinfo(resolve->channel, resolve->names[i].host, NULL, &hints, on_answer,
				 &resolve->names[i]);
	after_ares(resolve);
}

/* ---- names ---- */

static struct name *find_name(struct name *names, size_t count, const char *host)
{
	for (size_t i = 0; i < count; i++)
		if (strcasecmp(names[i].host, host) == 0)
			return &names[i];
	return NULL;
}

static void free_names(struct name *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(names[i].host);
	free(names);
}

/* Adds the names of an endpoint that are new to names. */
static int add_names(struct resolve *resolve, const struct config_endpoint *endpoint, struct name **names,
		     size_t *count)
{
	for (size_t i = 0; i < endpoint->address_count; i++) {
		const char *host = endpoint->addresses[i].host;
		const struct name *known;
		struct name *grown;

		if (!host || find_name(*names, *count, host))
			continue;
		grown = reallocarray(*names, *count + 1, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		*names = grown;
		known = find_name(resolve->names, resolve->count, host);
		grown[*count] = known ? *known : (struct name){.owner = resolve};
		grown[*count].host = strdup(host);
		if (!grown[*count].host)
			return -ENOMEM;
		++*count;
	}
	return 0;
}

int resolve_names(struct resolve *resolve, const struct config *config)
{
	struct name *names = NULL;
	size_t count = 0;
	int err = 0;

	for (size_t i = 0; !err && i < config->cluster_count; i++)
		err = add_names(resolve, &config->clusters[i].primary, &names, &count)
			  ?: add_names(resolve, &config->clusters[i].mirror, &names, &count);
	if (err) {
		free_names(names, count);
		return err;
	}
	if (resolve->channel)
		end_round(resolve);
	free_names(resolve->names, resolve->count);
	resolve->names = names;
	resolve->count = count;
	return loop_set_timer(resolve->next, count ? 1 : 0, 0);
}

size_t resolve_lookup(void *ctx, const char *host, const struct address_range **out)
{
	struct resolve *resolve = ctx;
	const struct name *name = find_name(resolve->names, resolve->count, host);

	if (!name)
		return 0;
	*out = name->ranges;
	return name->count;
}

int resolve_new(struct resolve **out, struct loop *loop, const struct resolve_options *options,
		resolve_handler *handler, void *ctx)
{
	struct resolve *resolve = calloc(1, sizeof(*resolve));
	int err;

	if (!resolve)
		return -ENOMEM;
	resolve->loop = loop;
	resolve->options = *options;
	resolve->handler = handler;
	resolve->ctx = ctx;
	err = ares_library_init(ARES_LIB_INIT_ALL) ? -ENOMEM : 0;
	err = err ?: loop_add_timer(loop, 0, 0, on_timeout, resolve, &resolve->timeout);
	err = err ?: loop_add_timer(loop, 0, 0, on_next, resolve, &resolve->next);
	if (err) {
		resolve_free(&resolve);
		return err;
	}
	*out = resolve;
	return 0;
}

void resolve_free(struct resolve **resolve)
{
	struct resolve *gone = *resolve;

	if (!gone)
		return;
	if (gone->channel)
		ares_destroy(gone->channel);
	for (size_t i = 0; i < WATCHES_MAX; i++)
		loop_remove(&gone->watches[i].source);
	loop_remove(&gone->timeout);
	loop_remove(&gone->next);
	free_names(gone->names, gone->count);
	free(gone);
	ares_library_cleanup();
	*resolve = NULL;
}
