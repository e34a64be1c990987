/* SPDX-License-Identifier: MIT */
#include "sql/sqlblock.h"

#include <string.h>
#include <strings.h>

#include "sql/sqllex.h"

struct reader {
	struct sqllex lexer;
	struct sqllex_token token; /* the one ahead */
};

static void advance(struct reader *r)
{
	sqllex_next_solid(&r->lexer, &r->token);
}

static bool take(struct reader *r, const char *word)
{
	size_t len = r->token.end - r->token.start;

	if (r->token.kind != SQLLEX_WORD || len != strlen(word) ||
	    strncasecmp(r->token.start, word, len) != 0)
		return false;
	advance(r);
	return true;
}

static void take_name(struct reader *r, struct sqlblock *out)
{
	const char *at = r->token.start, *end = r->token.end;
	bool quoted = r->token.kind == SQLLEX_QUOTED_IDENTIFIER;

	if (!quoted && r->token.kind != SQLLEX_WORD)
		return;
	if (quoted)
		at++, end--;
	for (; at < end && out->name_len < SQLBLOCK_NAME_MAX; at++) {
		at += quoted && *at == '"' && at + 1 < end; /* a quote is written twice */
		out->name[out->name_len++] = !quoted && *at >= 'A' && *at <= 'Z' ? *at + 32 : *at;
	}
	advance(r);
}

static enum sqlblock_kind read_rollback(struct reader *r, struct sqlblock *out)
{
	if (take(r, "prepared"))
		return SQLBLOCK_NONE;
	if (!take(r, "work"))
		take(r, "transaction");
	if (!take(r, "to"))
		return SQLBLOCK_ROLLBACK;
	take(r, "savepoint");
	take_name(r, out);
	return SQLBLOCK_ROLLBACK_TO;
}

static enum sqlblock_kind read_statement(struct reader *r, struct sqlblock *out)
{
	if (take(r, "savepoint")) {
		take_name(r, out);
		return SQLBLOCK_SAVEPOINT;
	}
	if (take(r, "release")) {
		take(r, "savepoint");
		take_name(r, out);
		return SQLBLOCK_RELEASE;
	}
	if (take(r, "rollback") || take(r, "abort"))
		return read_rollback(r, out);
	if (take(r, "declare")) {
		take_name(r, out);
		return SQLBLOCK_DECLARE;
	}
	if (take(r, "close")) {
		if (!take(r, "all"))
			take_name(r, out);
		return SQLBLOCK_CLOSE;
	}
	if (take(r, "commit") || take(r, "end"))
		return take(r, "prepared") ? SQLBLOCK_NONE : SQLBLOCK_COMMIT;
	return SQLBLOCK_NONE;
}

static void skip_statement(struct reader *r)
{
	while (r->token.kind != SQLLEX_END && !(r->token.kind == SQLLEX_OTHER && *r->token.start == ';'))
		advance(r);
	while (r->token.kind == SQLLEX_OTHER && *r->token.start == ';')
		advance(r);
}

/* Of most texts only the first word is to be read. */
static bool may_hold_several(const char *text, size_t len)
{
	const char *sign = memchr(text, ';', len);

	while (sign && ++sign < text + len)
		if (!memchr("; \t\n\r\f", *sign, 6))
			return true;
	return false;
}

void sqlblock_read(const char *text, size_t len, struct sqlblock *out)
{
	struct reader r = {.lexer = {.at = text, .end = text + len}};
	bool several = may_hold_several(text, len);

	*out = (struct sqlblock){.kind = SQLBLOCK_NONE};
	advance(&r);
	do {
		struct sqlblock one = {.kind = SQLBLOCK_NONE};

		one.kind = read_statement(&r, &one);
		if (one.kind != SQLBLOCK_NONE && out->kind != SQLBLOCK_NONE)
			one = (struct sqlblock){.kind = SQLBLOCK_SEVERAL};
		if (one.kind != SQLBLOCK_NONE)
			*out = one;
		if (several)
			skip_statement(&r);
	} while (several && r.token.kind != SQLLEX_END && out->kind != SQLBLOCK_SEVERAL);
}
