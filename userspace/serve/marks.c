/* SPDX-License-Identifier: MIT */
#include "serve/marks.h"

#include <string.h>

#include "base/utf8.h"

static size_t fitting(const char *text)
{
	size_t len = strlen(text);

	return len < MARKS_TEXT_MAX ? len : utf8_cut(text, MARKS_TEXT_MAX - 1);
}

void marks_add(struct marks *marks, uint64_t at_s, enum mark_kind kind, const char *text)
{
	struct mark *mark = &marks->list[marks->count++ % MARKS_MAX];

	memset(mark, 0, sizeof(*mark));
	mark->at_s = at_s;
	mark->kind = kind;
	memcpy(mark->text, text, fitting(text));
}

size_t marks_kept(const struct marks *marks)
{
	return marks->count < MARKS_MAX ? marks->count : MARKS_MAX;
}

const struct mark *marks_get(const struct marks *marks, size_t i)
{
	return &marks->list[(marks->count - marks_kept(marks) + i) % MARKS_MAX];
}

const struct mark *marks_last(const struct marks *marks, enum mark_kind kind)
{
	for (size_t i = marks_kept(marks); i-- > 0;)
		if (marks_get(marks, i)->kind == kind)
			return marks_get(marks, i);
	return NULL;
}

const char *marks_kind(enum mark_kind kind)
{
	static const char *const names[MARK_KINDS] = {"verdict", "start", "reload", "reset"};

	return kind < MARK_KINDS ? names[kind] : "";
}
