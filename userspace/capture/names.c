/* SPDX-License-Identifier: MIT */
#include "capture/names.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "wire/prepared.h"

#define PROCESSES_MAX 16
#define NAMES_MAX     4096
#define BYTES_MAX     (1u << 20)
#define OF_PGDOG      "__pgdog_"

/* One proxy, or a child of one. */
struct process {
	UT_hash_handle hh;
	uint32_t id;
	uint32_t confirmed; /* names that two connections have with one text */
	bool refuted;       /* and one that has two */
	struct prepared names;
};

struct names {
	struct process *processes; /* the least recently used first */
};

struct names *names_new(void)
{
	return calloc(1, sizeof(struct names));
}

static void drop(struct names *names, struct process *process)
{
	HASH_DEL(names->processes, process);
	prepared_clear(&process->names);
	free(process);
}

void names_free(struct names **names)
{
	struct process *process, *next;

	if (!*names)
		return;
	HASH_ITER (hh, (*names)->processes, process, next)
		drop(*names, process);
	free(*names);
	*names = NULL;
}

static struct process *find(struct names *names, uint32_t id)
{
	struct process *process;

	HASH_FIND_INT(names->processes, &id, process);
	if (!process || !process->hh.next)
		return process;
	HASH_DEL(names->processes, process);
	HASH_ADD_INT(names->processes, id, process);
	return process;
}

static struct process *add(struct names *names, uint32_t id)
{
	struct process *process = calloc(1, sizeof(*process));

	if (!process)
		return NULL;
	if (HASH_COUNT(names->processes) >= PROCESSES_MAX)
		drop(names, names->processes);
	process->id = id;
	prepared_init(&process->names, NAMES_MAX, BYTES_MAX);
	HASH_ADD_INT(names->processes, id, process);
	return process;
}

static bool is_same(const struct querytext *a, const struct querytext *b)
{
	return a->keyed && b->keyed && a->key.word[0] == b->key.word[0] && a->key.word[1] == b->key.word[1];
}

static void compare(struct process *process, struct prepared_entry *entry, uint64_t connection,
		    const struct querytext *text)
{
	if (!is_same(entry->text, text)) {
		process->refuted = true;
		prepared_clear(&process->names);
	} else if (!entry->confirmed && entry->id != connection) {
		entry->confirmed = true;
		process->confirmed++;
	}
}

void names_prepared(struct names *names, uint32_t id, uint64_t connection, const char *name, size_t len,
		    struct querytext *text)
{
	struct querytext_key key = prepared_name(name, len);
	struct process *process = find(names, id);
	struct prepared_entry *entry;

	if (!process)
		process = add(names, id);
	if (!process || process->refuted)
		return;
	entry = prepared_get(&process->names, &key);
	if (entry)
		compare(process, entry, connection, text);
	else
		prepared_put(&process->names, &key, connection, querytext_get(text));
}

/* PgDog numbers its names for the life of the process. */
static bool is_of_pgdog(const char *name, size_t len)
{
	return len > strlen(OF_PGDOG) && memcmp(name, OF_PGDOG, strlen(OF_PGDOG)) == 0;
}

struct querytext *names_text(struct names *names, uint32_t id, const char *name, size_t len)
{
	struct querytext_key key = prepared_name(name, len);
	struct process *process = find(names, id);
	struct prepared_entry *entry;

	if (!process || process->refuted || (process->confirmed < NAMES_PROOF && !is_of_pgdog(name, len)))
		return NULL;
	entry = prepared_get(&process->names, &key);
	return entry ? querytext_get(entry->text) : NULL;
}
