/* SPDX-License-Identifier: MIT */
/*
 * What lives inside a transaction block and ends with a part of it: portals that were suspended, and the
 * savepoints that decide which of them a ROLLBACK TO drops.
 *
 * As pg_stat_statements counts: a portal dropped by COMMIT or the protocol's Close is a statement; one that
 * is dropped by ROLLBACK, or closed by SQL's CLOSE, is none.
 */
#include <string.h>

#include "sql/sqlblock.h"
#include "wire/session_internal.h"

static const struct fault success = {.outcome = OUTCOME_SUCCESS, .type = FAILURE_NONE};
static const struct fault unknown = {.outcome = OUTCOME_UNKNOWN, .type = FAILURE_NONE};

/* ------------------------------------------------------------------------------------------ sent */

static uint64_t declare(struct session *session, const struct querytext_key *name)
{
	struct prepared_entry *portal = prepared_put(&session->portals, name, ++session->ids, NULL);

	return portal ? portal->id : 0;
}

static uint64_t forget(struct session *session, const struct querytext_key *name)
{
	struct prepared_entry *portal = prepared_get(&session->portals, name);
	uint64_t id = portal ? portal->id : 0;

	prepared_remove(&session->portals, name, 0);
	return id;
}

void blocks_sent(struct session *session, struct item *item, const char *text, size_t len, bool whole)
{
	struct querytext_key name;
	struct sqlblock block = {.kind = SQLBLOCK_UNKNOWN};

	if (whole)
		sqlblock_read(text, len, &block);
	item->block = block.kind;
	if (!block.name_len)
		return;
	name = prepared_name(block.name, block.name_len);
	if (block.kind == SQLBLOCK_DECLARE)
		item->object = declare(session, &name);
	else if (block.kind == SQLBLOCK_CLOSE)
		item->object = forget(session, &name);
	else
		item->object = name.word[0] | 1;
}

struct prepared_entry *blocks_portal(struct session *session, const struct querytext_key *name)
{
	struct prepared_entry *portal = prepared_get(&session->portals, name);

	if (portal && !(portal->unbound && portal->id <= session->block_ids))
		return portal;
	/* That which nobody is known to have bound may have been, where not all was seen. */
	if (!memcmp(name, &prepared_unnamed, sizeof(*name)) || session->block_unseen ||
	    session->portals_torn || session->portals.evictions)
		return NULL;
	portal = prepared_put(&session->portals, name, ++session->ids, NULL);
	if (portal)
		portal->unbound = true;
	return portal;
}

/* ------------------------------------------------------------------------------------------ answered */

static void drop_since(struct session *session, uint64_t name)
{
	struct savepoints_cut cut;
	uint32_t i = 0;

	session->savepoints.torn |= session->block_unseen;
	cut = savepoints_roll_back(&session->savepoints, name);
	while (i < session->suspended_count) {
		const struct item *item = &session->suspended[i].item;
		bool certain = item->block != SQLBLOCK_UNKNOWN;

		if (item->id <= cut.kept)
			i++;
		else
			account_end_suspended(session, i, !(certain && item->id > cut.gone), &unknown);
	}
}

static void end_all(struct session *session, bool counts, const struct fault *fault)
{
	account_end_portals(session, counts, fault);
	savepoints_clear(&session->savepoints);
}

static void rolled_back(struct session *session, const struct item *item)
{
	switch (item->block) {
	case SQLBLOCK_ROLLBACK_TO:
		drop_since(session, item->object);
		break;
	case SQLBLOCK_ROLLBACK:
	case SQLBLOCK_COMMIT: /* of a block that had failed */
		end_all(session, false, NULL);
		break;
	default:
		session->rolled_back = session->rolled_back_to = true;
	}
}

static void closed(struct session *session, const struct item *item)
{
	if (item->block == SQLBLOCK_CLOSE && item->object)
		account_end_portal(session, item->object, false);
	else
		account_end_portals(session, true, &unknown);
}

static void saved(struct session *session, const struct item *item)
{
	savepoints_set(&session->savepoints, item->block == SQLBLOCK_SAVEPOINT ? item->object : 0,
		       session->bound);
}

static void released(struct session *session, const struct item *item)
{
	savepoints_release(&session->savepoints, item->block == SQLBLOCK_RELEASE ? item->object : 0);
}

static void declared(struct session *session, const struct item *item)
{
	if (item->block == SQLBLOCK_DECLARE && item->object > session->bound)
		session->bound = item->object;
}

/* The tag was lost: what the text says, if it was no more than one. */
static void complete_by_text(struct session *session, const struct item *item)
{
	switch (item->block) {
	case SQLBLOCK_NONE:
		break;
	case SQLBLOCK_SAVEPOINT:
		saved(session, item);
		break;
	case SQLBLOCK_RELEASE:
		released(session, item);
		break;
	case SQLBLOCK_ROLLBACK_TO:
	case SQLBLOCK_ROLLBACK:
		rolled_back(session, item);
		break;
	case SQLBLOCK_COMMIT: /* or its block had failed */
		end_all(session, true, &unknown);
		break;
	case SQLBLOCK_DECLARE:
		declared(session, item);
		break;
	default:
		account_end_portals(session, true, &unknown);
		released(session, item);
		session->savepoints.torn = true;
	}
}

void blocks_complete(struct session *session, const struct item *item, const char *tag)
{
	session->rolled_back = false;
	if (!*tag)
		complete_by_text(session, item);
	else if (!strcmp(tag, "SAVEPOINT"))
		saved(session, item);
	else if (!strcmp(tag, "RELEASE"))
		released(session, item);
	else if (!strcmp(tag, "ROLLBACK"))
		rolled_back(session, item);
	else if (!strcmp(tag, "COMMIT"))
		end_all(session, true, &success);
	else if (!strcmp(tag, "DECLARE CURSOR"))
		declared(session, item);
	else if (!strcmp(tag, "CLOSE CURSOR"))
		closed(session, item);
	else if (!strcmp(tag, "CLOSE CURSOR ALL"))
		account_end_portals(session, false, NULL);
}

void blocks_ready(struct session *session, bool over)
{
	if (over) {
		end_all(session, !session->rolled_back, session->end_unseen ? &unknown : &success);
		session->block_unseen = false;
	} else if (session->rolled_back_to) { /* or of a whole block, behind which another was begun */
		session->savepoints.torn = true;
		drop_since(session, 0);
	}
	session->rolled_back = session->rolled_back_to = session->end_unseen = false;
}
