/* SPDX-License-Identifier: MIT */
/*
 * generator - random valid sessions against a real server. Prints, as JSON, what the client library was told.
 *
 *   generator CONNINFO --seed N [--statements N] [--connections N] [--comm NAME] [--ops]
 *
 * The database needs what driver.py makes. The same seed gives the same session as long as the server answers
 * the same.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "ops.h"

#define CONNECTIONS_MAX 8 /* the driver makes as many tables */

struct options {
	const char *conninfo;
	uint64_t seed, statements;
	unsigned connections;
	bool ops; /* write each op to stderr */
};

static const struct op *const groups[] = {ops_simple, ops_extended, ops_copy, ops_raw, ops_connection};

static bool allowed(const struct op *op, const struct client *client)
{
	if (op->when == OP_ANY)
		return true;
	return (op->when == OP_IDLE) == (client->status == 'I');
}

/* The op in which the chosen point lies, or NULL; *total is the sum of the weights of all allowed ones. */
static const struct op *at_weight(const struct client *client, unsigned point, unsigned *total)
{
	const struct op *found = NULL;

	*total = 0;
	for (size_t g = 0; g < sizeof(groups) / sizeof(groups[0]); g++) {
		for (const struct op *op = groups[g]; op->name; op++) {
			if (!allowed(op, client))
				continue;
			*total += op->weight;
			if (!found && point < *total)
				found = op;
		}
	}
	return found;
}

static void step(struct client *client, bool say)
{
	const struct op *op;
	unsigned total;

	client_ensure(client);
	at_weight(client, 0, &total);
	op = at_weight(client, random_below(client->random, total), &total);
	if (say)
		fprintf(stderr, "%d %c %s\n", client->index, client->status, op->name);
	op->run(client);
}

static void finish(struct client *client)
{
	if (client->conn && client->status != 'I')
		client_query(client, "ROLLBACK");
	client_close(client);
}

static void run(const struct options *options, struct truth *truth)
{
	struct client clients[CONNECTIONS_MAX];
	struct random random;

	random_seed(&random, options->seed);
	memset(clients, 0, sizeof(clients));
	for (unsigned i = 0; i < options->connections; i++) {
		clients[i].conninfo = options->conninfo;
		clients[i].index = (int)i;
		clients[i].random = &random;
		clients[i].truth = truth;
	}
	while (truth_statements(truth) < options->statements)
		step(&clients[random_below(&random, options->connections)], options->ops);
	for (unsigned i = 0; i < options->connections; i++)
		finish(&clients[i]);
}

static int usage(void)
{
	fprintf(stderr, "usage: generator CONNINFO --seed N [--statements N] [--connections N] [--comm NAME] "
			"[--ops]\n");
	return 2;
}

int main(int argc, char **argv)
{
	static const struct option names[] = {{"seed", required_argument, NULL, 's'},
					      {"statements", required_argument, NULL, 'n'},
					      {"connections", required_argument, NULL, 'c'},
					      {"comm", required_argument, NULL, 'p'},
					      {"ops", no_argument, NULL, 'o'},
					      {0}};
	struct options options = {.statements = 1000, .connections = 4};
	struct truth truth = {0};
	int opt;

	while ((opt = getopt_long(argc, argv, "", names, NULL)) != -1) {
		if (opt == 's')
			options.seed = strtoull(optarg, NULL, 10);
		else if (opt == 'n')
			options.statements = strtoull(optarg, NULL, 10);
		else if (opt == 'c')
			options.connections = (unsigned)strtoul(optarg, NULL, 10);
		else if (opt == 'p')
			prctl(PR_SET_NAME, optarg);
		else if (opt == 'o')
			options.ops = true;
		else
			return usage();
	}
	if (optind != argc - 1 || options.connections < 1 || options.connections > CONNECTIONS_MAX)
		return usage();
	options.conninfo = argv[optind];
	run(&options, &truth);
	truth_print_json(&truth, stdout);
	return 0;
}
