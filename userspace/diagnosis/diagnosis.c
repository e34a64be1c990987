/* SPDX-License-Identifier: MIT */
#include "diagnosis/diagnosis.h"

#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define PAIRS_ENOUGH 20 /* before their order is believed */
#define INVERTED_SHARE \
	0.9 /* pairs of the wrong order are few where texts repeat, and all where sides are swapped */

static const char *const side_names[] = {"primary", "mirror"};

/* -------------------------------------------------------------------------------------- what was found */

static struct address remote_of(const struct survey *found)
{
	struct address address = {.port = found->remote_port};

	memcpy(address.ip, found->remote, sizeof(address.ip));
	return address;
}

const char *diagnosis_remote(const struct survey *found, char text[ADDRESS_TEXT_MAX])
{
	const struct address remote = remote_of(found);

	if (!found->is_unix)
		return address_format(&remote, text);
	snprintf(text, ADDRESS_TEXT_MAX, "unix:%.*s", (int)sizeof(found->path), found->path);
	return text;
}

static struct role role_in(const struct classify *classify_table, const struct survey *found,
			   const char *database)
{
	const struct address remote = remote_of(found);

	return classify(classify_table, &remote, found->is_unix ? found->path : NULL, database);
}

struct role diagnosis_role(const struct classify *classify_table, const struct diagnosis_group *group)
{
	return role_in(classify_table, &group->found, *group->database ? group->database : NULL);
}

static bool same_endpoint(const struct survey *a, const struct survey *b)
{
	if (a->is_unix || b->is_unix)
		return a->is_unix && b->is_unix && strcmp(a->path, b->path) == 0;
	return a->remote_port == b->remote_port && memcmp(a->remote, b->remote, sizeof(a->remote)) == 0;
}

/* By the address alone, whatever the database: a side that is named there. */
static bool is_address_of(const struct config_endpoint *endpoint, const struct survey *found)
{
	const struct address remote = remote_of(found);

	for (size_t i = 0; i < endpoint->address_count; i++) {
		const struct address_range *range = &endpoint->addresses[i].range;

		if (endpoint->addresses[i].host)
			continue;
		if (found->is_unix ? range->family == ADDRESS_UNIX && strcmp(range->path, found->path) == 0
				   : range->family == ADDRESS_IP && address_range_contains(range, &remote))
			return true;
	}
	return false;
}

static bool is_configured(const struct diagnosis_input *input, const struct survey *found)
{
	struct role role = role_in(input->classify, found, NULL);

	if (role.target != TARGET_NONE || role.ambiguous)
		return true;
	for (size_t i = 0; i < input->config->cluster_count; i++)
		if (is_address_of(&input->config->clusters[i].primary, found) ||
		    is_address_of(&input->config->clusters[i].mirror, found))
			return true;
	return false;
}

/* ------------------------------------------------------------------------------------------- findings */

__attribute__((format(printf, 5, 6))) static void add(struct diagnosis *out, enum diagnosis_kind kind,
						      int cluster, bool wrong, const char *format, ...)
{
	struct diagnosis_finding *finding = &out->findings[out->count];
	va_list args;

	if (out->count == DIAGNOSIS_MAX)
		return;
	out->count++;
	finding->kind = kind;
	finding->cluster = cluster;
	finding->wrong = wrong;
	va_start(args, format);
	vsnprintf(finding->text, sizeof(finding->text), format, args);
	va_end(args);
}

static const char *plural(uint64_t count)
{
	return count == 1 ? "" : "s";
}

static bool of_others(const struct diagnosis_input *input, const struct survey *found)
{
	return !found->of_proxy && is_configured(input, found);
}

static uint64_t connections_of_comm(const struct diagnosis_input *input, const char *comm,
				    unsigned int *sides)
{
	uint64_t n = 0;

	*sides = 0;
	for (size_t i = 0; i < input->group_count; i++) {
		const struct survey *found = &input->groups[i].found;

		if (!of_others(input, found) || strncmp(found->comm, comm, sizeof(found->comm)) != 0)
			continue;
		n += input->groups[i].count;
		*sides |= 1u << role_in(input->classify, found, NULL).target;
	}
	return n;
}

