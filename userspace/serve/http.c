/* SPDX-License-Identifier: MIT */
#include "serve/http.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/files.h"
#include "base/log.h"
#include "serve/header.h"
#include "serve/listener.h"
#include "serve/stream.h"

#define SPARE_CONNECTIONS 128 /* accepted before those that were cut for them are closed */
#define OTHER_FILES       256 /* descriptors that the rest of the process may open later */
#define ACCEPT_MAX        2048

struct route {
	struct http *http;
	const char *path;
	http_handler *handler;
	void *ctx;
	bool action; /* POST, else GET and HEAD */
	bool stream; /* without an end */
};

struct http {
	struct MHD_Daemon *daemon;
	struct clients *clients;
	struct streams *streams;
	struct route routes[HTTP_ROUTES_MAX];
	size_t route_count;
	struct listener listener; /* its descriptor belongs to the daemon */
	int epoll_fd;
	bool closed; /* a connection, in the last run of MHD: it may have room again */
	char hostname[256];
};

static char error_text[256];

const char *http_error(void)
{
	return error_text;
}

/* -------------------------------------------------------------------------------------------- replies */

static void add_headers(struct MHD_Response *response, const char *content_type)
{
	static const char *const headers[][2] = {
	    {"Content-Security-Policy",
	     "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
	     "connect-src 'self'; base-uri 'none'; form-action 'none'; "
	     "frame-ancestors 'none'"},
	    {"X-Content-Type-Options", "nosniff"},
	    {"Referrer-Policy", "no-referrer"},
	    {"Cache-Control", "no-store"},
	};

	MHD_add_response_header(response, "Content-Type", content_type);
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
		MHD_add_response_header(response, headers[i][0], headers[i][1]);
}

/* data is malloc'ed and taken over, or NULL. */
static struct MHD_Response *new_response(char *data, size_t len, const char *content_type)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(
	    len, data ? data : (char *)"", data ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);

	if (response)
		add_headers(response, content_type);
	else
		free(data);
	return response;
}

/* A refusal of ours; the connection ends, since a body may follow that nobody reads. */
static enum MHD_Result refuse_with(struct MHD_Connection *connection, unsigned int status,
				   const char *sentence, const char *allow)
{
	struct MHD_Response *response =
	    new_response(strdup(sentence), strlen(sentence), "text/plain; charset=utf-8");
	enum MHD_Result result;

	if (!response)
		return MHD_NO;
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, "Allow", allow);
	MHD_add_response_header(response, "Connection", "close");
	result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result refuse(struct MHD_Connection *connection, unsigned int status, const char *sentence)
{
	return refuse_with(connection, status, sentence, "GET, HEAD");
}

static enum MHD_Result send_reply(struct MHD_Connection *connection, struct http_reply *reply)
{
	struct MHD_Response *response;
	enum MHD_Result result;

	if (reply->body.failed) {
		buffer_free(&reply->body);
		return refuse(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, "The answer grew too large.\n");
	}
	response = new_response(reply->body.data, reply->body.len,
				reply->content_type ? reply->content_type : "text/plain; charset=utf-8");
	if (!response)
		return MHD_NO;
	result = MHD_queue_response(connection, reply->status, response);
	MHD_destroy_response(response);
	return result;
}

/* ------------------------------------------------------------------------------------------- requests */

static enum MHD_Result join_accept(void *ctx, enum MHD_ValueKind kind, const char *name, const char *value)
{
	char *joined = ctx;
	size_t len = strlen(joined);

	(void)kind;
	if (strcasecmp(name, "Accept") == 0 && value && len + strlen(value) + 2 <= ACCEPT_MAX)
		sprintf(joined + len, "%s%s", len ? "," : "", value);
	return MHD_YES;
}

static const struct route *route_of(const struct http *http, const char *path)
{
	for (size_t i = 0; i < http->route_count; i++)
		if (strcmp(http->routes[i].path, path) == 0)
			return &http->routes[i];
	return NULL;
}

