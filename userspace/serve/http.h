/* SPDX-License-Identifier: MIT */
/*
 * http - the HTTP server, inside the caller's event loop, without a thread of its own. The only file that
 * knows libmicrohttpd.
 *
 * Serves GET and HEAD of exact paths, and POST of those that change something (http_add_action). Answers
 * itself: 404, 405 with Allow, 403 (see there), 413 for any request with a body (which is not read), 414 and
 * 431 past HTTP_REQUEST_MAX, and, while it listens on a loopback address, 421 for a Host that may be another
 * site's name (header.h). Limits and deadlines: clients.h. No CORS headers.
 */
#ifndef MO_HTTP_H
#define MO_HTTP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "serve/clients.h"

#define HTTP_REQUEST_MAX 16384 /* bytes of request line and headers, roughly */
#define HTTP_ROUTES_MAX  32

struct http;

struct http_request {
	const char *path;
	const char *accept; /* all Accept headers joined by ","; NULL = none */
	void *connection;   /* for http_query */
};

struct http_reply {
	unsigned int status;      /* 200 unless set */
	const char *content_type; /* "text/plain; charset=utf-8" unless set; a constant */
	struct buffer body;       /* taken over */
};

/* Fills in the reply; called within http_run. */
typedef void http_handler(void *ctx, const struct http_request *request, struct http_reply *reply);

struct http_options {
	const char *host;                    /* numeric IPv4 or IPv6 address */
	uint16_t port;                       /* 0 = the kernel chooses, see http_port */
	const struct clients_limits *limits; /* NULL = clients_default_limits */
};

/* Listens at once. Raises the soft limit of open files as far as the connections need and may. On an error
 * http_error() is one sentence. */
int http_new(struct http **out, const struct http_options *options);
/* Closes all connections. */
void http_free(struct http **http);
const char *http_error(void);

/* path must outlive the server. -ENOSPC past HTTP_ROUTES_MAX. */
int http_add(struct http *http, const char *path, http_handler *handler, void *ctx);

/*
 * A path that changes something: POST only, without a body. It is refused with 403 unless the peer is on this
 * machine (a loopback address) and the request carries the header HTTP_ACTION_HEADER: a page of another site
 * can make a browser send a POST, but no such header, since CORS is not granted here.
 */
#define HTTP_ACTION_HEADER "X-Mirror-Observer"
int http_add_action(struct http *http, const char *path, http_handler *handler, void *ctx);

/*
 * A path whose answer does not end (server-sent events, text/event-stream): the handler is called for each
 * frame, at once and after every http_push, and appends it to reply->body; status and type are not looked at.
 * A slow reader misses frames. How many there may be, and for how long one may take a frame: clients.h.
 */
int http_add_stream(struct http *http, const char *path, http_handler *handler, void *ctx);
/* New frames are due; http_run sends them. */
void http_push(struct http *http);

/* Readable when http_run has something to do; stays the same. */
int http_fd(const struct http *http);
/* Milliseconds after which http_run must be called in any case; -1 = none. */
int http_timeout(struct http *http);
/* Does what can be done without waiting. */
void http_run(struct http *http);
uint16_t http_port(const struct http *http);

/* Value of a query parameter, percent-decoded; "" for one without value, NULL when absent. */
const char *http_query(const struct http_request *request, const char *name);

#endif
