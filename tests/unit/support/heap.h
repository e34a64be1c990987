/* SPDX-License-Identifier: MIT */
/* What the allocator itself says is in use. */
#ifndef TEST_HEAP_H
#define TEST_HEAP_H

#include <malloc.h>
#include <stddef.h>

/* Bytes of the heap in use, whoever asked for them; 0 under a sanitizer, which keeps a heap of its own. */
static inline size_t heap_in_use(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

#endif
