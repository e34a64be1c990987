/* SPDX-License-Identifier: MIT */
#include "discovery.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "capture/probe.h"
#include "config/options.h"
#include "diagnosis/groups.h"
#include "rights/privileges.h"
#include "trial.h"

#define SERVERS_MAX  8
#define PAIRS_ENOUGH 5 /* statements that both servers got, before they are said to carry the same */

static const char *const known[] = {"pgdog", "pgcat", "pgpool", "odyssey", "proxysql"};

/* One server of the proxy, as a cluster names it. */
struct server {
	char address[ADDRESS_TEXT_MAX];
	char database[DIAGNOSIS_DATABASE_MAX];
	uint64_t connections;
};

/* What two servers have in common; ahead: the first got its statements first. */
struct kinship {
	const struct server *primary, *mirror;
	struct twins_order order;
};

struct discovery {
	struct groups *groups;
	char comm[16];
	uint32_t pid;
	struct server servers[SERVERS_MAX];
	size_t server_count, left_out;
	struct kinship found[SERVERS_MAX * SERVERS_MAX];
	size_t found_count;
};

__attribute__((format(printf, 1, 2))) static void remark(const char *format, ...)
{
	va_list args;

	fputs("discover: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

/* ------------------------------------------------------------------------------------- what runs */

static int survey_host(struct discovery *d)
{
	const struct probe_options options = {.ring_bytes = 1 << 16, .max_piece_bytes = EVENT_MAX_PIECE};
	static struct filter filter; /* selects nothing; all is surveyed */
	struct probe *probe;
	struct stat st;
	int err = probe_open(&probe, &options);

	if (err) {
		remark("%s", probe_error());
		return err;
	}
	if (stat("/proc/self/ns/pid", &st) == 0)
		filter.pidns = st.st_ino;
	probe_set_filter(probe, &filter);
	err = probe_attach(probe);
	groups_begin(d->groups);
	if (!err)
		err = probe_survey(probe, true, groups_add, d->groups);
	groups_finish(d->groups);
	if (err)
		remark("%s", probe_error());
	probe_free(&probe);
	return err;
}

static int rank_of(const char *comm)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (strncmp(comm, known[i], strlen(known[i])) == 0)
			return 1;
	return 0;
}

/* A destination without a process title to tell may be a server on another host: of a known proxy it is taken
 * for one. */
static bool is_server(const struct diagnosis_group *group)
{
	return *group->database || (rank_of(group->found.comm) && group->found.remote_port > 1023);
}

static bool same_destination(const struct survey *a, const struct survey *b)
{
	return a->remote_port == b->remote_port && memcmp(a->remote, b->remote, sizeof(a->remote)) == 0 &&
	       strcmp(a->path, b->path) == 0;
}

static size_t servers_of(const struct diagnosis_group *groups, size_t count, const char *comm)
{
	size_t n = 0;

	for (size_t i = 0; i < count; i++) {
		bool before = false;

		if (strncmp(groups[i].found.comm, comm, 16) != 0 || !is_server(&groups[i]))
			continue;
		for (size_t j = 0; j < i; j++)
			before |= strncmp(groups[j].found.comm, comm, 16) == 0 && is_server(&groups[j]) &&
				  same_destination(&groups[j].found, &groups[i].found);
		n += !before;
	}
	return n;
}

static const struct diagnosis_group *choose_proxy(const struct diagnosis_group *groups, size_t count)
{
	const struct diagnosis_group *best = NULL;
	size_t most = 0;

	for (size_t i = 0; i < count; i++) {
		const struct survey *found = &groups[i].found;
		size_t n = servers_of(groups, count, found->comm);

		if (n < 2 || (best && rank_of(found->comm) < rank_of(best->found.comm)))
			continue;
		if (!best || rank_of(found->comm) > rank_of(best->found.comm) || n > most) {
			best = &groups[i];
			most = n;
		}
	}
	return best;
}

/* The database that most connections to a server are to. */
static void take_server(struct discovery *d, const struct diagnosis_group *group)
{
	char address[ADDRESS_TEXT_MAX];
	struct server *server = d->servers;

	diagnosis_remote(&group->found, address);
	while (server < d->servers + d->server_count &&
	       (strcmp(server->address, address) != 0 || strcmp(server->database, group->database) != 0))
		server++;
	if (server == d->servers + SERVERS_MAX) {
		d->left_out++;
		return;
	}
	if (server == d->servers + d->server_count) {
		d->server_count++;
		*server = (struct server){0};
		memcpy(server->address, address, sizeof(server->address));
		memcpy(server->database, group->database, sizeof(server->database));
	}
	server->connections += group->count;
}

static int find_proxy(struct discovery *d)
{
	size_t count;
	const struct diagnosis_group *groups = groups_list(d->groups, &count);
	const struct diagnosis_group *proxy = choose_proxy(groups, count);

	if (!proxy) {
		remark("no process is connected to two or more PostgreSQL servers: start the proxy and let a "
		       "client "
		       "connect to it; a proxy in a container is seen from the host only");
		return EXIT_NOT_OK;
	}
	memcpy(d->comm, proxy->found.comm, sizeof(d->comm));
	d->pid = proxy->found.pid;
	for (size_t i = 0; i < count; i++)
		if (strncmp(groups[i].found.comm, d->comm, sizeof(d->comm)) == 0 && is_server(&groups[i]))
			take_server(d, &groups[i]);
	for (size_t i = 0; i < d->server_count; i++)
		remark("%.15s (pid %u) has %llu connection%s to %s%s%s", d->comm, d->pid,
		       (unsigned long long)d->servers[i].connections,
		       d->servers[i].connections == 1 ? "" : "s", d->servers[i].address,
		       *d->servers[i].database ? ", database " : "", d->servers[i].database);
	return EXIT_OK;
}

/* --------------------------------------------------------------------------- which carry the same */

static void print_text(FILE *out, const char *text)
{
	fputc('"', out);
	for (; *text; text++)
		fprintf(out, *text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
	fputc('"', out);
}

static void print_endpoint(FILE *out, const char *side, const struct server *server)
{
	fprintf(out, "    %s: { address: ", side);
	print_text(out, server->address);
	if (*server->database) {
		fputs(", database: ", out);
		print_text(out, server->database);
	}
	fputs(" }\n", out);
}

static void print_config(FILE *out, const struct discovery *d, const struct server *a, const struct server *b)
{
	fputs("proxy:\n  comm: ", out);
	print_text(out, d->comm);
	fputs("\nclusters:\n  - name: pair\n", out);
	print_endpoint(out, "primary", a);
	print_endpoint(out, "mirror", b);
}

struct watched {
	struct twins_order order;
};

static bool look_at_pair(void *ctx, struct observation *observation)
{
	struct watched *watched = ctx;

	watched->order = twins_order(clusters_twins(observation_clusters(observation), 0));
	return watched->order.pairs >= 10 * PAIRS_ENOUGH;
}

static struct twins_order watch_pair(const struct discovery *d, const struct server *a,
				     const struct server *b, uint64_t us)
{
	struct watched watched = {0};
	struct config *config = NULL;
	char *text = NULL, *error = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return watched.order;
	print_config(out, d, a, b);
	fclose(out);
	if (config_parse(&config, "discover", text, len, &error))
		remark("%s and %s cannot be watched as a pair: %s", a->address, b->address,
		       error ? error : "memory");
	else if (trial_run(config, us, look_at_pair, &watched))
		remark("%s and %s cannot be watched: %s", a->address, b->address, observation_error());
	config_free(&config);
	free(error);
	free(text);
	return watched.order;
}

/* Each two servers once; the time is shared out. */
static void watch_all(struct discovery *d, uint64_t us)
{
	size_t pairs = d->server_count * (d->server_count - 1) / 2;

	for (size_t i = 0; i < d->server_count; i++)
		for (size_t j = i + 1; j < d->server_count; j++) {
			struct server *a = &d->servers[i], *b = &d->servers[j];
			struct twins_order order = watch_pair(d, a, b, pairs > 3 ? 3 * us / pairs : us);
			bool turned = order.early * 2 > order.pairs;

			d->found[d->found_count++] = (struct kinship){turned ? b : a, turned ? a : b, order};
			remark("%s and %s: %llu statements in common", a->address, b->address,
			       (unsigned long long)order.pairs);
		}
}

/* ------------------------------------------------------------------------------------------ the file */

static void print_origin(const struct discovery *d)
{
	char path[64], text[512];
	ssize_t n;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%u/exe", d->pid);
	n = readlink(path, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	if (n > 0)
		printf("  # exe: %s\n", text);
	snprintf(path, sizeof(path), "/proc/%u/cgroup", d->pid);
	f = fopen(path, "re");
	while (f && fgets(text, sizeof(text), f))
		if (strncmp(text, "0::/", 4) == 0 && text[4] != '\n')
			printf("  # cgroup: %s", text + 4);
	if (f)
		fclose(f);
}

static bool is_mirror_already(const struct discovery *d, const struct kinship *kinship)
{
	for (const struct kinship *k = d->found; k < kinship; k++)
		if (k->order.pairs >= PAIRS_ENOUGH &&
		    (k->mirror == kinship->mirror || k->mirror == kinship->primary ||
		     k->primary == kinship->mirror))
			return true;
	return false;
}

static size_t print_clusters(const struct discovery *d, bool undecided)
{
	size_t n = 0;

	for (size_t i = 0; i < d->found_count; i++) {
		const struct kinship *k = &d->found[i];

		if ((k->order.pairs >= PAIRS_ENOUGH) == undecided || is_mirror_already(d, k))
			continue;
		if (undecided && n)
			continue; /* one guess is enough */
		n++;
		if (undecided)
			puts("  # Not decided: no statements passed that both servers got. Which of the two "
			     "is the primary, and "
			     "whether it is\n  # mirrored at all, is a guess.");
		else
			printf("  # %llu statements went to both while watched, %llu of them to the mirror "
			       "first.\n",
			       (unsigned long long)k->order.pairs,
			       (unsigned long long)(k->order.early * 2 > k->order.pairs
							? k->order.pairs - k->order.early
							: k->order.early));
		printf("  - name: mirror_%zu\n", n);
		print_endpoint(stdout, "primary", k->primary);
		print_endpoint(stdout, "mirror", k->mirror);
		puts("    # exposure: 1.0      # what the proxy was told to sample\n"
		     "    # queue_limit: 128   # the proxy's queue for each client, in requests");
	}
	return n;
}

static void print_file(const struct discovery *d)
{
	printf("# observer.yaml, written by `mirror-observer discover`. Every other key has its default: see "
	       "observer.yaml(5).\n"
	       "# Check with: mirror-observer --check --config observer.yaml\n"
	       "listen: 127.0.0.1:10432\n\n"
	       "# Found: %.15s, pid %u. All selectors that are given must hold.\nproxy:\n  comm: ",
	       d->comm, d->pid);
	print_text(stdout, d->comm);
	puts("");
	print_origin(d);
	puts("\nclusters:");
	if (!print_clusters(d, false))
		print_clusters(d, true);
	for (size_t i = 0; i < d->server_count; i++)
		printf("# Seen: %llu connections to %s%s%s\n", (unsigned long long)d->servers[i].connections,
		       d->servers[i].address, *d->servers[i].database ? ", database " : "",
		       d->servers[i].database);
	if (d->left_out)
		printf("# And %zu other destinations, which were not watched.\n", d->left_out);
}

int discovery_run(uint64_t watch_us)
{
	struct discovery d = {0};
	int status = EXIT_OK;

	log_set_level(LOG_LEVEL_ERROR);
	if (privileges_check(true, NULL)) {
		remark("%s", privileges_error());
		return EXIT_HOST;
	}
	if (groups_new(&d.groups))
		return EXIT_NOT_OK;
	status = survey_host(&d) ? EXIT_HOST : find_proxy(&d);
	if (!status) {
		watch_all(&d, watch_us);
		print_file(&d);
	}
	groups_free(&d.groups);
	return status;
}