/* Who is connected to both sides of what is configured is a proxy; to one of them anybody may be. */
static void find_other_process(const struct diagnosis_input *input, struct diagnosis *out)
{
	const unsigned int both = 1u << TARGET_PRIMARY | 1u << TARGET_MIRROR;
	const struct survey *best = NULL;
	unsigned int best_sides = 0;
	uint64_t most = 0;

	for (size_t i = 0; i < input->group_count; i++) {
		const struct survey *found = &input->groups[i].found;
		unsigned int sides;
		uint64_t n;

		if (!of_others(input, found))
			continue;
		n = connections_of_comm(input, found->comm, &sides);
		if (((sides & both) == both) > ((best_sides & both) == both) ||
		    (n > most && sides >= best_sides)) {
			best = found;
			best_sides = sides;
			most = n;
		}
	}
	if (!best)
		add(out, DIAGNOSIS_NO_PROCESS, -1, true,
		    "no running process matches %s, and none is connected to the configured addresses: start "
		    "the "
		    "proxy, or correct `proxy` (a proxy outside of the observer's pid namespace cannot be "
		    "seen: run "
		    "the observer on the host, or with hostPID: true)",
		    input->proxy);
	else
		add(out, DIAGNOSIS_OTHER_PROCESS, -1, (best_sides & both) == both,
		    "no running process matches %s, but %.15s (pid %u) has %llu connection%s to the "
		    "configured "
		    "addresses: if that is the proxy, write `proxy: { comm: %.15s }`",
		    input->proxy, best->comm, best->pid, (unsigned long long)most, plural(most), best->comm);
}

/* ------------------------------------------------------------------------------------- sides of a cluster */

struct side {
	const struct diagnosis_input *input;
	size_t cluster;
	enum target target;
	const struct config_endpoint *endpoint;
	const struct diagnosis_side *counted;
	uint64_t connections;       /* to this side */
	uint64_t other_database;    /* to its address and another database */
	const char *other;          /* that database */
	uint64_t mptcp, redirected; /* whose bytes are not seen */
};

static const char *address_text(const struct side *side)
{
	return side->endpoint->addresses[0].text;
}

/* What could be this side's or another's, as long as the database is not known, is no reason to complain. */
static bool is_of_side(const struct side *side, const struct role *role, const struct survey *found)
{
	if (role->ambiguous)
		return is_address_of(side->endpoint, found);
	return role->target == side->target && (role->clusters >> side->cluster & 1);
}

static void count_side(struct side *side)
{
	const struct diagnosis_input *input = side->input;

	for (size_t i = 0; i < input->group_count; i++) {
		const struct diagnosis_group *group = &input->groups[i];
		struct role role;

		if (!group->found.of_proxy)
			continue;
		role = diagnosis_role(input->classify, group);
		if (is_of_side(side, &role, &group->found)) {
			side->connections += group->count;
			if (group->found.unseen && group->found.is_mptcp)
				side->mptcp += group->count;
			else if (group->found.unseen)
				side->redirected += group->count;
		} else if (role.target == TARGET_NONE && *group->database && side->endpoint->database &&
			   is_address_of(side->endpoint, &group->found)) {
			side->other_database += group->count;
			side->other = group->database;
		}
	}
}

/* The proxy's connections to what the configuration does not name. */
struct elsewhere {
	const struct survey *most; /* one of those to the endpoint with the most; NULL = there are none */
	uint64_t count;            /* of these */
	size_t endpoints;
};

static uint64_t count_to(const struct diagnosis_input *input, const struct survey *endpoint)
{
	uint64_t count = 0;

	for (size_t i = 0; i < input->group_count; i++)
		if (input->groups[i].found.of_proxy && same_endpoint(&input->groups[i].found, endpoint))
			count += input->groups[i].count;
	return count;
}

/* Do the processes of that group have connections to this side as well? */
static bool serves_side(const struct side *side, const struct diagnosis_group *group)
{
	const struct diagnosis_input *input = side->input;

	for (size_t i = 0; i < input->group_count; i++) {
		const struct diagnosis_group *other = &input->groups[i];
		const struct role role = diagnosis_role(input->classify, other);

		if (group->company[i / 64] >> (i % 64) & 1 && is_of_side(side, &role, &other->found))
			return true;
	}
	return false;
}

/* Several proxies may have one name: who serves the opposite side is the one that is meant, whatever the
 * number of its connections. */
static struct elsewhere look_elsewhere(const struct side *opposite, bool of_those_that_serve_it)
{
	const struct diagnosis_input *input = opposite->input;
	struct elsewhere out = {0};

