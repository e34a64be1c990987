/* SPDX-License-Identifier: MIT */
#include "stats/layout.h"

#include "stats/stats_layout.h"

/* The names in the order of the members; the version stands for what names do not tell. */
#define NAME(value)                                #value ","
#define FIELD(field, SET, label, name, type, help) #field ":" #type "(" LABELS_##SET(NAME) ") "
#define NOTHING(...)

static const char description[] = STATS_BUCKETS(NAME) "cluster "
#define CLUSTER  FIELD
#define TARGET   NOTHING
#define OBSERVER NOTHING
#include "stats/counters.def"
#undef CLUSTER
#undef TARGET
#undef OBSERVER
						      "target "
#define CLUSTER  NOTHING
#define TARGET   FIELD
#define OBSERVER NOTHING
#include "stats/counters.def"
#undef CLUSTER
#undef TARGET
#undef OBSERVER
						      "observer "
#define CLUSTER  NOTHING
#define TARGET   NOTHING
#define OBSERVER FIELD
#include "stats/counters.def"
#undef CLUSTER
#undef TARGET
#undef OBSERVER
    ;

/* FNV-1a, 64 bits (draft-eastlake-fnv): the same on every machine and with every compiler. */
uint64_t layout_fields(void)
{
	uint64_t hash = 0xcbf29ce484222325 ^ STATS_LAYOUT_VERSION;

	for (const char *c = description; *c; c++)
		hash = (hash ^ (unsigned char)*c) * 0x100000001b3;
	return hash;
}
