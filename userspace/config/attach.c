// SPDX-License-Identifier: MIT
#include "config/attach.h"

#include <errno.h>
#include <string.h>

static const char *const names[] = {"auto", "tracepoint", "fexit", "kprobe"};

_Static_assert(sizeof(names) / sizeof(*names) == ATTACH_MODES, "a name each");

const char *attach_name(enum attach_mode mode)
{
	return names[mode];
}

int attach_parse(const char *name)
{
	for (int i = 0; i < ATTACH_MODES; i++)
		if (!strcmp(names[i], name))
			return i;
	return -EINVAL;
}
