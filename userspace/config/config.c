/* SPDX-License-Identifier: MIT */
#include "config/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yaml.h>

#include "config/config_data.h"
#include "config/config_reader.h"

#define DEPTH_MAX  16    /* a valid file needs 5 levels */
#define EVENTS_MAX 20000 /* CONFIG_CLUSTERS_MAX full clusters need less */

/* The file's text and the tree that grows from it. */
struct loader {
	struct reader *r;
	const char *text;
	size_t len;
	struct tree *root, *open; /* open: the list or mapping that is being filled */
	unsigned depth, documents, events;
	bool end;
};

static int fail_event(struct loader *l, const yaml_event_t *event, const char *what)
{
	return reader_fail(l->r, (unsigned)event->start_mark.line + 1, (unsigned)event->start_mark.column + 1,
			   "syntax: %s", what);
}

static int fail_syntax(struct loader *l, const yaml_parser_t *parser)
{
	unsigned line = parser->problem_mark.line + 1, column = parser->problem_mark.column + 1, tab;

	if (parser->error == YAML_MEMORY_ERROR)
		return -ENOMEM;
	if (text_indent_has_tab(l->text, l->len, line, &tab))
		return reader_fail(l->r, line, tab, "syntax: a tab in the indentation; indent with spaces");
	return reader_fail(l->r, line, column, "syntax: %s%s%s; write YAML, see observer.yaml(5)",
			   parser->problem ? parser->problem : "not YAML", parser->context ? " " : "",
			   parser->context ? parser->context : "");
}

/* Anchors and tags hide what is written; neither has a use here. */
static int check_node(struct loader *l, const yaml_event_t *event, const yaml_char_t *anchor,
		      const yaml_char_t *tag)
{
	if (anchor)
		return fail_event(l, event, "anchors (&name) are not supported; write the value out");
	if (tag)
		return fail_event(l, event, "tags (!name) are not supported; leave it out");
	return 0;
}

static int add_node(struct loader *l, const yaml_event_t *event, enum tree_kind kind, struct tree **out)
{
	int err = tree_new(out, l->open, kind);

	if (err)
		return err;
	if (!l->root)
		l->root = *out;
	(*out)->line = event->start_mark.line + 1;
	(*out)->column = event->start_mark.column + 1;
	return 0;
}

static int add_scalar(struct loader *l, const yaml_event_t *event)
{
	struct tree *node;
	int err = check_node(l, event, event->data.scalar.anchor, event->data.scalar.tag)
		      ?: add_node(l, event, TREE_SCALAR, &node);

	if (err)
		return err;
	node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	return tree_set_text(node, (const char *)event->data.scalar.value, event->data.scalar.length);
}

static int open_node(struct loader *l, const yaml_event_t *event, enum tree_kind kind)
{
	bool list = kind == TREE_LIST;
	int err =
	    check_node(l, event, list ? event->data.sequence_start.anchor : event->data.mapping_start.anchor,
		       list ? event->data.sequence_start.tag : event->data.mapping_start.tag);

	if (err)
		return err;
	if (++l->depth > DEPTH_MAX)
		return fail_event(l, event,
				  "nested too deep; the deepest key is clusters[].mirror.address[]");
	return add_node(l, event, kind, &l->open);
}

static int add_event(struct loader *l, const yaml_event_t *event)
{
	if (++l->events > EVENTS_MAX)
		return fail_event(l, event, "more items than any configuration needs");
	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (++l->documents > 1)
			return fail_event(l, event, "a second document begins here; write one only");
		return 0;
	case YAML_ALIAS_EVENT:
		return fail_event(l, event, "aliases (*name) are not supported; write the value out");
	case YAML_SCALAR_EVENT:
		return add_scalar(l, event);
	case YAML_SEQUENCE_START_EVENT:
		return open_node(l, event, TREE_LIST);
	case YAML_MAPPING_START_EVENT:
		return open_node(l, event, TREE_MAPPING);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		l->depth--;
		l->open = l->open->parent;
		return 0;
	default:
		l->end = event->type == YAML_STREAM_END_EVENT;
		return 0;
	}
}

/* From events, not by libyaml's document API: that one resolves aliases and forgets anchors in silence. */
static int load_tree(struct loader *l)
{
	yaml_parser_t parser;
	yaml_event_t event;
	int err = 0;

	if (!yaml_parser_initialize(&parser))
		return -ENOMEM;
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&parser, (const unsigned char *)l->text, l->len);
	while (!err && !l->end) {
		if (!yaml_parser_parse(&parser, &event)) {
			err = fail_syntax(l, &parser);
			break;
		}
		err = add_event(l, &event);
		yaml_event_delete(&event);
	}
	yaml_parser_delete(&parser);
	return err;
}

int config_parse(struct config **out, const char *name, const void *text, size_t len, char **error)
{
	struct reader r = {.name = name, .error = error};
	struct loader l = {.r = &r, .text = text, .len = len};
	struct text_place place;
	const char *why;
	int err;

	*error = NULL;
	if (len > CONFIG_FILE_MAX)
		return reader_fail(&r, 1, 1, "the file is larger than 1 MiB; no configuration needs that");
	if (!text_is_clean(text, len, &place, &why))
		return reader_fail(&r, place.line, place.column, "syntax: %s; write plain UTF-8 text", why);
	/* libyaml skips a byte order mark only where it guesses the encoding itself. */
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
		l.text += 3;
		l.len -= 3;
	}
	err = config_new(&r.config, name) ?: load_tree(&l) ?: config_fields(&r, l.root);
	tree_free(&l.root);
	if (err) {
		config_free(&r.config);
		return err;
	}
	*out = r.config;
	return 0;
}

/* Reads a regular file of at most CONFIG_FILE_MAX + 1 bytes. */
static int read_file(const char *path, char **out, size_t *len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), err = 0;
	struct stat st;
	ssize_t n = 1;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st))
		err = -errno;
	else if (!S_ISREG(st.st_mode))
		err = S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
	*out = err ? NULL : malloc(CONFIG_FILE_MAX + 1);
	if (!err && !*out)
		err = -ENOMEM;
	for (*len = 0; !err && n > 0 && *len <= CONFIG_FILE_MAX; *len += n) {
		n = read(fd, *out + *len, CONFIG_FILE_MAX + 1 - *len);
		if (n < 0)
			err = -errno;
	}
	close(fd);
	return err;
}

int config_load(struct config **out, const char *path, char **error)
{
	char *text = NULL;
	size_t len = 0;
	int err = read_file(path, &text, &len);

	*error = NULL;
	if (!err)
		err = config_parse(out, path, text, len, error);
	else if (asprintf(error, "%s: cannot be read: %s", path,
			  err == -EINVAL ? "not a regular file" : strerror(-err)) < 0)
		*error = NULL;
	free(text);
	return err;
}