	for (size_t i = 0; i < input->group_count; i++) {
		const struct survey *found = &input->groups[i].found;
		uint64_t count;

		if (!found->of_proxy || is_configured(input, found) ||
		    (of_those_that_serve_it && !serves_side(opposite, &input->groups[i])))
			continue;
		count = count_to(input, found);
		out.endpoints += !out.most || !same_endpoint(out.most, found);
		if (count > out.count) {
			out.most = found;
			out.count = count;
		}
	}
	return out;
}

/* An address or a database that carried statements lately is right, whoever else is connected elsewhere: a
 * pool may be empty for a while, and another proxy have the same name. */
static void explain_missing(const struct side *side, const struct side *opposite, struct diagnosis *out)
{
	const char *cluster = side->input->config->clusters[side->cluster].name,
		   *name = side_names[side->target];
	struct elsewhere elsewhere = look_elsewhere(opposite, true);
	bool carried = side->counted->statements > 0;
	char text[ADDRESS_TEXT_MAX];

	if (!elsewhere.most)
		elsewhere = look_elsewhere(opposite, false);
	if (side->other_database && !carried)
		add(out, DIAGNOSIS_OTHER_DATABASE, side->cluster, true,
		    "%s: the proxy's %llu connection%s to the %s's address %s %s to database %s, not %s: "
		    "change "
		    "%s.database to %s",
		    cluster, (unsigned long long)side->other_database, plural(side->other_database), name,
		    address_text(side), side->other_database == 1 ? "is" : "are", side->other,
		    side->endpoint->database, name, side->other);
	else if (elsewhere.most && !carried)
		add(out, DIAGNOSIS_OTHER_ADDRESS, side->cluster, true,
		    "%s: your %s address %s has no connection; the proxy (%.15s, pid %u) is connected to %s "
		    "(%llu "
		    "connection%s)%s: if that is the %s, change %s.address to it",
		    cluster, name, address_text(side), elsewhere.most->comm, elsewhere.most->pid,
		    diagnosis_remote(elsewhere.most, text), (unsigned long long)elsewhere.count,
		    plural(elsewhere.count),
		    elsewhere.endpoints > 1 ? " and others that the configuration does not name" : "", name,
		    name);
	else
		add(out, DIAGNOSIS_SIDE_MISSING, side->cluster, false,
		    opposite->connections ? "%s: the proxy has no connection to the %s %s, but %llu to the "
					    "%s: is mirroring switched "
					    "on in the proxy, and does the %s run?"
					  : "%s: the proxy has no connection to the %s %s, and %llu to the "
					    "%s: nothing is seen until it "
					    "connects; does the %s run?",
		    cluster, name, address_text(side), (unsigned long long)opposite->connections,
		    side_names[opposite->target], name);
}

static void explain_unreadable(const struct side *side, struct diagnosis *out)
{
	const char *cluster = side->input->config->clusters[side->cluster].name,
		   *name = side_names[side->target];
	const struct diagnosis_side *counted = side->counted;

	if (counted->encrypted)
		add(out, DIAGNOSIS_ENCRYPTED, side->cluster, !counted->plain,
		    "%s: %llu of the connections to the %s %s encrypted and cannot be read: %s", cluster,
		    (unsigned long long)counted->encrypted, name, counted->encrypted == 1 ? "is" : "are",
		    side->input->config->tls == CONFIG_TLS_OFF
			? "`tls: off` forbids it: write `tls: on`, or let the proxy connect without TLS "
			  "(sslmode=disable)"
			: "older ones are once the proxy reconnects, if --check says that its library is "
			  "read; else let it connect without TLS (sslmode=disable), see docs/proxies.md");
	if (side->mptcp)
		add(out, DIAGNOSIS_MPTCP, side->cluster, side->mptcp == side->connections,
		    "%s: %llu of the connections to the %s use Multipath TCP, which this attach mode "
		    "cannot follow: use `attach: tracepoint` (Linux 6.3 or later), or switch it off for the "
		    "proxy (sysctl net.mptcp.enabled=0, or GODEBUG=multipathtcp=0)",
		    cluster, (unsigned long long)side->mptcp, name);
	if (side->redirected)
		add(out, DIAGNOSIS_REDIRECTED, side->cluster, side->redirected == side->connections,
		    "%s: %llu of the connections to the %s are redirected past TCP by a sockmap (a service "
		    "mesh has them), which this attach mode cannot follow: use `attach: tracepoint` (Linux "
		    "6.3 or later), or exempt the proxy from it",
		    cluster, (unsigned long long)side->redirected, name);
	if (counted->unkeyed && counted->unkeyed * 10 >= counted->statements)
		add(out, DIAGNOSIS_PREPARED, side->cluster, false,
		    "%s: %llu of %llu statements to the %s ran under a name that was prepared before the "
		    "observer was "
		    "there, so their texts are not known: let the proxy reconnect to its servers (PgDog: "
		    "RECONNECT; "
		    "others: restart or reload)",
		    cluster, (unsigned long long)counted->unkeyed, (unsigned long long)counted->statements,
		    name);
}

