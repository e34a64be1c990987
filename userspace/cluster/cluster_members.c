/* SPDX-License-Identifier: MIT */
/* A connection's part in the comparison of its clusters, from its first query to its end. */
#include "cluster/cluster_internal.h"

#include <stdlib.h>

/* What struct conn_view.user points to: the connection's part in each cluster that it belongs to. */
struct membership {
	unsigned int generation; /* of the cluster list */
	size_t count;
	struct member {
		struct twins *twins;
		struct twins_connection connection;
	} members[];
};

static bool is_current(const struct clusters *clusters, const struct twins *twins)
{
	for (size_t i = 0; i < clusters->count; i++)
		if (clusters->list[i].twins == twins)
			return true;
	return false;
}

static void leave(struct clusters *clusters, struct membership **membership)
{
	if (!*membership)
		return;
	for (size_t i = 0; i < (*membership)->count; i++)
		if (is_current(clusters, (*membership)->members[i].twins))
			twins_close((*membership)->members[i].twins, &(*membership)->members[i].connection);
	free(*membership);
	*membership = NULL;
}

static struct membership *join(struct clusters *clusters, const struct conn_view *conn)
{
	enum match_side side = conn->role.target == TARGET_PRIMARY ? MATCH_PRIMARY : MATCH_MIRROR;
	struct membership *fresh =
	    calloc(1, sizeof(*fresh) + __builtin_popcountll(conn->role.clusters) * sizeof(struct member));

	if (!fresh)
		return NULL;
	fresh->generation = clusters->generation;
	FOR_EACH_CLUSTER(clusters, &conn->role, cluster)
	{
		struct member *member = &fresh->members[fresh->count++];

		member->twins = cluster->twins;
		twins_open(member->twins, &member->connection, side, &conn->remote);
	}
	return fresh;
}

/* The role is settled by the start-up packet, before anything is asked; only a reload can change it later. */
static struct membership *membership_of(struct clusters *clusters, const struct conn_view *conn)
{
	struct membership **membership = (struct membership **)conn->user;

	if (*membership && (*membership)->generation != clusters->generation)
		leave(clusters, membership);
	if (!*membership && conn->role.target != TARGET_NONE)
		*membership = join(clusters, conn);
	return *membership;
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

void members_leave(struct clusters *clusters, const struct conn_view *conn)
{
	leave(clusters, (struct membership **)conn->user);
}
