/* SPDX-License-Identifier: MIT */
#include "support/scarce.h"

#include <stddef.h>

static bool limited, refused;
static unsigned left;

void scarce_begin(unsigned count)
{
	limited = true;
	refused = false;
	left = count;
}

bool scarce_end(void)
{
	limited = false;
	return refused;
}

static bool granted(void)
{
	if (!limited)
		return true;
	if (left) {
		left--;
		return true;
	}
	refused = true;
	return false;
}

/* The linker's names for what is wrapped, and for what takes its place. */
#define WRAP(name, arguments, values)                           \
	void *__real_##name arguments;                          \
	void *__wrap_##name arguments;                          \
	void *__wrap_##name arguments                           \
	{                                                       \
		return granted() ? __real_##name values : NULL; \
	}

WRAP(malloc, (size_t size), (size))
WRAP(calloc, (size_t count, size_t size), (count, size))
WRAP(realloc, (void *old, size_t size), (old, size))
WRAP(reallocarray, (void *old, size_t count, size_t size), (old, count, size))
WRAP(strdup, (const char *text), (text))
WRAP(strndup, (const char *text, size_t len), (text, len))
