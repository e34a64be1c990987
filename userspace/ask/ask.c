/* SPDX-License-Identifier: MIT */
#include "ask/ask.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ask/fetch.h"
#include "ask/fleet.h"
#include "ask/locate.h"
#include "ask/progress.h"
#include "ask/report.h"
#include "base/clock.h"

#define POLL_US          2000000
#define STATEMENTS_SHOWN 10

/* ------------------------------------------------------------------------------------------------ readiness
 */

static int unexpected(const char *url, const struct fetch_reply *reply)
{
	fprintf(stderr, "%s answers with status %ld, but not as mirror-observer does\n", url, reply->status);
	return EXIT_UNREACHABLE;
}

static int unknown_cluster(const struct options *options)
{
	fprintf(stderr, "no cluster %s is configured\n", options->cluster);
	return EXIT_USAGE;
}

static int exit_of(enum verdict verdict)
{
	return verdict == VERDICT_READY ? EXIT_OK : verdict == VERDICT_NOT_READY ? EXIT_NOT_OK : EXIT_NO_DATA;
}

static int read_verdict(const struct options *options, const char *url, const struct fetch_reply *reply,
			struct buffer *out)
{
	enum verdict worst;

	if (reply->status == 404 && options->cluster)
		return unknown_cluster(options);
	if ((reply->status != 200 && reply->status != 503) || !reply->body.data)
		return unexpected(url, reply);
	if (report_readiness(out, reply->body.data, &worst) == 0)
		return exit_of(worst);
	if (reply->status == 503 && strncmp(reply->body.data, "nothing is observed", 19) == 0) {
		buffer_printf(out, "%s", reply->body.data);
		return EXIT_NO_DATA;
	}
	return unexpected(url, reply);
}

/* One question; the table goes into *out, which begins empty. */
static int ask_once(const struct options *options, const char *url, struct buffer *out)
{
	struct fetch_reply reply;
	int err = fetch(&reply, FETCH_GET, url, "/readiness", options->cluster), status;

	if (err) {
		fprintf(stderr, "%s\n", fetch_error());
		return err == -EINVAL ? EXIT_USAGE : EXIT_UNREACHABLE;
	}
	status = read_verdict(options, url, &reply, out);
	buffer_free(&reply.body);
	return status;
}

/* What Prometheus recorded of the cluster, or of all, in the form of /readiness: 0, -ENOENT when there is
 * nothing, -EPROTO, or what fetch() returns. */
static int fetch_fleet(struct buffer *out, const char *url, const char *cluster)
{
	struct buffer query = {0};
	struct fetch_reply reply;
	int err;

	fleet_query(&query, cluster);
	buffer_append(&query, "", 1);
	err = query.failed ? -ENOMEM : fetch_query(&reply, url, query.data);
	buffer_free(&query);
	if (err) {
		fprintf(stderr, "%s\n", err == -ENOMEM ? "out of memory" : fetch_error());
		return err;
	}
	err = reply.status == 200 && reply.body.data ? fleet_answer(out, reply.body.data) : -EPROTO;
	if (err == -EPROTO)
		fprintf(stderr, "%s answers with status %ld, but not as Prometheus does\n", url,
			reply.status);
	buffer_free(&reply.body);
	return err;
}

/* Of a cluster that nobody knows, or of rules that are not loaded, there is nothing: the other clusters tell.
 */
static int no_verdict(const struct options *options, const char *url)
{
	struct buffer others = {0};
	int err = options->cluster ? fetch_fleet(&others, url, NULL) : -ENOENT;

	buffer_free(&others);
	if (!err) {
		fprintf(stderr, "Prometheus knows no cluster %s\n", options->cluster);
		return EXIT_USAGE;
	}
	fprintf(stderr,
		"%s has no verdict yet: does it scrape the observers and load rules.yaml (prometheus.md)?\n",
		url);
	return EXIT_NO_DATA;
}

