/* SPDX-License-Identifier: MIT */
/* mirror-proxy - a mirroring proxy for tests that knows the truth about itself. Options, and the wiring. */
#include "proxy.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "client.h"
#include "control.h"
#include "loop.h"
#include "mirror.h"
#include "relay.h"
#include "statement.h"
#include "twin.h"

#define POOL_MAX  1000
#define QUEUE_MAX 100000

static const char usage[] =
    "usage: mirror-proxy --listen A --primary A [--mirror A] [--control A] [options]\n"
    "A: 127.0.0.1:5432, [::1]:5432 or unix:/path; port 0 when listening: any, printed\n"
    "  --mode pgdog|pgcat|relay   how to mirror; relay: pass bytes on (default pgdog)\n"
    "  --mirror-user U --mirror-database D   default postgres\n"
    "  --exposure X        share of requests to mirror, 0..1 (1; pgdog)\n"
    "  --queue N           requests waiting for each client (128)\n"
    "  --mirror-pool N     connections to the mirror (10; pgdog)\n"
    "  --service-us N      mean extra time of each replayed request (0; pgdog)\n"
    "  --health-idle-ms N --health-period-ms N   `;` at checkout after so long idle, and so often (5000, "
    "30000;\n"
    "                      0 = never)\n"
    "  --seed N            of sampling and service times\n"
    "  --io rw|sendrecv|vector|message   relay: system calls\n"
    "  --threads           relay: replies on a thread of their own\n"
    "  --chunk N           relay: write at most N bytes at once\n";

struct app {
	struct proxy proxy;
	struct client *clients;
	struct control *control;
	struct watch *accepting, *signals;
	int listener, signal_fd;
};

static int choose(const char *text, const char *const *names, int count)
{
	for (int i = 0; i < count; i++)
		if (!strcmp(text, names[i]))
			return i;
	return -EINVAL;
}

/* A whole number up to max, or -EINVAL. */
static long number(const char *text, long max)
{
	char *end;
	long value = strtol(text, &end, 10);

	return end == text || *end || value < 0 || value > max ? -EINVAL : value;
}

static int set_name_option(struct proxy_options *o, int key, const char *value)
{
	static const char *const modes[] = {"pgdog", "pgcat", "relay"};
	static const char *const ios[] = {"rw", "sendrecv", "vector", "message"};
	int chosen = 0;

	switch (key) {
	case 'm':
		o->mode = (enum proxy_mode)(chosen = choose(value, modes, 3));
		return chosen < 0 ? chosen : 0;
	case 'i':
		o->io = (enum proxy_io)(chosen = choose(value, ios, 4));
		return chosen < 0 ? chosen : 0;
	case 'u':
		o->mirror_user = value;
		return 0;
	case 'd':
		o->mirror_database = value;
		return 0;
	default:
		return -EINVAL;
	}
}

static int set_number_option(struct proxy_options *o, int key, const char *value)
{
	long n = number(value, key == 'n' ? POOL_MAX : key == 'q' ? QUEUE_MAX : 1000000000);

	if (n < 0)
		return -EINVAL;
	switch (key) {
	case 'q':
		o->queue = (unsigned)n;
		return 0;
	case 'n':
		o->pool = (unsigned)n;
		return n ? 0 : -EINVAL;
	case 's':
		o->service_ns = (uint64_t)n * 1000;
		return 0;
	case 'h':
		o->health_idle_ns = (uint64_t)n * 1000000;
		return 0;
	case 'H':
		o->health_period_ns = (uint64_t)n * 1000000;
		return 0;
	case 'S':
		o->seed = (uint64_t)n;
		return 0;
	default:
		o->chunk = (unsigned)n;
		return 0;
	}
}

static int set_option(struct proxy_options *o, int key, const char *value)
{
	switch (key) {
	case 'L':
		return endpoint_parse(&o->listen, value);
	case 'P':
		return endpoint_parse(&o->primary, value);
	case 'M':
		return endpoint_parse(&o->mirror, value);
	case 'C':
		return endpoint_parse(&o->control, value);
	case 'x':
		o->exposure = atof(value);
		return o->exposure >= 0 && o->exposure <= 1 ? 0 : -EINVAL;
	case 'T':
		o->threads = true;
		return 0;
	case 'q':
	case 'n':
	case 's':
	case 'h':
	case 'H':
	case 'S':
	case 'k':
		return set_number_option(o, key, value);
	default:
		return set_name_option(o, key, value);
	}
}

