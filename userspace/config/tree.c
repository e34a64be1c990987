/* SPDX-License-Identifier: MIT */
#include "config/tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

int tree_new(struct tree **out, struct tree *parent, enum tree_kind kind)
{
	struct tree *node = calloc(1, sizeof(*node));

	if (!node)
		return -ENOMEM;
	node->kind = kind;
	node->parent = parent;
	if (parent) {
		*(parent->last ? &parent->last->next : &parent->first) = node;
		parent->last = node;
		parent->count++;
	}
	*out = node;
	return 0;
}

int tree_set_text(struct tree *node, const char *text, size_t len)
{
	node->text = malloc(len + 1);
	if (!node->text)
		return -ENOMEM;
	memcpy(node->text, text, len);
	node->text[len] = '\0';
	node->len = len;
	return 0;
}

void tree_free(struct tree **root)
{
	struct tree *node = *root, *up;

	while (node) {
		if (node->first) {
			/* Cut the first child off and free it before its parent. */
			up = node;
			node = node->first;
			up->first = node->next;
			continue;
		}
		up = node == *root ? NULL : node->parent;
		free(node->text);
		free(node);
		node = up;
	}
	*root = NULL;
}

bool tree_is_null(const struct tree *node)
{
	return node->kind == TREE_SCALAR && node->plain &&
	       (!*node->text || !strcmp(node->text, "~") || !strcasecmp(node->text, "null"));
}

const char *tree_kind_name(const struct tree *node)
{
	static const char *const names[] = {"a value", "a list", "a mapping"};

	return names[node->kind];
}