static struct client *client_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
	    MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info ? info->socket_context : NULL;
}

static void on_frame_begun(void *ctx, struct MHD_Connection *connection)
{
	const struct route *route = ctx;
	struct client *client = client_of(connection);

	if (client)
		clients_move(route->http->clients, client, CLIENT_STREAMING, clock_ms());
}

static void render_frame(void *ctx, struct MHD_Connection *connection, struct buffer *out)
{
	const struct route *route = ctx;
	const struct http_request request = {.path = route->path, .connection = connection};
	struct http_reply reply = {.body = *out};

	route->handler(route->ctx, &request, &reply);
	*out = reply.body;
}

static enum MHD_Result start_stream(struct http *http, struct MHD_Connection *connection,
				    const struct route *route)
{
	const struct stream_source source = {render_frame, on_frame_begun, (void *)route};
	struct MHD_Response *response = streams_answer(http->streams, connection, &source);
	enum MHD_Result result;

	if (!response)
		return MHD_NO;
	add_headers(response, "text/event-stream");
	result = MHD_queue_response(connection, MHD_HTTP_OK, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result answer(struct http *http, struct MHD_Connection *connection, const char *path)
{
	struct http_request request = {.path = path, .connection = connection};
	struct http_reply reply = {.status = MHD_HTTP_OK};
	char accept[ACCEPT_MAX] = "";
	const struct route *route = route_of(http, path);

	if (route && route->stream)
		return start_stream(http, connection, route);
	if (route) {
		MHD_get_connection_values(connection, MHD_HEADER_KIND, join_accept, accept);
		request.accept = *accept ? accept : NULL;
		route->handler(route->ctx, &request, &reply);
		return send_reply(connection, &reply);
	}
	reply.status = MHD_HTTP_NOT_FOUND;
	buffer_string(&reply.body, "Nothing is here; see /\n");
	return send_reply(connection, &reply);
}

static bool has_body(struct MHD_Connection *connection)
{
	const char *length = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Content-Length");

	return (length && strcmp(length, "0") != 0) ||
	       MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Transfer-Encoding");
}

/* Why a request that changes something may not, NULL when it may. */
static const char *forbidden(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *peer =
	    MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);

	if (!peer || !listener_is_loopback(peer->client_addr))
		return "This can only be asked for on this machine.\n";
	if (!MHD_lookup_connection_value(connection, MHD_HEADER_KIND, HTTP_ACTION_HEADER))
		return "The header " HTTP_ACTION_HEADER " is missing: a web page may not ask for this.\n";
	return NULL;
}

/* Refuses a method that the path does not have; true when it did. */
static bool refused_method(struct http *http, struct MHD_Connection *connection, const char *method,
			   const char *path, enum MHD_Result *result)
{
	const struct route *route = route_of(http, path);
	const char *why;

	if (route && route->action) {
		why = forbidden(connection);
		if (strcmp(method, "POST") != 0)
			*result = refuse_with(connection, MHD_HTTP_METHOD_NOT_ALLOWED,
					      "Only POST is served here.\n", "POST");
		else if (why)
			*result = refuse(connection, MHD_HTTP_FORBIDDEN, why);
		else
			return false;
	} else if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
		*result = refuse(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "Only GET and HEAD are served.\n");
	} else {
		return false;
	}
	return true;
}

/* What is refused by its headers alone. Returns false when the request may go on. */
static bool refused(struct http *http, struct MHD_Connection *connection, const char *method,
		    const char *target, enum MHD_Result *result)
{
	const char *host = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Host");

	if (refused_method(http, connection, method, header_target_path(target), result))
		return true;
	if (has_body(connection))
		*result = refuse(connection, MHD_HTTP_CONTENT_TOO_LARGE, "Requests have no body here.\n");
	else if (http->listener.loopback && !(header_host_is_local(host, http->hostname) &&
					      header_target_is_local(target, http->hostname)))
		*result =
		    refuse(connection, MHD_HTTP_MISDIRECTED_REQUEST,
			   "Use the address or localhost: this Host is not known to be this machine.\n");
	else
		return false;
	return true;
}