static void explain_order(const struct diagnosis_input *input, size_t i, struct diagnosis *out)
{
	const struct diagnosis_cluster *counted = &input->clusters[i];

	if (counted->pairs < PAIRS_ENOUGH || counted->inverted < INVERTED_SHARE * counted->pairs)
		return;
	add(out, DIAGNOSIS_SWAPPED, (int)i, true,
	    "%s: of %llu pairs of statements the mirror had answered %llu before the primary was even asked: "
	    "primary and "
	    "mirror are swapped: exchange the two",
	    input->config->clusters[i].name, (unsigned long long)counted->pairs,
	    (unsigned long long)counted->inverted);
}

/* The observer follows connections of that side: then it is of no account that the walk found none. */
static bool is_counted(const struct diagnosis_side *counted)
{
	return counted->plain || counted->encrypted || counted->resyncing;
}

static void look_at_cluster(const struct diagnosis_input *input, size_t i, struct diagnosis *out)
{
	const struct config_cluster *cluster = &input->config->clusters[i];
	struct side sides[] = {{.input = input,
				.cluster = i,
				.target = TARGET_PRIMARY,
				.endpoint = &cluster->primary,
				.counted = &input->clusters[i].primary},
			       {.input = input,
				.cluster = i,
				.target = TARGET_MIRROR,
				.endpoint = &cluster->mirror,
				.counted = &input->clusters[i].mirror}};

	for (int s = 0; s < 2; s++) {
		count_side(&sides[s]);
		out->connections[i][s] = sides[s].connections;
	}
	explain_order(input, i, out);
	for (int s = 0; s < 2; s++)
		if (!sides[s].connections && (sides[s].other_database || !is_counted(sides[s].counted)))
			explain_missing(&sides[s], &sides[!s], out);
	for (int s = 0; s < 2; s++)
		explain_unreadable(&sides[s], out);
}

/* Wrong ones first, in the order in which they were found. */
static void sort(struct diagnosis *out)
{
	for (size_t i = 1; i < out->count; i++)
		for (size_t j = i; j && out->findings[j].wrong && !out->findings[j - 1].wrong; j--) {
			struct diagnosis_finding swap = out->findings[j];

			out->findings[j] = out->findings[j - 1];
			out->findings[j - 1] = swap;
		}
}

void diagnose(const struct diagnosis_input *input, struct diagnosis *out)
{
	bool connected = false;

	memset(out, 0, sizeof(*out));
	if (!input->processes) {
		find_other_process(input, out);
		return;
	}
	for (size_t i = 0; i < input->config->cluster_count; i++)
		look_at_cluster(input, i, out);
	for (size_t i = 0; i < input->group_count; i++)
		connected |= input->groups[i].found.of_proxy;
	if (!connected) {
		out->count = 0;
		add(out, DIAGNOSIS_NO_CONNECTION, -1, false,
		    "the proxy runs (%zu process%s match %s) and is connected to no server: nothing is seen "
		    "until a client "
		    "makes it connect",
		    input->processes, input->processes == 1 ? "" : "es", input->proxy);
	}
	sort(out);
}

const struct diagnosis_finding *diagnosis_of(const struct diagnosis *diagnosis, size_t cluster)
{
	for (size_t i = 0; i < diagnosis->count; i++)
		if (diagnosis->findings[i].cluster < 0 || (size_t)diagnosis->findings[i].cluster == cluster)
			return &diagnosis->findings[i];
	return NULL;
}

bool diagnosis_is_wrong(const struct diagnosis *diagnosis)
{
	for (size_t i = 0; i < diagnosis->count; i++)
		if (diagnosis->findings[i].wrong)
			return true;
	return false;
}
