/* SPDX-License-Identifier: MIT */
#include "wire/pipeline.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SIZE_FIRST 16
#define SIZE_KEPT  64 /* slots that an idle connection may keep */

struct item *pipeline_at(const struct pipeline *pipeline, uint32_t i)
{
	return &pipeline->items[(pipeline->first + i) & (pipeline->size - 1)];
}

static int grow(struct pipeline *pipeline)
{
	uint32_t size = pipeline->size ? pipeline->size * 2 : SIZE_FIRST;
	struct item *items = malloc(size * sizeof(*items));

	if (!items)
		return -ENOMEM;
	for (uint32_t i = 0; i < pipeline->count; i++)
		items[i] = *pipeline_at(pipeline, i);
	free(pipeline->items);
	pipeline->items = items;
	pipeline->size = size;
	pipeline->first = 0;
	return 0;
}

int pipeline_push(struct pipeline *pipeline, const struct item *item)
{
	if (pipeline->count >= pipeline->max)
		return -ENOBUFS;
	if (pipeline->count == pipeline->size && grow(pipeline) < 0)
		return -ENOMEM;
	*pipeline_at(pipeline, pipeline->count++) = *item;
	return 0;
}

void pipeline_pop(struct pipeline *pipeline)
{
	pipeline->first++;
	if (!--pipeline->count && pipeline->size > SIZE_KEPT)
		pipeline_clear(pipeline);
}

void pipeline_clear(struct pipeline *pipeline)
{
	free(pipeline->items);
	pipeline->items = NULL;
	pipeline->size = pipeline->first = pipeline->count = 0;
}
