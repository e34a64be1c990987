/* SPDX-License-Identifier: MIT */
/* A connection's part in the comparison of its clusters, from its first query to its end. */
#include "cluster/cluster_internal.h"

#include <stdlib.h>

/* What struct conn_view.user points to: the connection's part in each cluster that it belongs to. */
struct membership {
	uint64_t generation; /* of the cluster list */
	struct role role;    /* that it was made for */
	size_t count;
	struct member {
		uint64_t evidence;    /* that it is a part of; by this, never by its address, it is known */
		struct twins *twins;  /* valid while that evidence is in the list */
		enum match_side side; /* with the role that it has there */
		struct twins_connection connection;
	} members[];
};

static bool is_current(const struct clusters *clusters, const struct member *member)
{
	for (size_t i = 0; i < clusters->count; i++)
		if (clusters->list[i].evidence == member->evidence)
			return true;
	return false;
}

static void leave(struct clusters *clusters, struct membership **membership)
{
	if (!*membership)
		return;
	for (size_t i = 0; i < (*membership)->count; i++)
		if (is_current(clusters, &(*membership)->members[i]))
			twins_close((*membership)->members[i].twins, &(*membership)->members[i].connection);
	free(*membership);
	*membership = NULL;
}

/* Its part in evidence that has gone on over a reload goes on as well; what it left is not closed twice. */
static bool stay(struct membership *before, struct member *member)
{
	for (size_t i = 0; before && i < before->count; i++) {
		struct member *old = &before->members[i];

		if (old->evidence != member->evidence || old->side != member->side)
			continue;
		*member = *old;
		old->evidence = 0;
		twins_moved(member->twins, &member->connection);
		return true;
	}
	return false;
}

static struct membership *join(struct clusters *clusters, const struct conn_view *conn,
			       struct membership *before)
{
	enum match_side side = conn->role.target == TARGET_PRIMARY ? MATCH_PRIMARY : MATCH_MIRROR;
	struct membership *fresh =
	    calloc(1, sizeof(*fresh) + __builtin_popcountll(conn->role.clusters) * sizeof(struct member));

	if (!fresh)
		return NULL;
	fresh->generation = clusters->generation;
	fresh->role = conn->role;
	FOR_EACH_CLUSTER(clusters, &conn->role, cluster)
	{
		struct member *member = &fresh->members[fresh->count++];

		*member =
		    (struct member){.evidence = cluster->evidence, .twins = cluster->twins, .side = side};
		if (!stay(before, member))
			twins_open(member->twins, &member->connection, side, &conn->remote);
	}
	return fresh;
}

static bool is_up_to_date(const struct clusters *clusters, const struct membership *membership,
			  const struct role *role)
{
	return membership && membership->generation == clusters->generation &&
	       membership->role.target == role->target && membership->role.clusters == role->clusters;
}

/* The role is settled by the start-up packet, before anything is asked; a reload can change it later, or a
 * host name that stands for something else. */
static struct membership *membership_of(struct clusters *clusters, const struct conn_view *conn)
{
	struct membership **membership = (struct membership **)conn->user, *fresh = NULL;

	if (is_up_to_date(clusters, *membership, &conn->role))
		return *membership;
	if (conn->role.target != TARGET_NONE)
		fresh = join(clusters, conn, *membership);
	leave(clusters, membership);
	return *membership = fresh;
}

void members_sent(struct clusters *clusters, const struct conn_view *conn, const struct session_query *query)
{
	struct membership *membership = membership_of(clusters, conn);

	for (size_t i = 0; membership && i < membership->count; i++)
		twins_sent(membership->members[i].twins, &membership->members[i].connection, query);
}

void members_answered(struct clusters *clusters, const struct conn_view *conn,
		      const struct session_query *query)
{
	struct membership *membership = membership_of(clusters, conn);

	for (size_t i = 0; membership && i < membership->count; i++)
		twins_answered(membership->members[i].twins, &membership->members[i].connection, query);
}

void members_request(struct clusters *clusters, const struct conn_view *conn)
{
	struct membership *membership = membership_of(clusters, conn);

	for (size_t i = 0; membership && i < membership->count; i++)
		twins_request(membership->members[i].twins, &membership->members[i].connection);
}

void members_homeless(struct clusters *clusters, const struct conn_view *conn,
		      const struct session_statement *statement)
{
	struct membership *membership = membership_of(clusters, conn);

	for (size_t i = 0; membership && i < membership->count; i++)
		twins_homeless(membership->members[i].twins, &membership->members[i].connection,
			       statement->sqlstate, statement->done_ns);
}

void members_leave(struct clusters *clusters, const struct conn_view *conn)
{
	leave(clusters, (struct membership **)conn->user);
}
