/* SPDX-License-Identifier: MIT */
#include "secrets/helper.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "rights/privileges.h"

#define LOOK_MS     1000
#define EAGER_MS    20 /* after a new process has shown ... */
#define EAGER_LOOKS 25 /* ... so many times */

enum order_kind { ORDER_LOOK, ORDER_PROXY };

struct order {
	enum order_kind kind;
	uint32_t pid;
	char comm[64], exe[PATH_MAX], cgroup[PATH_MAX]; /* "" = not given */
};

struct helper {
	int fd;
	pid_t pid;
};

/* ------------------------------------------------------------------------------------ in the helper */

struct work {
	int fd;
	struct hooks *hooks;
	struct follow *follow;
	struct proxy *proxy;
	struct config_proxy config; /* points into order */
	struct order order;
	bool looking;
	unsigned eager; /* looks that are still to follow soon */
};

static void send_report(void *ctx, const struct follow_report *report)
{
	struct work *work = ctx;

	if (send(work->fd, report, sizeof(*report), MSG_NOSIGNAL) < 0 && errno == EPIPE)
		_exit(0);
}

static char *given(char *text)
{
	return text[0] ? text : NULL;
}

static void take_proxy(struct work *work, const struct order *order)
{
	proxy_free(&work->proxy);
	work->order = *order;
	work->config = (struct config_proxy){.comm = given(work->order.comm),
					     .exe = given(work->order.exe),
					     .cgroup = given(work->order.cgroup),
					     .pid = order->pid};
	if (proxy_new(&work->proxy, &work->config))
		_exit(1);
}

static void look(struct work *work)
{
	proxy_refresh(work->proxy);
	follow_look(work->follow, work->proxy);
}

/* The daemon's end is closed when it has ended, however it did. */
static void take_order(struct work *work)
{
	struct order order;
	ssize_t n = recv(work->fd, &order, sizeof(order), 0);

	if (n <= 0)
		_exit(0);
	if (n == sizeof(order) && order.kind == ORDER_PROXY)
		take_proxy(work, &order);
	else
		work->looking = true;
}

/* After an exec, again and again: the dynamic linker takes its time. */
static int next_look_ms(struct work *work)
{
	if (!work->looking)
		return -1;
	if (!work->eager)
		return LOOK_MS;
	work->eager--;
	return EAGER_MS;
}

static void serve(struct work *work)
{
	struct pollfd fds[2] = {{.fd = work->fd, .events = POLLIN},
				{.fd = hooks_execs_fd(work->hooks), .events = POLLIN}};

	for (;;) {
		if (poll(fds, 2, next_look_ms(work)) < 0 && errno != EINTR)
			_exit(1);
		if (fds[0].revents)
			take_order(work);
		if (fds[1].revents) {
			hooks_execs_seen(work->hooks);
			work->eager = EAGER_LOOKS;
		}
		if (work->looking)
			look(work);
	}
}

static void keep_descriptor(void *ctx, int fd)
{
	bool *kept = ctx;

	if (fd >= 0 && fd < 1024)
		kept[fd] = true;
}

/* The listening socket, the lock on the pin directory, the loop: none of the helper's business. */
static void close_others(int fd, const struct hooks *hooks)
{
	static bool kept[1024];

	kept[0] = kept[1] = kept[2] = true;
	keep_descriptor(kept, fd);
	hooks_descriptors(hooks, keep_descriptor, kept);
	for (int i = 0; i < 1024; i++)
		if (!kept[i])
			close(i);
}

static void run(int fd, struct hooks *hooks, const struct order *order, bool begin, pid_t daemon)
{
	struct work work = {.fd = fd, .hooks = hooks, .looking = begin};

	prctl(PR_SET_NAME, "observer-tls");
	prctl(PR_SET_DUMPABLE, 0);
	hooks_forget_secrets(hooks);
	close_others(fd, hooks);
	hooks_watch_execs(hooks); /* without it a new program is found a second later */
	privileges_keep_for_helper();
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* after the capabilities: their change would take it back */
	if (getppid() != daemon)
		_exit(0);
	if (follow_new(&work.follow, hooks, send_report, &work))
		_exit(1);
	take_proxy(&work, order);
	if (begin)
		look(&work);
	send_report(&work, &(struct follow_report){0}); /* ready */
	serve(&work);
}

/* ------------------------------------------------------------------------------------ in the daemon */

static void fill(struct order *order, const struct config_proxy *proxy)
{
	memset(order, 0, sizeof(*order));
	order->kind = ORDER_PROXY;
	order->pid = proxy->pid;
	snprintf(order->comm, sizeof(order->comm), "%s", proxy->comm ? proxy->comm : "");
	snprintf(order->exe, sizeof(order->exe), "%s", proxy->exe ? proxy->exe : "");
	snprintf(order->cgroup, sizeof(order->cgroup), "%s", proxy->cgroup ? proxy->cgroup : "");
}

/* What was found at once; the empty report ends it. */
static void wait_until_ready(struct helper *helper)
{
	struct follow_report report;

	while (recv(helper->fd, &report, sizeof(report), 0) == sizeof(report) && report.text[0])
		log_info("TLS: %s", report.text);
}

int helper_start(struct helper **out, struct hooks *hooks, const struct config_proxy *proxy, bool begin)
{
	struct helper *helper = calloc(1, sizeof(*helper));
	pid_t daemon = getpid();
	struct order order;
	int fds[2];

	if (!helper)
		return -ENOMEM;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds)) {
		free(helper);
		return -errno;
	}
	fill(&order, proxy);
	helper->fd = fds[0];
	helper->pid = fork();
	if (helper->pid == 0)
		run(fds[1], hooks, &order, begin, daemon);
	close(fds[1]);
	if (helper->pid < 0) {
		helper_free(&helper);
		return -EAGAIN;
	}
	wait_until_ready(helper);
	*out = helper;
	return 0;
}

void helper_free(struct helper **helper)
{
	if (!*helper)
		return;
	close((*helper)->fd);
	free(*helper);
	*helper = NULL;
}

static void give(struct helper *helper, const struct order *order)
{
	if (send(helper->fd, order, sizeof(*order), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		log_debug("the helper for TLS does not take orders: %s", strerror(errno));
}

void helper_look(struct helper *helper)
{
	const struct order order = {.kind = ORDER_LOOK};

	give(helper, &order);
}

void helper_set_proxy(struct helper *helper, const struct config_proxy *proxy)
{
	struct order order;

	fill(&order, proxy);
	give(helper, &order);
}

int helper_fd(const struct helper *helper)
{
	return helper->fd;
}

int helper_report(struct helper *helper, struct follow_report *out)
{
	ssize_t n = recv(helper->fd, out, sizeof(*out), MSG_DONTWAIT);

	if (n == sizeof(*out))
		return 1;
	return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -EPIPE;
}