/* MHD calls first with the headers, then for a body, then to be answered; *seen tells the calls apart. */
static enum MHD_Result on_request(void *ctx, struct MHD_Connection *connection, const char *url,
				  const char *method, const char *version, const char *upload_data,
				  size_t *upload_len, void **seen)
{
	struct http *http = ctx;
	struct client *client = client_of(connection);
	enum MHD_Result result;

	(void)version, (void)upload_data;
	if (!*seen) {
		*seen = http;
		if (client)
			clients_move(http->clients, client, CLIENT_SERVING, clock_ms());
		return refused(http, connection, method, url, &result) ? result : MHD_YES;
	}
	if (*upload_len || streams_stopped(http->streams))
		return MHD_NO;
	return answer(http, connection, header_target_path(url));
}

static void on_completed(void *ctx, struct MHD_Connection *connection, void **seen,
			 enum MHD_RequestTerminationCode why)
{
	struct http *http = ctx;
	struct client *client = client_of(connection);

	(void)why;
	*seen = NULL;
	if (client)
		clients_move(http->clients, client, CLIENT_IDLE, clock_ms());
}

static void on_connection(void *ctx, struct MHD_Connection *connection, void **client,
			  enum MHD_ConnectionNotificationCode what)
{
	struct http *http = ctx;
	const union MHD_ConnectionInfo *info;
	int fd;

	if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
		if (*client)
			clients_remove(http->clients, *client);
		*client = NULL;
		http->closed = true;
		return;
	}
	info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	fd = info ? info->connect_fd : -1; /* the next question overwrites the answer (libmicrohttpd 1.0) */
	info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	if (fd < 0 || !info)
		return;
	*client = clients_add(http->clients, fd, info->client_addr, clock_ms());
	if (!*client)
		shutdown(fd, SHUT_RDWR); /* without memory nobody could limit it */
}

__attribute__((format(printf, 2, 0))) static void on_log(void *ctx, const char *format, va_list args)
{
	char line[256];

	(void)ctx;
	vsnprintf(line, sizeof(line), format, args);
	log_debug("http: %s", line);
}

/* -------------------------------------------------------------------------------------------- opening */

static unsigned int at_most(unsigned int value, unsigned int limit)
{
	return value < limit ? value : limit;
}

/* Shares among connections what the process may still open, so that a newcomer can always be accepted. */
static struct clients_limits fit_limits(const struct clients_limits *wanted, unsigned int *spare)
{
	struct clients_limits limits = wanted ? *wanted : clients_default_limits;
	int now_open = files_open();
	unsigned int used = now_open < 0 ? OTHER_FILES : (unsigned int)now_open;
	unsigned int need = used + OTHER_FILES + SPARE_CONNECTIONS + limits.total + limits.streaming;
	unsigned int files = files_allow(need);
	unsigned int share = files > used ? (files - used) / 4 : 0; /* the first is for the rest of us */

	*spare = SPARE_CONNECTIONS;
	if (files >= need)
		return limits;
	share = share ? share : 1;
	*spare = at_most(share, SPARE_CONNECTIONS);
	limits.streaming = at_most(share, limits.streaming);
	limits.total = at_most(share, limits.total);
	limits.per_address = at_most(limits.per_address, limits.total * 3 / 4 + 1);
	log_warning("http: only %u files may be open (RLIMIT_NOFILE), %u are, serving %u connections at once",
		    files, used, limits.total);
	return limits;
}

