/* SPDX-License-Identifier: MIT */
#include "control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "buffer.h"
#include "link.h"
#include "loop.h"
#include "mirror.h"
#include "proxy.h"
#include "twin.h"

#define LINE_MAX_BYTES 256
#define SESSIONS_MAX   32

struct session {
	struct control *control;
	struct link *link;
	char line[LINE_MAX_BYTES];
	size_t len;
};

struct control {
	struct proxy *proxy;
	int fd;
	struct watch *watch;
	struct session sessions[SESSIONS_MAX];
};

static const char *const mode_names[] = {"pgdog", "pgcat", "relay"};

static int resume(struct control *control)
{
	mirror_pause(control->proxy->mirror, false);
	twin_flush_all(control->proxy);
	return 0;
}

/* Returns 0 or -EINVAL. */
static int command(struct control *control, const char *verb, double argument)
{
	struct proxy *proxy = control->proxy;

	if (!strcmp(verb, "quit"))
		loop_stop(proxy->loop);
	else if (!proxy->mirror)
		return -EINVAL;
	else if (!strcmp(verb, "pause-mirror"))
		mirror_pause(proxy->mirror, true);
	else if (!strcmp(verb, "resume-mirror"))
		return resume(control);
	else if (!(argument >= 0 && argument <= 1e9))
		return -EINVAL;
	else if (!strcmp(verb, "slow-mirror"))
		mirror_slow(proxy->mirror, argument);
	else if (!strcmp(verb, "service-delay"))
		proxy->options.service_ns = (uint64_t)(argument * 1000);
	else if (!strcmp(verb, "drop"))
		mirror_drop(proxy->mirror, (unsigned)argument);
	else if (!strcmp(verb, "reorder"))
		mirror_reorder(proxy->mirror, (unsigned)argument);
	else if (!strcmp(verb, "exposure") && proxy->options.mode == MODE_PGDOG)
		proxy->options.exposure = argument;
	else
		return -EINVAL;
	return 0;
}

static void answer(struct session *session)
{
	char verb[32] = "", reply[4096];
	double argument = -1;
	int n = sscanf(session->line, "%31s %lf", verb, &argument);

	if (n >= 1 && !strcmp(verb, "stats")) {
		int len = truth_json(&session->control->proxy->truth,
				     mode_names[session->control->proxy->options.mode], reply, sizeof(reply));
		if (len < 0)
			strcpy(reply, "error: too long");
	} else if (n >= 1 && !command(session->control, verb, argument)) {
		strcpy(reply, "ok");
	} else {
		strcpy(reply, "error: unknown command or argument");
	}
	link_write(session->link, reply, strlen(reply));
	link_write(session->link, "\n", 1);
	link_flush(session->link);
}

static void on_data(void *ctx, const uint8_t *bytes, size_t len)
{
	struct session *session = ctx;

	for (size_t i = 0; i < len && session->link; i++) {
		if (bytes[i] != '\n') {
			if (session->len < sizeof(session->line) - 1)
				session->line[session->len++] = (char)bytes[i];
			continue;
		}
		session->line[session->len] = '\0';
		session->len = 0;
		answer(session);
	}
	if (session->link && link_unsent(session->link) > LINK_HIGH_WATER)
		link_close(&session->link);
}

static void on_closed(void *ctx, int error)
{
	struct session *session = ctx;

	(void)error;
	link_finish(&session->link);
}

static const struct link_ops ops = {.data = on_data, .closed = on_closed};

static void on_accept(void *ctx, uint32_t events)
{
	struct control *control = ctx;
	int fd = accept4(control->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)events;
	if (fd < 0)
		return;
	for (int i = 0; i < SESSIONS_MAX; i++) {
		struct session *session = &control->sessions[i];
		if (session->link)
			continue;
		*session = (struct session){.control = control};
		if (link_new(&session->link, control->proxy->loop, fd, &ops, session))
			session->link = NULL;
		return;
	}
	close(fd);
}

int control_new(struct control **out, struct proxy *proxy)
{
	struct control *control = calloc(1, sizeof(*control));

	if (!control)
		return -ENOMEM;
	control->proxy = proxy;
	control->fd = endpoint_listen(&proxy->options.control);
	int err = control->fd < 0 ? control->fd : 0;
	if (!err)
		err = loop_watch(&control->watch, proxy->loop, control->fd, EPOLLIN, on_accept, control);
	if (err) {
		control_free(&control);
		return err;
	}
	*out = control;
	return 0;
}

void control_free(struct control **controlp)
{
	struct control *control = *controlp;

	*controlp = NULL;
	if (!control)
		return;
	for (int i = 0; i < SESSIONS_MAX; i++)
		link_finish(&control->sessions[i].link);
	loop_unwatch(control->proxy->loop, &control->watch);
	if (control->fd >= 0)
		close(control->fd);
	loop_free_later(control->proxy->loop, control);
}