/* As ask_once(), of all observers together. */
static int ask_prometheus(const struct options *options, const char *url, struct buffer *out)
{
	struct buffer json = {0};
	enum verdict worst;
	int status, err = fetch_fleet(&json, url, options->cluster);

	if (!err)
		err = report_readiness(out, json.data, &worst);
	if (!err && options->json) {
		buffer_reset(out);
		buffer_printf(out, "%s\n", json.data);
	}
	if (!err)
		status = exit_of(worst);
	else if (err == -ENOENT)
		status = no_verdict(options, url);
	else
		status = err == -EINVAL ? EXIT_USAGE : EXIT_UNREACHABLE;
	buffer_free(&json);
	return status;
}

static void add_statements(const struct options *options, const char *url, struct buffer *out)
{
	struct fetch_reply reply;

	if (fetch(&reply, FETCH_GET, url, "/statements", options->cluster))
		return;
	if (reply.status == 200 && reply.body.data)
		report_statements(out, reply.body.data, STATEMENTS_SHOWN);
	buffer_free(&reply.body);
}

static void rest(uint64_t us)
{
	const struct timespec time = {us / 1000000, us % 1000000 * 1000};

	nanosleep(&time, NULL);
}

/* A daemon that is being restarted answers again: only what cannot change ends the wait early. */
static int ask_until_ready(const struct options *options, const char *url, struct buffer *out)
{
	uint64_t now = clock_us(), deadline = now + options->wait_us;
	int status;

	for (;;) {
		buffer_reset(out);
		status =
		    options->prometheus ? ask_prometheus(options, url, out) : ask_once(options, url, out);
		now = clock_us();
		if (status == EXIT_OK || status == EXIT_USAGE || now >= deadline)
			break;
		if (!options->prometheus)
			progress_show(url, options->cluster);
		rest(deadline - now < POLL_US ? deadline - now : POLL_US);
	}
	progress_end();
	return status;
}

/* The daemon's own words. */
static int print_json(const struct options *options, const char *url)
{
	struct buffer table = {0};
	struct fetch_reply reply;
	int err = fetch(&reply, FETCH_GET, url, "/readiness", options->cluster), status;

	if (err) {
		fprintf(stderr, "%s\n", fetch_error());
		return err == -EINVAL ? EXIT_USAGE : EXIT_UNREACHABLE;
	}
	status = read_verdict(options, url, &reply, &table);
	if (status == EXIT_OK || status == EXIT_NOT_OK || status == EXIT_NO_DATA)
		fputs(reply.body.data, stdout);
	buffer_free(&table);
	buffer_free(&reply.body);
	return status;
}

int ask_readiness(const struct options *options)
{
	char url[LOCATE_URL_MAX];
	struct buffer out = {0};
	int status;

	if (options->prometheus)
		snprintf(url, sizeof(url), "%s", options->prometheus);
	else if (locate(options, url))
		return EXIT_USAGE;
	status = ask_until_ready(options, url, &out);
	if (options->json && !options->prometheus) {
		buffer_free(&out);
		return print_json(options, url);
	}
	/* Statements are no metrics: Prometheus has none. */
	if (!options->prometheus && (status == EXIT_OK || status == EXIT_NOT_OK || status == EXIT_NO_DATA))
		add_statements(options, url, &out);
	if (out.len)
		fwrite(out.data, 1, out.len, stdout);
	buffer_free(&out);
	return status;
}

/* ---------------------------------------------------------------------------------------------------- reset
 */

static int read_reset(const struct options *options, const char *url, const struct fetch_reply *reply)
{
	switch (reply->status) {
	case 200:
		printf("%s: the verdict starts anew\n", options->cluster);
		return EXIT_OK;
	case 404:
		return unknown_cluster(options);
	case 403:
	case 421:
	case 503:
		fprintf(stderr, "%s", reply->body.data);
		return EXIT_NOT_OK;
	default:
		return unexpected(url, reply);
	}
}

int ask_reset(const struct options *options)
{
	struct fetch_reply reply;
	char url[LOCATE_URL_MAX];
	int err, status;

	if (locate(options, url))
		return EXIT_USAGE;
	err = fetch(&reply, FETCH_ACTION, url, "/-/reset", options->cluster);
	if (err) {
		fprintf(stderr, "%s\n", fetch_error());
		return err == -EINVAL ? EXIT_USAGE : EXIT_UNREACHABLE;
	}
	status = read_reset(options, url, &reply);
	buffer_free(&reply.body);
	return status;
}
