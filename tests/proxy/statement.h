/* SPDX-License-Identifier: MIT */
/*
 * statement - prepared statements by text: every client's name for the same text becomes one name of ours
 * (__pgdog_1, __pgdog_2, ...), as PgDog does it. Bounded; nothing is ever evicted while the proxy lives.
 */
#ifndef TESTPROXY_STATEMENT_H
#define TESTPROXY_STATEMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buffer.h"

#define STATEMENT_MAX      8192 /* distinct texts */
#define STATEMENT_NAMES    1024 /* names of one client */
#define STATEMENT_TEXT_MAX (1u << 20)

struct statements; /* of the proxy */

int statements_new(struct statements **out);
void statements_free(struct statements **statements);
/* rest: what follows the name in a Parse message (text and parameter types). Returns a number >= 0 or -errno
 * (-ENOSPC past the bounds). */
int statements_number(struct statements *statements, const uint8_t *rest, size_t len);
const struct buffer *statements_rest(const struct statements *statements, unsigned number);

void statement_name(char name[32], unsigned number);
/* The number in a name that statement_name made, else -EINVAL. */
int statement_parse_name(const char *name);

/* One client's names. */
struct statement_name {
	char *name;
	unsigned number;
};

struct statement_names {
	struct statement_name *entries;
	size_t count, size;
};

void names_free(struct statement_names *names);
int names_set(struct statement_names *names, const char *name, unsigned number); /* 0, -ENOMEM, -ENOSPC */
int names_get(const struct statement_names *names, const char *name);            /* number or -ENOENT */
void names_remove(struct statement_names *names, const char *name);

#endif
