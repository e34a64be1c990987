/* SPDX-License-Identifier: MIT */
#include "secrets/secrets.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/log.h"
#include "secrets/helper.h"
#include "secrets/hooks.h"

_Static_assert((int)SECRET_OPENSSL_3 == TLS_OPENSSL_3 && (int)SECRET_OPENSSL_1 == TLS_OPENSSL_1_1_1 &&
		   (int)SECRET_AWS_LC == TLS_AWS_LC && (int)SECRET_RING == TLS_RING,
	       "the same libraries");
_Static_assert(SECRET_MAX == KEYRING_SECRET_MAX, "the same secrets");

struct secrets {
	struct hooks *hooks;
	struct helper *helper;
	struct keyring *keyring;
	struct loop_source *source;
	bool begun;
};

static char error_text[256] = "no error";

const char *secrets_error(void)
{
	return error_text;
}

static void on_report(void *ctx, uint32_t what)
{
	struct secrets *secrets = ctx;
	struct follow_report report;
	int rc;

	(void)what;
	while ((rc = helper_report(secrets->helper, &report)) > 0)
		if (report.readable)
			log_info("TLS: %s", report.text);
		else
			log_warning("TLS: %s", report.text);
	if (rc == 0)
		return;
	log_error(
	    "the helper that finds the proxy's TLS libraries has ended: new ones are not read any more");
	loop_remove(&secrets->source);
}

/*
 * Secrets go neither into a core nor, where the limits allow it, to the swap. With a limit nothing is locked:
 * once the privilege to pass it is given up, memory could not grow any more.
 */
static void protect_memory(void)
{
	struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};

	if (prctl(PR_SET_DUMPABLE, 0))
		log_warning("tls: a core of this process could hold secrets: %s", strerror(errno));
	setrlimit(RLIMIT_MEMLOCK, &limit);
	if (getrlimit(RLIMIT_MEMLOCK, &limit) || limit.rlim_cur != RLIM_INFINITY ||
	    mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT))
		log_debug("tls: memory is not locked, so secrets may be swapped out: LimitMEMLOCK=infinity "
			  "allows it");
}

static int start(struct secrets *secrets, struct loop *loop, const struct config *config)
{
	int err = hooks_open(&secrets->hooks);

	if (err) {
		snprintf(error_text, sizeof(error_text),
			 "tls: loading the programs that take secrets: %s; they need Linux 6.0 or later with "
			 "uprobes, "
			 "`tls: off` does without",
			 strerror(-err));
		return err;
	}
	protect_memory();
	secrets->begun = config->tls == CONFIG_TLS_ON;
	err = helper_start(&secrets->helper, secrets->hooks, &config->proxy, secrets->begun);
	if (!err)
		err = loop_add_fd(loop, helper_fd(secrets->helper), EPOLLIN, on_report, secrets,
				  &secrets->source);
	if (err)
		snprintf(error_text, sizeof(error_text), "tls: starting the helper: %s", strerror(-err));
	return err;
}

int secrets_new(struct secrets **out, struct loop *loop, const struct config *config, struct keyring *keyring)
{
	struct secrets *secrets = calloc(1, sizeof(*secrets));
	int err = -ENOMEM;

	if (secrets) {
		secrets->keyring = keyring;
		err = start(secrets, loop, config);
	}
	if (err)
		secrets_free(&secrets);
	else
		*out = secrets;
	return err;
}

void secrets_free(struct secrets **secrets)
{
	if (!*secrets)
		return;
	loop_remove(&(*secrets)->source);
	helper_free(&(*secrets)->helper);
	hooks_free(&(*secrets)->hooks);
	free(*secrets);
	*secrets = NULL;
}

void secrets_set_filter(struct secrets *secrets, const struct filter *filter)
{
	hooks_set_filter(secrets->hooks, filter);
}

void secrets_begin(struct secrets *secrets)
{
	if (secrets->begun)
		return;
	secrets->begun = true;
	helper_look(secrets->helper);
}

void secrets_reload(struct secrets *secrets, const struct config *config)
{
	helper_set_proxy(secrets->helper, &config->proxy);
}

struct checked {
	void (*print)(void *ctx, const char *line);
	void *ctx;
	size_t count, readable;
};

static void print_report(void *ctx, const struct follow_report *report)
{
	struct checked *checked = ctx;
	char line[FOLLOW_TEXT_MAX + 8];

	snprintf(line, sizeof(line), "tls: %s", report->text);
	checked->print(checked->ctx, line);
	checked->count++;
	checked->readable += report->readable;
}

size_t secrets_check(const struct config_proxy *config, void (*print)(void *ctx, const char *line), void *ctx,
		     size_t *readable)
{
	struct checked checked = {.print = print, .ctx = ctx};
	struct follow *follow;
	struct proxy *proxy;

	*readable = 0;
	if (follow_new(&follow, NULL, print_report, &checked))
		return 0;
	if (!proxy_new(&proxy, config)) {
		follow_look(follow, proxy);
		proxy_free(&proxy);
	}
	follow_free(&follow);
	*readable = checked.readable;
	return checked.count;
}

static void on_secret(void *ctx, const struct secret_event *event)
{
	struct secrets *secrets = ctx;
	struct secret secret = {.seen_ns = event->time,
				.process = event->tgid,
				.library = event->library,
				.len = event->len,
				.traffic = event->flags & SECRET_TRAFFIC,
				.master = event->flags & SECRET_MASTER,
				.has_randoms = event->flags & SECRET_RANDOMS};

	memcpy(secret.bytes, event->secret, sizeof(secret.bytes));
	memcpy(secret.randoms, event->randoms, sizeof(secret.randoms));
	keyring_add(secrets->keyring, &secret);
	explicit_bzero(&secret, sizeof(secret));
}

size_t secrets_programs(const struct secrets *secrets, struct hooks_program *out)
{
	return hooks_programs(secrets->hooks, out);
}

void secrets_drain(struct secrets *secrets)
{
	hooks_drain(secrets->hooks, on_secret, secrets);
}