static int start(struct http *http, unsigned int connections)
{
	const union MHD_DaemonInfo *info;

	/* Timeouts are ours (clients.h): those of MHD start anew with every byte. */
	http->daemon = MHD_start_daemon(
	    MHD_USE_EPOLL | MHD_USE_ERROR_LOG | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request, http,
	    MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL, MHD_OPTION_LISTEN_SOCKET, http->listener.fd,
	    MHD_OPTION_CONNECTION_LIMIT, connections, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
	    (size_t)HTTP_REQUEST_MAX, MHD_OPTION_NOTIFY_CONNECTION, on_connection, http,
	    MHD_OPTION_NOTIFY_COMPLETED, on_completed, http, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
	if (!http->daemon) {
		close(http->listener.fd);
		return -EIO;
	}
	info = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	if (!info)
		return -EIO;
	http->epoll_fd = info->epoll_fd;
	return 0;
}

int http_new(struct http **out, const struct http_options *options)
{
	struct http *http = calloc(1, sizeof(*http));
	struct clients_limits limits;
	unsigned int spare;
	int rc;

	if (!http)
		return -ENOMEM;
	limits = fit_limits(options->limits, &spare);
	rc = clients_new(&http->clients, &limits);
	if (rc == 0)
		rc = streams_new(&http->streams);
	if (rc == 0)
		rc = listener_open(&http->listener, options->host, options->port, error_text,
				   sizeof(error_text));
	if (rc == 0) {
		rc = start(http, limits.total + limits.streaming + spare);
		if (rc < 0)
			snprintf(error_text, sizeof(error_text), "libmicrohttpd could not start");
	}
	if (rc < 0) {
		http_free(&http);
		return rc;
	}
	gethostname(http->hostname, sizeof(http->hostname) - 1);
	*out = http;
	return 0;
}

void http_free(struct http **http)
{
	if (!*http)
		return;
	if ((*http)->daemon)
		streams_stop((*http)->streams, (*http)->daemon);
	streams_free(&(*http)->streams);
	clients_free(&(*http)->clients);
	free(*http);
	*http = NULL;
}

static int add_route(struct http *http, struct route route)
{
	if (http->route_count == HTTP_ROUTES_MAX)
		return -ENOSPC;
	http->routes[http->route_count++] = route;
	return 0;
}

int http_add(struct http *http, const char *path, http_handler *handler, void *ctx)
{
	return add_route(http, (struct route){http, path, handler, ctx, false, false});
}

int http_add_action(struct http *http, const char *path, http_handler *handler, void *ctx)
{
	return add_route(http, (struct route){http, path, handler, ctx, true, false});
}

int http_add_stream(struct http *http, const char *path, http_handler *handler, void *ctx)
{
	return add_route(http, (struct route){http, path, handler, ctx, false, true});
}

void http_push(struct http *http)
{
	streams_push(http->streams);
}

int http_fd(const struct http *http)
{
	return http->epoll_fd;
}

int http_timeout(struct http *http)
{
	int timeout = clients_timeout(http->clients, clock_ms());
	MHD_UNSIGNED_LONG_LONG mhd;

	/* MHD, at its limit, listens again only in the run after that which closed connections, and no event
	 * announces it. */
	if (http->closed)
		return 0;
	if (MHD_get_timeout(http->daemon, &mhd) == MHD_YES && (timeout < 0 || mhd < (unsigned int)timeout))
		timeout = (int)mhd;
	return timeout;
}

void http_run(struct http *http)
{
	clients_sweep(http->clients, clock_ms());
	http->closed = false;
	MHD_run(http->daemon);
}

uint16_t http_port(const struct http *http)
{
	return http->listener.port;
}

const char *http_query(const struct http_request *request, const char *name)
{
	const char *value = NULL;
	size_t len;

	if (MHD_lookup_connection_value_n(request->connection, MHD_GET_ARGUMENT_KIND, name, strlen(name),
					  &value, &len) != MHD_YES)
		return NULL;
	return value ? value : "";
}