static int parse_options(struct proxy_options *o, int argc, char **argv)
{
	static const struct option names[] = {
	    {"listen", 1, NULL, 'L'},
	    {"primary", 1, NULL, 'P'},
	    {"mirror", 1, NULL, 'M'},
	    {"control", 1, NULL, 'C'},
	    {"exposure", 1, NULL, 'x'},
	    {"threads", 0, NULL, 'T'},
	    {"queue", 1, NULL, 'q'},
	    {"mirror-pool", 1, NULL, 'n'},
	    {"service-us", 1, NULL, 's'},
	    {"health-idle-ms", 1, NULL, 'h'},
	    {"health-period-ms", 1, NULL, 'H'},
	    {"seed", 1, NULL, 'S'},
	    {"chunk", 1, NULL, 'k'},
	    {"mode", 1, NULL, 'm'},
	    {"io", 1, NULL, 'i'},
	    {"mirror-user", 1, NULL, 'u'},
	    {"mirror-database", 1, NULL, 'd'},
	    {0},
	};
	int key;

	*o = (struct proxy_options){.exposure = 1,
				    .queue = 128,
				    .pool = 10,
				    .mirror_user = "postgres",
				    .mirror_database = "postgres"};
	o->health_idle_ns = 5000000000;
	o->health_period_ns = 30000000000;
	while ((key = getopt_long(argc, argv, "", names, NULL)) != -1)
		if (key == '?' || set_option(o, key, optarg))
			return -EINVAL;
	if (optind != argc || !o->listen.len || !o->primary.len)
		return -EINVAL;
	return o->mode == MODE_PGCAT && o->exposure != 1 ? -EINVAL : 0;
}

static void on_accept(void *ctx, uint32_t events)
{
	struct app *app = ctx;
	int fd = accept4(app->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)events;
	if (fd < 0)
		return;
	int err = app->proxy.options.mode == MODE_RELAY ? relay_start(&app->proxy, fd)
							: client_new(&app->clients, &app->proxy, fd);
	if (err)
		fprintf(stderr, "mirror-proxy: a client was turned away: %s\n", strerror(-err));
}

static void on_signal(void *ctx, uint32_t events)
{
	struct app *app = ctx;

	(void)events;
	loop_stop(app->proxy.loop);
}

static int catch_signals(struct app *app)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	app->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (app->signal_fd < 0)
		return -errno;
	return loop_watch(&app->signals, app->proxy.loop, app->signal_fd, EPOLLIN, on_signal, app);
}

static int start(struct app *app)
{
	struct proxy *proxy = &app->proxy;
	int err = loop_new(&proxy->loop);

	if (!err)
		err = catch_signals(app);
	if (!err && proxy->options.mode != MODE_RELAY)
		err = statements_new(&proxy->statements);
	if (!err && proxy->options.mode != MODE_RELAY)
		err = mirror_new(&proxy->mirror, proxy);
	if (!err && proxy->options.control.len)
		err = control_new(&app->control, proxy);
	if (err)
		return err;
	app->listener = endpoint_listen(&proxy->options.listen);
	if (app->listener < 0)
		return app->listener;
	return loop_watch(&app->accepting, proxy->loop, app->listener, EPOLLIN, on_accept, app);
}

static void stop(struct app *app)
{
	struct loop *loop = app->proxy.loop;

	client_free_all(&app->clients);
	twin_free_all(&app->proxy);
	mirror_free(&app->proxy.mirror);
	control_free(&app->control);
	statements_free(&app->proxy.statements);
	if (!loop)
		return;
	loop_unwatch(loop, &app->accepting);
	loop_unwatch(loop, &app->signals);
	loop_free(&app->proxy.loop);
}

int main(int argc, char **argv)
{
	static struct app app = {.listener = -1,
				 .signal_fd = -1}; /* relay threads may outlive main's frame */

	if (parse_options(&app.proxy.options, argc, argv)) {
		fputs(usage, stderr);
		return 2;
	}
	app.proxy.random[0] = (unsigned short)app.proxy.options.seed;
	app.proxy.random[1] = (unsigned short)(app.proxy.options.seed >> 16);
	int err = start(&app);
	if (!err) {
		printf("listening on port %u\n", endpoint_port(app.listener));
		fflush(stdout);
		err = loop_run(app.proxy.loop);
	}
	if (err)
		fprintf(stderr, "mirror-proxy: %s\n", strerror(-err));
	stop(&app);
	return err ? 1 : 0;
}
