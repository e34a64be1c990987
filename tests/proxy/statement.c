/* SPDX-License-Identifier: MIT */
#include "statement.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS (2 * STATEMENT_MAX)

struct statements {
	struct buffer rest[STATEMENT_MAX];
	unsigned count;
	unsigned slots[SLOTS]; /* open addressing; number + 1, 0 = free */
};

int statements_new(struct statements **out)
{
	*out = calloc(1, sizeof(**out));
	return *out ? 0 : -ENOMEM;
}

void statements_free(struct statements **statements)
{
	if (!*statements)
		return;
	for (unsigned i = 0; i < (*statements)->count; i++)
		buffer_free(&(*statements)->rest[i]);
	free(*statements);
	*statements = NULL;
}

/* FNV-1a */
static uint64_t hash(const uint8_t *bytes, size_t len)
{
	uint64_t h = 0xcbf29ce484222325;

	for (size_t i = 0; i < len; i++)
		h = (h ^ bytes[i]) * 0x100000001b3;
	return h;
}

int statements_number(struct statements *s, const uint8_t *rest, size_t len)
{
	size_t slot = hash(rest, len) % SLOTS;

	for (; s->slots[slot]; slot = (slot + 1) % SLOTS) {
		const struct buffer *known = &s->rest[s->slots[slot] - 1];
		if (known->len == len && !memcmp(buffer_at(known, 0), rest, len))
			return (int)s->slots[slot] - 1;
	}
	if (s->count == STATEMENT_MAX || len > STATEMENT_TEXT_MAX)
		return -ENOSPC;
	if (buffer_append(&s->rest[s->count], rest, len))
		return -ENOMEM;
	s->slots[slot] = ++s->count;
	return (int)s->count - 1;
}

const struct buffer *statements_rest(const struct statements *statements, unsigned number)
{
	return &statements->rest[number];
}

void statement_name(char name[32], unsigned number)
{
	snprintf(name, 32, "__pgdog_%u", number + 1);
}

int statement_parse_name(const char *name)
{
	unsigned number;

	if (sscanf(name, "__pgdog_%u", &number) != 1 || !number || number > STATEMENT_MAX)
		return -EINVAL;
	return (int)number - 1;
}

void names_free(struct statement_names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->entries[i].name);
	free(names->entries);
	*names = (struct statement_names){0};
}

static struct statement_name *find(const struct statement_names *names, const char *name)
{
	for (size_t i = 0; i < names->count; i++)
		if (!strcmp(names->entries[i].name, name))
			return &names->entries[i];
	return NULL;
}

static int make_room(struct statement_names *names)
{
	size_t size = names->size ? 2 * names->size : 16;

	if (names->count < names->size)
		return 0;
	if (names->count >= STATEMENT_NAMES)
		return -ENOSPC;
	struct statement_name *entries = realloc(names->entries, size * sizeof(*entries));
	if (!entries)
		return -ENOMEM;
	names->entries = entries;
	names->size = size;
	return 0;
}

int names_set(struct statement_names *names, const char *name, unsigned number)
{
	struct statement_name *entry = find(names, name);

	if (!entry) {
		int err = make_room(names);
		char *copy = err ? NULL : strdup(name);
		if (!copy)
			return err ? err : -ENOMEM;
		entry = &names->entries[names->count++];
		entry->name = copy;
	}
	entry->number = number;
	return 0;
}

int names_get(const struct statement_names *names, const char *name)
{
	const struct statement_name *entry = find(names, name);

	return entry ? (int)entry->number : -ENOENT;
}

void names_remove(struct statement_names *names, const char *name)
{
	struct statement_name *entry = find(names, name);

	if (!entry)
		return;
	free(entry->name);
	*entry = names->entries[--names->count];
}
