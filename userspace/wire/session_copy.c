/* SPDX-License-Identifier: MIT */
/* What the server swallows of the pipeline while it reads COPY data. */
#include "wire/session_internal.h"

void session_kill_item(struct session *session, struct item *item)
{
	session->cycles -= item_ends_cycle(item);
	session->copy_ends -= item->kind == ITEM_COPY_END;
	item->kind = ITEM_DEAD;
}

bool session_swallow_copy_end(struct session *session)
{
	for (uint32_t i = 1; i < session->pipeline.count; i++) {
		struct item *item = pipeline_at(&session->pipeline, i);
		bool end = item->kind == ITEM_COPY_END;

		if (!end && item->kind != ITEM_SYNC && item->kind != ITEM_DEAD)
			return false;
		session_kill_item(session, item);
		if (end)
			return true;
	}
	return false;
}

bool session_abandon_copy(struct session *session)
{
	for (uint32_t i = 1; i < session->pipeline.count; i++) {
		struct item *item = pipeline_at(&session->pipeline, i);
		bool end = item->kind == ITEM_COPY_END;

		if (!end && item->kind != ITEM_SYNC && item->kind != ITEM_DEAD)
			return item->kind == ITEM_QUERY &&
			       pipeline_at(&session->pipeline, 0)->kind == ITEM_QUERY;
		if (end)
			break;
		session->strays += item->kind == ITEM_SYNC;
		session_kill_item(session, item);
	}
	return true;
}
