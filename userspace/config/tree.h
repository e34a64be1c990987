/* SPDX-License-Identifier: MIT */
/*
 * tree - a parsed YAML document without the parser: scalars, lists and mappings, each with its place in the
 * file. Owned by its root.
 */
#ifndef MO_TREE_H
#define MO_TREE_H

#include <stdbool.h>
#include <stddef.h>

enum tree_kind { TREE_SCALAR, TREE_LIST, TREE_MAPPING };

struct tree {
	enum tree_kind kind;
	unsigned line, column; /* from 1 */
	char *text;            /* TREE_SCALAR: NUL-terminated, len bytes */
	size_t len;
	bool plain; /* TREE_SCALAR: stands without quotes */
	/* Items of a list; of a mapping key, value, key, value... */
	struct tree *first, *last, *next;
	size_t count;
	struct tree *parent;
};

/* Appends a node to parent (NULL: it becomes a root of its own). */
int tree_new(struct tree **out, struct tree *parent, enum tree_kind kind);
int tree_set_text(struct tree *node, const char *text, size_t len);
/* Frees the node and all below it; no recursion. */
void tree_free(struct tree **root);

/* True for a missing value, ~ and null. */
bool tree_is_null(const struct tree *node);
/* "a value", "a list", "a mapping". */
const char *tree_kind_name(const struct tree *node);

#endif
