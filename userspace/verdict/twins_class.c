/* SPDX-License-Identifier: MIT */
/* The statement classes of a cluster, as its statements name them. */
#include "verdict/twins_internal.h"

bool twins_is_ignored(const struct twins *twins, uint64_t id)
{
	for (size_t i = 0; i < twins->ignored_count; i++)
		if (twins->ignored[i] == id)
			return true;
	return false;
}

struct class_record *twins_enter_class(struct twins *twins, uint64_t id, const char *text,
				       enum match_side side, uint64_t now_ns)
{
	struct class_record *class = top_entry(twins->top, id, text, now_ns);

	if (class && side == MATCH_PRIMARY)
		class->primary++;
	else if (class)
		class->mirror++;
	return class;
}
